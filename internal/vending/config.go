package vending

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
)

// Config is what the service is told. ParseConfig reads it; the JSON names are those of the file.
type Config struct {
	Table             string   `json:"client_roles_table_name"` // the mapping table's name or ARN
	Buckets           []Bucket `json:"buckets"`                 // what session policies are confined to
	Issuers           []Issuer `json:"issuers"`
	SessionDuration   int      `json:"session_duration"`    // seconds, 900 to 3600 (role chaining); default 3600
	SourceIdentity    bool     `json:"source_identity"`     // set it to the server's name; roles must allow sts:SetSourceIdentity
	RequestsPerMinute int      `json:"requests_per_minute"` // of one client, 1 to 60000; default 60
	RequestBurst      int      `json:"request_burst"`       // of one client at once, 1 to 10000; default 20
	RowCacheSeconds   int      `json:"row_cache_seconds"`   // how long a row is taken for true, 0 to 300; default 30
}

// Bucket is one that servers keep their prefixes in.
type Bucket struct {
	Name      string `json:"name"`
	KMSKeyARN string `json:"kms_key_arn,omitempty"` // key of its objects, where it is one of the account's own
}

// The kinds of identity provider. Each has its own way to say for whom a token is and whose it is.
const (
	Cognito = "cognito"
	Auth0   = "auth0"
	Entra   = "entra"
)

// Issuer is one issuer of tokens.
type Issuer struct {
	Provider string   `json:"identity_provider"`         // Cognito, Auth0 or Entra
	URL      string   `json:"issuer"`                    // the tokens' iss, to the letter
	JWKSURI  string   `json:"jwks_uri,omitempty"`        // default: what the issuer's discovery document says
	Audience string   `json:"audience,omitempty"`        // must be in aud; required but for Cognito, whose tokens have none
	Scopes   []string `json:"required_scopes,omitempty"` // must all be in scope (Entra: roles); required for Cognito
	// ClientClaim names the claim that holds the client id. Default: client_id for Cognito, azp or client_id for Auth0,
	// appid for Entra's issuer on sts.windows.net (tokens of version 1.0), azp for its others.
	ClientClaim string `json:"client_claim,omitempty"`
}

// Defaults and limits of the settings.
const (
	minSession, maxSession = 900, 3600
	maxPerMinute           = 60000
	maxBurst               = 10000
	maxRowCache            = 300
)

func defaults() Config {
	return Config{SessionDuration: maxSession, RequestsPerMinute: 60, RequestBurst: 20, RowCacheSeconds: 30}
}

// Validate names everything that is wrong with the configuration.
func (c Config) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if c.Table == "" {
		bad("client_roles_table_name is missing")
	}
	if len(c.Buckets) == 0 {
		bad("buckets is empty: without a bucket no session could be confined to it")
	}
	for i, b := range c.Buckets {
		if err := b.validate(); err != nil {
			bad("buckets[%d]: %w", i, err)
		}
	}
	if len(c.Issuers) == 0 {
		bad("issuers is empty")
	}
	seen := map[string]bool{}
	bare := 0
	for i, issuer := range c.Issuers {
		if err := issuer.validate(); err != nil {
			bad("issuers[%d]: %w", i, err)
		}
		if seen[issuer.URL] {
			bad("issuers[%d]: the issuer %s stands there twice", i, issuer.URL)
		}
		seen[issuer.URL] = true
		if issuer.Provider == Cognito {
			bare++
		}
	}
	if bare > 1 {
		bad("issuers: %d are of cognito, whose rows are keyed by the client id alone: one service takes one user pool", bare)
	}
	for _, n := range []struct {
		name           string
		value, low, up int
	}{
		{"session_duration", c.SessionDuration, minSession, maxSession},
		{"requests_per_minute", c.RequestsPerMinute, 1, maxPerMinute},
		{"request_burst", c.RequestBurst, 1, maxBurst},
		{"row_cache_seconds", c.RowCacheSeconds, 0, maxRowCache},
	} {
		if n.value < n.low || n.value > n.up {
			bad("%s is %d; it takes %d to %d", n.name, n.value, n.low, n.up)
		}
	}
	return errors.Join(problems...)
}

func (b Bucket) validate() error {
	if err := access.ValidateBucket(b.Name); err != nil {
		return err
	}
	if b.KMSKeyARN == "" {
		return nil
	}
	return access.ValidateKMSKey(b.KMSKeyARN)
}

func (i Issuer) validate() error {
	if err := checkURL("issuer", i.URL); err != nil {
		return err
	}
	if i.JWKSURI != "" {
		if err := checkURL("jwks_uri", i.JWKSURI); err != nil {
			return err
		}
	}
	for _, scope := range i.Scopes {
		if scope == "" || strings.ContainsAny(scope, " \t\r\n\"") {
			return fmt.Errorf("required_scopes: %q is no scope", scope)
		}
	}
	switch i.Provider {
	case Cognito:
		if len(i.Scopes) == 0 {
			return errors.New("required_scopes is empty: Cognito's tokens have no audience, so a scope has to say what they are for")
		}
	case Auth0, Entra:
		if i.Audience == "" {
			return errors.New("audience is missing: without it tokens for any API of the issuer would do")
		}
	default:
		return fmt.Errorf("identity_provider is %q; it is one of %q, %q and %q", i.Provider, Cognito, Auth0, Entra)
	}
	return nil
}

// checkURL takes an absolute https URL without user, query and fragment.
func checkURL(what, s string) error {
	if s == "" {
		return fmt.Errorf("%s is missing", what)
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" || (what == "issuer" && u.RawQuery != "") {
		return fmt.Errorf("%s %q is not an https URL without user, query and fragment", what, s)
	}
	return nil
}

// clientClaims are the claims that may hold the client id; one of them has to, and two must not differ.
func (i Issuer) clientClaims() []string {
	switch {
	case i.ClientClaim != "":
		return []string{i.ClientClaim}
	case i.Provider == Cognito:
		return []string{"client_id"}
	case i.Provider == Auth0:
		return []string{"azp", "client_id"}
	case strings.HasPrefix(i.URL, "https://sts.windows.net/"):
		return []string{"appid"}
	}
	return []string{"azp"}
}
