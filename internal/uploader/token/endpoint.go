package token

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
)

// assertionType is the only value of client_assertion_type (RFC 7523, 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// endpoint is one identity provider's token endpoint, and how it wants to be asked.
type endpoint struct {
	provider string
	url      url.URL
	clientID string
	secret   config.Secret
	signer   *signer           // nil with a secret
	form     map[string]string // scope or audience
	json     bool              // body as JSON (Auth0), otherwise a form
	basic    bool              // secret in the Authorization header (Cognito)
}

func newEndpoint(cfg config.Config, auth config.Authentication) (endpoint, error) {
	e := endpoint{provider: cfg.IdentityProvider, clientID: cfg.ClientID(), secret: auth.ClientSecret}
	switch cfg.IdentityProvider {
	case config.Auth0:
		// https://auth0.com/docs/api/authentication/client-credential-flow/get-token
		e.url = url.URL{Scheme: "https", Host: cfg.Auth0Domain, Path: "/oauth/token"}
		e.form = map[string]string{"audience": cfg.Auth0Audience}
		e.json = true
	case config.Entra:
		// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
		host := cfg.EntraLoginHost
		if host == "" {
			host = "login.microsoftonline.com"
		}
		e.url = url.URL{Scheme: "https", Host: host, Path: "/" + cfg.EntraTenantID + "/oauth2/v2.0/token"}
		e.form = map[string]string{"scope": strings.TrimSuffix(cfg.EntraAudience, "/.default") + "/.default"}
	case config.Cognito:
		// https://docs.aws.amazon.com/cognito/latest/developerguide/token-endpoint.html
		e.url = url.URL{Scheme: "https", Host: cognitoHost(cfg.CognitoDomain, cfg.AWSRegion), Path: "/oauth2/token"}
		e.form = map[string]string{"scope": strings.Join(strings.Fields(cfg.CognitoScopes), " ")}
		e.basic = true
	}
	if auth.PrivateKey == "" {
		return e, nil
	}
	var err error
	e.signer, err = newSigner(cfg.IdentityProvider, auth.PrivateKey)
	return e, err
}

// cognitoHost is the host of a user pool's domain: a prefix domain is one label, everything else is a host already.
func cognitoHost(domain, region string) string {
	if strings.ContainsAny(domain, ".:") || net.ParseIP(domain) != nil {
		return domain
	}
	suffix := ".amazoncognito.com"
	if strings.HasPrefix(region, "us-gov-") {
		// https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-cog.html
		return domain + ".auth-fips." + region + suffix
	}
	return domain + ".auth." + region + suffix
}

func (e endpoint) host() string { return e.url.Host }

// audience is the aud of a client assertion: Auth0 wants its domain, Entra the token endpoint.
func (e endpoint) audience() string {
	if e.provider == config.Auth0 {
		return "https://" + e.url.Host + "/"
	}
	return e.url.String()
}

// request makes the request anew for every attempt: an assertion may be used once.
func (e endpoint) request(ctx context.Context, now time.Time) (*http.Request, error) {
	fields := map[string]string{"grant_type": "client_credentials"}
	for k, v := range e.form {
		fields[k] = v
	}
	switch {
	case e.signer != nil:
		assertion, err := e.signer.assertion(e.clientID, e.audience(), now)
		if err != nil {
			return nil, err
		}
		fields["client_id"] = e.clientID
		fields["client_assertion_type"] = assertionType
		fields["client_assertion"] = assertion
	case !e.basic:
		fields["client_id"] = e.clientID
		fields["client_secret"] = e.secret.Reveal()
	}
	body, contentType, err := encode(fields, e.json)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept", "application/json")
	if e.basic && e.signer == nil {
		r.SetBasicAuth(url.QueryEscape(e.clientID), url.QueryEscape(e.secret.Reveal()))
	}
	return r, nil
}

func encode(fields map[string]string, asJSON bool) ([]byte, string, error) {
	if asJSON {
		body, err := json.Marshal(fields)
		return body, "application/json", err
	}
	form := url.Values{}
	for k, v := range fields {
		form.Set(k, v)
	}
	return []byte(form.Encode()), "application/x-www-form-urlencoded", nil
}
