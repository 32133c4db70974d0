package auth0

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// application is a client as the Management API shows it: what is compared, no more. An absent field is not the zero
// value of the service but one that the token may not read.
type application struct {
	ClientID                string   `json:"client_id"`
	Name                    string   `json:"name"`
	Description             string   `json:"description"`
	AppType                 string   `json:"app_type"`
	IsFirstParty            *bool    `json:"is_first_party"`
	OIDCConformant          *bool    `json:"oidc_conformant"`
	GrantTypes              []string `json:"grant_types"`
	TokenEndpointAuthMethod string   `json:"token_endpoint_auth_method"`
	ClientSecret            string   `json:"client_secret"`
	ClientMetadata          texts    `json:"client_metadata"`
	JWTConfiguration        struct {
		Algorithm string `json:"alg"`
	} `json:"jwt_configuration"`
	AuthenticationMethods struct {
		PrivateKeyJWT *struct {
			Credentials []credential `json:"credentials"`
		} `json:"private_key_jwt"`
		TLS           *struct{} `json:"tls_client_auth"`
		SelfSignedTLS *struct{} `json:"self_signed_tls_client_auth"`
	} `json:"client_authentication_methods"`
}

// texts are metadata. Values that are no text, which older tenants hold, are not ours and left out.
type texts map[string]string

func (t *texts) UnmarshalJSON(data []byte) error {
	var raw map[string]any
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	*t = texts{}
	for key, value := range raw {
		if text, ok := value.(string); ok {
			(*t)[key] = text
		}
	}
	return nil
}

// credential is a public key of a client. Inside a client only a create's answer shows more than the id.
type credential struct {
	ID      string    `json:"id"`
	KeyID   string    `json:"kid"`
	Type    string    `json:"credential_type"`
	Expires time.Time `json:"expires_at,omitzero"` // zero: never
}

// grant is what lets a client ask for tokens of an audience.
type grant struct {
	ID             string   `json:"id"`
	ClientID       string   `json:"client_id"`
	Audience       string   `json:"audience"`
	Scope          []string `json:"scope"`
	AllowAllScopes bool     `json:"allow_all_scopes"`
	SubjectType    string   `json:"subject_type"` // "client" (also where absent) or "user"
}

func (g grant) forClients() bool { return g.SubjectType == "" || g.SubjectType == "client" }

// found is what Client.Found holds. It is never changed once it is there: a later one takes its place.
type found struct {
	app    application
	grants []grant // for clients; of the audience asked for at least, of every audience after a read of its own
}

// Keys of client_metadata, of which Auth0 takes ten with 255 characters each.
const (
	metaOnboarding  = "oidcs3_onboarding_id"
	metaServer      = "oidcs3_server"
	metaEnvironment = "oidcs3_environment"
	metaAudience    = "oidcs3_audience" // whose grant is ours
	metaKeys        = "oidcs3_keys"     // which credential is which key: "cred_1=<key id> cred_2=<key id>"

	maxMetadata    = 255
	maxDescription = 140
)

// What a server's client looks like.
const (
	appType        = "non_interactive"
	grantType      = "client_credentials"
	secretPost     = "client_secret_post"
	secretBasic    = "client_secret_basic"
	noSecret       = "none"
	credentialType = "public_key"
	signingAlg     = "RS256" // private_key_jwt needs it: https://auth0.com/docs/api/management/v2/clients/post-clients
	subjectSuffix  = "@clients"
	maxCredentials = 2 // of one client
)

// client makes the idp.Client of what was read.
func client(app application, grants []grant, audience string) idp.Client {
	c := idp.Client{
		ID:           app.ClientID,
		Subject:      app.ClientID + subjectSuffix,
		Name:         app.Name,
		OnboardingID: app.ClientMetadata[metaOnboarding],
		Method:       idp.ClientSecret,
		Found:        &found{app: app, grants: grants},
	}
	if app.AuthenticationMethods.PrivateKeyJWT != nil {
		c.Method = idp.PrivateKeyJWT
	} else {
		c.Secret = idp.Secret(app.ClientSecret)
	}
	if g, ok := grantFor(grants, audience); ok {
		c.GrantID = g.ID
	}
	return c
}

func grantFor(grants []grant, audience string) (grant, bool) {
	at := slices.IndexFunc(grants, func(g grant) bool { return g.Audience == audience })
	if at < 0 {
		return grant{}, false
	}
	return grants[at], true
}

// state is what was read of a client; of one that does not exist, nothing.
func state(c idp.Client) *found {
	if f, ok := c.Found.(*found); ok && f != nil && c.Exists() {
		return f
	}
	return &found{}
}

// update takes over what a write answered, keeping what only other calls tell.
func update(c *idp.Client, app application, spec idp.Spec) {
	old, before := *c, state(*c)
	if app.ClientMetadata == nil {
		app.ClientMetadata = before.app.ClientMetadata
	}
	if methods := app.AuthenticationMethods.PrivateKeyJWT; methods != nil {
		for i, one := range methods.Credentials {
			for _, known := range enabledCredentials(before.app) {
				if one.ID == known.ID && one.KeyID == "" {
					methods.Credentials[i].KeyID = known.KeyID
				}
			}
		}
	}
	*c = client(app, before.grants, spec.Audience)
	if spec.Audience == "" {
		c.GrantID = old.GrantID
	}
	if c.Secret == "" && c.Method == idp.ClientSecret {
		c.Secret = old.Secret
	}
}

// setGrants takes over a change of the client's grants.
func setGrants(c *idp.Client, grants []grant, audience string) {
	f := *state(*c)
	f.grants = grants
	c.Found, c.GrantID = &f, ""
	if g, ok := grantFor(grants, audience); ok {
		c.GrantID = g.ID
	}
}

// metadata is what a client's metadata say of its server.
func metadata(spec idp.Spec) map[string]string {
	wanted := map[string]string{
		metaOnboarding: spec.OnboardingID, metaServer: spec.Server, metaEnvironment: spec.Environment, metaAudience: spec.Audience,
	}
	maps.DeleteFunc(wanted, func(_, value string) bool { return value == "" || len(value) > maxMetadata })
	return wanted
}

// description fits the spec's description into what Auth0 takes.
func description(spec idp.Spec) string {
	runes := []rune(spec.Description)
	return string(runes[:min(len(runes), maxDescription)])
}

func list(values []string) string { return "[" + strings.Join(values, " ") + "]" }
