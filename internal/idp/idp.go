// Package idp is what the controller needs of an identity provider: the machine-to-machine client of one server, as a
// list of parts that can be compared, applied and reverted one by one. auth0, entra and cognito implement it.
//
// Nothing here knows AWS, Terraform or an SDK.
package idp

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Kind names an identity provider as configurations do.
type Kind string

// The identity providers.
const (
	Auth0   Kind = "auth0"
	Entra   Kind = "entra"
	Cognito Kind = "cognito"
)

// Secret is a client secret. Every way of printing it shows "(sensitive)".
type Secret string

func (Secret) String() string { return "(sensitive)" }

// GoString implements fmt.GoStringer, so that %#v does not show the value.
func (Secret) GoString() string { return "(sensitive)" }

// Format implements fmt.Formatter, so that no verb shows the value.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(sensitive)") }

// MarshalJSON implements json.Marshaler, so that no structured log shows the value.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"(sensitive)"`), nil }

// Reveal returns the value itself.
func (s Secret) Reveal() string { return string(s) }

// Method is how a client authenticates at the token endpoint.
type Method string

// The methods.
const (
	ClientSecret  Method = "client_secret"
	PrivateKeyJWT Method = "private_key_jwt"
)

// SecretsOverlap reports whether a client's former secret stays valid beside a new one, so that a host has time to take
// the new one up.
func (k Kind) SecretsOverlap() bool { return k == Entra || k == Cognito }

// API is the protected API that tokens are issued for, as the identity provider describes it.
type API struct {
	Audience       string   // identifier the tokens' aud carries
	Issuer         string   // the tokens' iss, to the letter: "https://tenant.auth0.com/"
	TokenEndpoint  string   // https URL
	Profile        string   // the setting behind TokensCarryAZP, in the provider's words: "rfc9068_profile", "access_token", "1", "2"
	TokensCarryAZP bool     // tokens name their client in azp, which STS takes for the audience
	Scopes         []string // scopes that exist at the API (Cognito)
	// Identifier is the name that configurations know the API by, where it is not what the tokens carry: an identifier
	// URI of Entra ID. Elsewhere empty.
	Identifier string
}

// Spec is the client that is wanted.
type Spec struct {
	Name         string   // display name, "oidc-s3-dev-web-01"; not unique anywhere
	Description  string   // human text
	OnboardingID string   // written where the provider lets us, to find the client again
	Server       string   // server name
	Environment  string   // environment name
	Audience     string   // API to be granted (Auth0, Entra)
	Scopes       []string // scopes to be granted (Cognito)
	Method       Method
	PublicKeys   []string // PEM, for PrivateKeyJWT; at most two; none: not known, as after an import, and whatever is found is right
}

// Client is a machine-to-machine client as it was found. The zero Client is one that does not exist.
type Client struct {
	ID           string // what the host authenticates as (client_id; Entra: appId)
	ObjectID     string // Entra: the application's object id; elsewhere empty
	PrincipalID  string // Entra: the service principal's object id; elsewhere empty
	Subject      string // sub of its tokens
	Name         string
	OnboardingID string // empty on a client that something else made
	Method       Method
	Secret       Secret   // empty where the provider does not show it
	SecretID     string   // Cognito: which of the client's secrets Secret is; empty: the one that Cognito shows
	GrantID      string   // Auth0: client grant; Entra: app role assignment
	Scopes       []string // Cognito: scopes that the client may ask for
	// Found is what the adapter read, for its own Parts to compare; others do not look inside.
	Found any
}

// Exists reports whether the client is there at all.
func (c Client) Exists() bool { return c.ID != "" }

// Lookup says which client is meant. ID, where known, is enough; else the client is searched by OnboardingID, or where
// the provider cannot hold one, by Subject or Name.
type Lookup struct {
	ID           string
	OnboardingID string
	Subject      string // sub of its tokens, for providers whose sub is not made of the client id (Entra)
	Name         string
	Since        time.Time // of a search by name: a client that was made before is another's; zero: not known
	Audience     string    // whose grant to look for
	Fresh        bool      // do not answer from a shared read
}

// Part is one object or setting that a client consists of. Apply and Revert are one attempt each: they never repeat a
// call that may have taken effect, and report such a call as apierror.Ambiguous. The controller then reads the client
// again and asks Deviations.
type Part struct {
	// Name says what it is: "client", "client grant", "service principal".
	Name string
	// Deviations lists in words how the client found differs from the spec: nothing where it is right. A missing object
	// is one deviation.
	Deviations func(Client, Spec) []string
	// Apply makes or mends the part and updates the client with what it learned.
	Apply func(context.Context, *Client, Spec) error
	// Revert puts the part back to what it was in before, removing it where it was not there. What is gone already is
	// no error.
	Revert func(ctx context.Context, client *Client, before Client) error
}

// SecretPart is the name of the part whose Apply makes a new client secret, whatever Deviations says. A provider that
// does not show secrets cannot tell a secret that is lost from one that somebody remembers, so only the caller can.
const SecretPart = "client secret"

// Provider is one identity provider. Its methods are safe for concurrent use and fail with *apierror.Error.
type Provider interface {
	Kind() Kind
	// API reads the protected API's settings; apierror.NotFound where there is none of that audience.
	API(ctx context.Context, audience string) (API, error)
	// Parts returns the parts of a client in the order in which they must be made. Deleting goes backwards.
	Parts() []Part
	// Find reads a client with all of its parts. It fails with apierror.NotFound where there is none, and with
	// apierror.Conflict where several match a search.
	Find(ctx context.Context, which Lookup) (Client, error)
	// Delete removes the client and everything that goes with it; one that is gone already is no error.
	Delete(ctx context.Context, client Client) error
}
