// Package auth0 is the identity provider Auth0: machine-to-machine clients, their grants and credentials, through the
// Management API v2.
//
// It knows neither Terraform nor AWS, reads no environment variable and logs nothing. The order of changes and what to
// do about a failure are the controller's.
//
// # Client secrets
//
// Auth0 keeps one secret for each client, and shows it to tokens with the scope read:client_keys only. The part "client
// secret" deviates where a client authenticates with a secret that neither Auth0 nor the caller (Client.Secret) shows and
// that nobody can be using yet, since the client has no grant. Its Apply always rotates the secret, which locks out who
// uses the old one: a caller that asks for it without a deviation must mean that. A caller that remembers the secret puts
// it into Client.Secret before it asks for deviations.
package auth0

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/auth0/go-auth0/management"
	"golang.org/x/oauth2"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/fold"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/attempt"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/ratelimit"
)

// Config says which tenant to manage, and as whom. Exactly one of Token, ClientSecret and ClientAssertionPrivateKey is
// needed, the latter two with ClientID. The names are those of the auth0 Terraform provider.
type Config struct {
	Domain string // host[:port] of the tenant, without scheme: "tenant.eu.auth0.com"

	Token                     string // management token (AUTH0_API_TOKEN)
	ClientID                  string // AUTH0_CLIENT_ID
	ClientSecret              string // AUTH0_CLIENT_SECRET
	ClientAssertionPrivateKey string // PEM (AUTH0_CLIENT_ASSERTION_PRIVATE_KEY)
	ClientAssertionSigningAlg string // "RS256", "PS256", …; needed with the key
	Audience                  string // of the management token; empty: https://DOMAIN/api/v2/

	// HTTPClient gives the transport for all requests. Its time-out is not used: each attempt has a minute. nil:
	// http.DefaultTransport.
	HTTPClient *http.Client
	UserAgent  string
	// MaxRequestsPerSecond bounds our own rate. 0: only Auth0's rate headers count.
	MaxRequestsPerSecond float64

	Observe func(ratelimit.Event) // nil: nobody hears of waits
	Warn    func(string)          // nil: nobody hears of what works, but not as well as it could
}

// Provider implements idp.Provider.
type Provider struct {
	domain string
	api    *management.Management
	warn   func(string)
	pause  func(context.Context, time.Duration) error

	apis   fold.Keyed[string, idp.API] // by audience
	shared *shared
}

var _ idp.Provider = (*Provider)(nil)

// New returns a Provider. It sends no request: the management token is fetched when it is first needed.
func New(c Config) (*Provider, error) {
	domain := strings.TrimSuffix(strings.TrimPrefix(c.Domain, "https://"), "/")
	if domain == "" || strings.ContainsAny(domain, "/?#@ ") {
		return nil, fmt.Errorf("the Auth0 domain must be a host name, with a port if need be: %q", c.Domain)
	}
	transport := http.DefaultTransport
	if c.HTTPClient != nil && c.HTTPClient.Transport != nil {
		transport = c.HTTPClient.Transport
	}
	credentials, err := credentials(c, transport)
	if err != nil {
		return nil, err
	}
	p := &Provider{domain: domain, warn: c.Warn, pause: sleep}
	if p.warn == nil {
		p.warn = func(string) {}
	}
	paced := ratelimit.New(ratelimit.Config{
		Base: attempt.Transport{Base: transport, Timeout: attemptTimeout}, RequestsPerSecond: c.MaxRequestsPerSecond, Observe: c.Observe,
	})
	options := []management.Option{
		management.WithClient(&http.Client{Transport: paced}),
		management.WithNoRetries(), // the transport waits refusals out; nothing else is repeated blindly
		management.WithNoAuth0ClientInfo(),
		credentials,
	}
	if c.UserAgent != "" {
		options = append(options, management.WithUserAgent(c.UserAgent))
	}
	if p.api, err = management.New(domain, options...); err != nil {
		return nil, fmt.Errorf("set up the Auth0 Management API of %s: %w", domain, err)
	}
	p.shared = newShared(p)
	return p, nil
}

// credentials picks how the management token is come by. Tokens are fetched apart from the callers' contexts, since they
// serve all of them, and paced apart from the Management API, which counts its own requests.
func credentials(c Config, transport http.RoundTripper) (management.Option, error) {
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{
		Transport: ratelimit.New(ratelimit.Config{Base: transport, MaxWait: tokenTimeout, Observe: c.Observe}),
		Timeout:   tokenTimeout,
	})
	given := 0
	for _, value := range []string{c.Token, c.ClientSecret, c.ClientAssertionPrivateKey} {
		if value != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, errors.New("exactly one of an API token, a client secret and a private key for client assertions is needed to manage Auth0")
	case c.Token != "":
		return management.WithStaticToken(c.Token), nil
	case c.ClientID == "":
		return nil, errors.New("the client ID is missing that goes with the client secret or private key for Auth0")
	}
	audience := c.Audience
	if audience == "" {
		audience = "https://" + strings.TrimSuffix(strings.TrimPrefix(c.Domain, "https://"), "/") + "/api/v2/"
	}
	if c.ClientSecret != "" {
		return management.WithClientCredentialsAndAudience(ctx, c.ClientID, c.ClientSecret, audience), nil
	}
	if c.ClientAssertionSigningAlg == "" {
		return nil, errors.New("the signing algorithm is missing that goes with the private key for Auth0 client assertions")
	}
	return management.WithClientCredentialsPrivateKeyJwtAndAudience(
		ctx, c.ClientID, c.ClientAssertionPrivateKey, c.ClientAssertionSigningAlg, audience), nil
}

// Kind implements idp.Provider.
func (p *Provider) Kind() idp.Kind { return idp.Auth0 }

// Delete implements idp.Provider. Auth0 removes a client's grants and credentials with it.
func (p *Provider) Delete(ctx context.Context, client idp.Client) error {
	if !client.Exists() {
		return nil
	}
	p.shared.wrote(client.ID)
	return p.gone(p.call(ctx, request{
		method: http.MethodDelete, operation: "DELETE /api/v2/clients/{id}",
		path: []string{"clients", client.ID}, object: "client " + client.ID,
	}))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
