// Package config says where and as whom the host binary works: the flat configuration file, the environment variables
// and the flags that override it, and the client secret or private key beside them.
//
// Nothing here talks to a network.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// DefaultFile is read when neither --config nor $OIDCS3_CONFIG names a file. It may be missing.
const DefaultFile = "/etc/oidcs3/config.json"

// The identity providers that identity_provider may name.
const (
	Auth0   = "auth0"
	Entra   = "entra"
	Cognito = "cognito"
)

// Config is what the host knows of its server. It holds no secret. The field names are the keys of the file.
type Config struct {
	IdentityProvider string

	Auth0Domain   string // host, or host:port
	Auth0ClientID string
	Auth0Audience string

	EntraTenantID  string
	EntraClientID  string
	EntraAudience  string // identifier URI of the API; the scope asked for is "<audience>/.default"
	EntraLoginHost string // default login.microsoftonline.com

	CognitoDomain   string // prefix domain, or the whole host, or host:port
	CognitoClientID string
	CognitoScopes   string // blank-separated

	CredentialVendingURL string // base of the vending API; empty: STS

	AWSRoleARN   string
	AWSRegion    string
	S3Bucket     string
	S3PathPrefix string
	ServerName   string // session name of the assumed role
}

// Setting is one key of the configuration, with every way of giving it.
type Setting struct {
	Key   string   // in the file
	Env   []string // environment variables, the first one set counts
	Usage string   // for the flag
	field func(*Config) *string
}

// Flag is the name of the setting's command line flag, without dashes.
func (s Setting) Flag() string { return strings.ReplaceAll(s.Key, "_", "-") }

// Settings lists every setting in the order in which they are documented.
func Settings() []Setting {
	return []Setting{
		{"identity_provider", []string{"IDENTITY_PROVIDER"}, "auth0, entra or cognito", func(c *Config) *string { return &c.IdentityProvider }},
		{"auth0_domain", []string{"AUTH0_DOMAIN"}, "Auth0 domain (host[:port])", func(c *Config) *string { return &c.Auth0Domain }},
		{"auth0_client_id", []string{"AUTH0_CLIENT_ID"}, "Auth0 client ID", func(c *Config) *string { return &c.Auth0ClientID }},
		{"auth0_audience", []string{"AUTH0_AUDIENCE"}, "identifier of the Auth0 API", func(c *Config) *string { return &c.Auth0Audience }},
		{"entra_tenant_id", []string{"ENTRA_TENANT_ID"}, "Entra tenant ID", func(c *Config) *string { return &c.EntraTenantID }},
		{"entra_client_id", []string{"ENTRA_CLIENT_ID"}, "Entra application (client) ID", func(c *Config) *string { return &c.EntraClientID }},
		{"entra_audience", []string{"ENTRA_AUDIENCE"}, "identifier URI of the Entra API", func(c *Config) *string { return &c.EntraAudience }},
		{"entra_login_host", []string{"ENTRA_LOGIN_HOST"}, "Entra login host (default login.microsoftonline.com)", func(c *Config) *string { return &c.EntraLoginHost }},
		{"cognito_domain", []string{"COGNITO_DOMAIN"}, "Cognito domain: prefix, host or host:port", func(c *Config) *string { return &c.CognitoDomain }},
		{"cognito_client_id", []string{"COGNITO_CLIENT_ID"}, "Cognito app client ID", func(c *Config) *string { return &c.CognitoClientID }},
		{"cognito_scopes", []string{"COGNITO_SCOPES"}, "scopes to ask Cognito for, blank-separated", func(c *Config) *string { return &c.CognitoScopes }},
		{"credential_vending_url", []string{"CREDENTIAL_VENDING_URL"}, "credential vending API, used in place of STS", func(c *Config) *string { return &c.CredentialVendingURL }},
		{"aws_role_arn", []string{"AWS_ROLE_ARN"}, "role to assume", func(c *Config) *string { return &c.AWSRoleARN }},
		{"aws_region", []string{"AWS_REGION", "AWS_DEFAULT_REGION"}, "region of the bucket", func(c *Config) *string { return &c.AWSRegion }},
		{"s3_bucket", []string{"S3_BUCKET"}, "bucket", func(c *Config) *string { return &c.S3Bucket }},
		{"s3_path_prefix", []string{"S3_PATH_PREFIX"}, "prefix that keys are relative to; ends in /", func(c *Config) *string { return &c.S3PathPrefix }},
		{"server_name", []string{"SERVER_NAME"}, "name of this server", func(c *Config) *string { return &c.ServerName }},
	}
}

// Source is where a configuration is read from. The zero value of a field means that this source is absent.
type Source struct {
	File   string                      // --config
	Getenv func(string) string         // os.Getenv
	Flag   func(string) (string, bool) // value of a flag that was given on the command line
}

// Error is a mistake in the configuration that its owner can mend.
type Error struct {
	Where string // file, flag or variable; may be empty
	Err   error
	Hint  string
}

func (e *Error) Error() string {
	if e.Where == "" {
		return e.Err.Error()
	}
	return e.Where + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Load reads the file, then lets the environment and then the flags override it. It checks no value: Validate does.
// Every error is an *Error.
func Load(src Source) (Config, error) {
	var c Config
	if err := loadFile(&c, src); err != nil {
		return Config{}, err
	}
	for _, s := range Settings() {
		if v := s.fromEnvironment(src.Getenv); v != "" {
			*s.field(&c) = v
		}
		if src.Flag == nil {
			continue
		}
		if v, given := src.Flag(s.Flag()); given {
			*s.field(&c) = v
		}
	}
	if c.CognitoScopes == "" {
		c.CognitoScopes = resourceServerScopes(src.Getenv("COGNITO_RESOURCE_SERVER"))
	}
	if c.IdentityProvider == "" {
		c.IdentityProvider = c.onlyProvider()
	}
	return c, nil
}

// FileName is the file that Load reads. An optional one may be missing.
func (src Source) FileName() (name string, optional bool) {
	if name = src.File; name == "" {
		name = src.Getenv("OIDCS3_CONFIG")
	}
	if name == "" {
		return DefaultFile, true
	}
	return name, false
}

func loadFile(c *Config, src Source) error {
	name, optional := src.FileName()
	text, err := os.ReadFile(name) // #nosec G304 -- the user names the file
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return &Error{Where: name, Err: fmt.Errorf("read configuration: %w", err),
			Hint: "name the file with --config or OIDCS3_CONFIG; Terraform's server_configuration is its text"}
	}
	*c, err = Parse(text)
	if err != nil {
		return &Error{Where: name, Err: err, Hint: "the file is one flat JSON object; Terraform's server_configuration is its text"}
	}
	return nil
}

// fromEnvironment is the setting's value in the environment: OIDCS3_<KEY> first, then the usual names.
func (s Setting) fromEnvironment(getenv func(string) string) string {
	for _, name := range slices.Concat([]string{"OIDCS3_" + strings.ToUpper(s.Key)}, s.Env) {
		if v := getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// resourceServerScopes are the two scopes that a resource server made for uploads defines.
func resourceServerScopes(identifier string) string {
	if identifier == "" {
		return ""
	}
	return identifier + "/read " + identifier + "/write"
}

// onlyProvider is the identity provider that a client id is given for, where there is exactly one.
func (c *Config) onlyProvider() string {
	found := ""
	for provider, id := range map[string]string{Auth0: c.Auth0ClientID, Entra: c.EntraClientID, Cognito: c.CognitoClientID} {
		if id == "" {
			continue
		}
		if found != "" {
			return ""
		}
		found = provider
	}
	return found
}

// ClientID is the client id at the configured identity provider.
func (c Config) ClientID() string {
	switch c.IdentityProvider {
	case Auth0:
		return c.Auth0ClientID
	case Entra:
		return c.EntraClientID
	case Cognito:
		return c.CognitoClientID
	}
	return ""
}
