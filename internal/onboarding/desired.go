package onboarding

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// Desired is the access that a configuration asks for. Its fields have been validated with the functions of package
// access.
type Desired struct {
	Project, Environment, Server string

	Partition string // "aws", "aws-cn", "aws-us-gov"
	Region    string // of the bucket, for the host

	Bucket     string
	Prefix     string // ends in "/"
	Permission access.Permission
	KMSKeyARN  string // empty: no KMS key

	MaxSessionDuration  time.Duration // 1 to 12 hours
	PermissionsBoundary string        // ARN, or empty
	Tags                map[string]string

	Identity   Identity
	Method     idp.Method
	PublicKeys []string // PEM, for idp.PrivateKeyJWT
	Storage    Storage  // of the client secret
	Rotate     bool     // a new client secret is wanted; for an update
	// AllowDowntime allows a new secret in place of one that is to be stored and that nobody knows, where the former one
	// ends at once.
	AllowDowntime bool

	Disabled bool // everything stands, and nobody gets in
	Wait     bool // for AWS to honour what was just opened, where Config.Probe can tell
}

// Identity says which API the server's tokens are for and how AWS comes to trust them.
type Identity struct {
	Audience    string
	ProviderARN string      // IAM OIDC provider; empty with vending
	Mode        access.Mode // empty: as the API's own setting asks for
	Scopes      []string    // Cognito
	Domain      string      // Cognito: domain of the token endpoint, as the host is given it
	Vending     Vending     // for access.Vending
}

// Vending is where the credential vending service is.
type Vending struct {
	RoleARN string // the service's role, which the server's role trusts
	URL     string
	Table   string // mapping table
}

// Name is the name of the role and of the client.
func (d Desired) Name() string { return access.Name(d.Project, d.Environment, d.Server) }

// ID is how users name the server: <environment>/<server name>.
func (d Desired) ID() string { return d.Environment + "/" + d.Server }

// Resolved is a Desired with what the identity provider and IAM say of the API: the trust that its tokens need.
type Resolved struct {
	Desired
	Mode          access.Mode
	TokenAudience string // aud of the tokens; Entra's of version 2 name the API by its client id
	Issuer        string // iss of the tokens
	TokenEndpoint string // https URL
}

// Resolve reads the API's settings and picks the trust mode. It changes nothing.
func (c *Controller) Resolve(ctx context.Context, d Desired) (Resolved, error) {
	api, err := c.clients.API(ctx, d.Identity.Audience)
	if apierror.Is(err, apierror.NotFound) {
		return Resolved{}, &Refusal{Field: FieldAudience, Err: err,
			Reason: fmt.Sprintf("%s has no API with the audience %q", c.clients.Kind(), d.Identity.Audience),
			Advice: "Create the API in the foundation layer, or correct the audience."}
	}
	if err != nil {
		return Resolved{}, fmt.Errorf("read the API %s: %w", d.Identity.Audience, err)
	}
	r := Resolved{Desired: d, Mode: d.Identity.Mode, TokenAudience: api.Audience, Issuer: api.Issuer, TokenEndpoint: api.TokenEndpoint}
	if api.Identifier != "" {
		r.Identity.Audience = api.Identifier
	}
	if r.Mode == "" {
		r.Mode = access.Plain
		if api.TokensCarryAZP {
			r.Mode = access.AZP
		}
	}
	for _, scope := range d.Identity.Scopes {
		if !slices.Contains(api.Scopes, scope) {
			return Resolved{}, &Refusal{Field: FieldScopes,
				Reason: fmt.Sprintf("the scope %q does not exist; there are %s", scope, orNone(api.Scopes)),
				Advice: "Add the scope to the resource server in the foundation layer, or correct allowed_scopes."}
		}
	}
	return r, nil
}

// Check refuses an OIDC provider that could never accept the API's tokens. It changes nothing.
func (c *Controller) Check(ctx context.Context, r Resolved) error {
	if r.Mode == access.Vending {
		return nil // no OIDC provider takes part
	}
	provider, err := c.roles.OIDCProvider(ctx, r.Identity.ProviderARN)
	if apierror.Is(err, apierror.NotFound) {
		return &Refusal{Field: FieldProvider, Err: err,
			Reason: fmt.Sprintf("the account has no OIDC provider %s", r.Identity.ProviderARN),
			Advice: "Create the OIDC provider in the foundation layer, or correct oidc_provider_arn."}
	}
	if err != nil {
		return fmt.Errorf("read the OIDC provider %s: %w", r.Identity.ProviderARN, err)
	}
	if "https://"+provider.URL != r.Issuer {
		return &Refusal{Field: FieldProvider,
			Reason: fmt.Sprintf("the OIDC provider trusts the issuer https://%s, but the tokens come from %s", provider.URL, r.Issuer),
			Advice: "The two must agree to the letter, a trailing slash included."}
	}
	if r.Mode == access.Plain && !slices.Contains(provider.ClientIDs, r.TokenAudience) {
		return &Refusal{Field: FieldProvider,
			Reason: fmt.Sprintf("the OIDC provider %s does not accept the audience %q; its client IDs are %s",
				r.Identity.ProviderARN, r.TokenAudience, orNone(provider.ClientIDs)),
			Advice: "Add the audience to the client ID list of the OIDC provider (client_id_list of aws_iam_openid_connect_provider)."}
	}
	return nil
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// Field names the part of a Desired that a Refusal is about; the Terraform surface turns it into an attribute path.
type Field string

// Fields that can only be judged with the clouds' help.
const (
	FieldAudience Field = "audience"
	FieldProvider Field = "oidc_provider_arn"
	FieldScopes   Field = "allowed_scopes"
)

// Refusal is a configuration that the clouds' own settings rule out. Nothing was changed.
type Refusal struct {
	Field  Field
	Reason string
	Advice string
	Err    error
}

func (r *Refusal) Error() string { return r.Reason }

func (r *Refusal) Unwrap() error { return r.Err }

// trust is the trust policy that lets the client in.
func (r Resolved) trust(client idp.Client) string {
	return access.Trust{
		Mode:           r.Mode,
		ProviderARN:    r.Identity.ProviderARN,
		Audience:       r.TokenAudience,
		Subject:        client.Subject,
		ClientID:       client.ID,
		VendingRoleARN: r.Identity.Vending.RoleARN,
		ServerName:     r.Server,
		Disabled:       r.Disabled,
	}.Policy()
}

// TrustPolicy is the trust policy that the server's role will have for the client.
func (r Resolved) TrustPolicy(client idp.Client) string { return r.trust(client) }

// Permissions is what the server's role will grant.
func (d Desired) Permissions() access.Permissions {
	return access.Permissions{Partition: d.Partition, Bucket: d.Bucket, Prefix: d.Prefix, Permission: d.Permission, KMSKeyARN: d.KMSKeyARN}
}

// Client is the client that the identity provider shall have.
func (d Desired) client(onboardingID string) idp.Spec {
	return idp.Spec{
		Name:         d.Name(),
		Description:  "S3 access of server " + d.Server + " (" + d.Environment + ")",
		OnboardingID: onboardingID,
		Server:       d.Server,
		Environment:  d.Environment,
		Audience:     d.Identity.Audience,
		Scopes:       d.Identity.Scopes,
		Method:       d.Method,
		PublicKeys:   d.PublicKeys,
	}
}

func (d Desired) roleDescription() string {
	return "S3 access of server " + d.Server + " (" + d.Environment + "), managed by oidcs3"
}
