// Package auth0 is the sandbox's Auth0: one tenant with its Management API v2 (clients, client grants, resource servers,
// credentials), its token endpoint for client_credentials, discovery and signing keys. Its answers follow
// https://auth0.com/docs/api/management/v2 and recorded responses of real tenants.
package auth0

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/store"
)

// Config is what a tenant is made of.
type Config struct {
	Now    func() time.Time
	Rand   io.Reader // of ids and secrets, safe for concurrent use; nil: crypto/rand
	Domain string    // host[:port] that the tenant is reached at
}

// Tenant is the service. Its writes are serial, so that what they check still holds when they write.
type Tenant struct {
	cfg  Config
	mux  *http.ServeMux
	keys *signingKeys

	mu          sync.Mutex
	clients     *store.Table[document] // by client id
	grants      *store.Table[document] // by grant id
	apis        *store.Table[document] // by id
	credentials *store.Table[[]credential]
	usedJTI     map[string]time.Time // assertions that were used, until they expire
}

var _ edge.Service = (*Tenant)(nil)

// document is a JSON object of the Management API.
type document map[string]any

func (d document) text(key string) string {
	s, _ := d[key].(string)
	return s
}

// with returns a copy of d with the fields of other over its own; a null removes a field.
func (d document) with(other document) document {
	merged := document{}
	for key, value := range d {
		merged[key] = value
	}
	for key, value := range other {
		if value == nil {
			delete(merged, key)
			continue
		}
		merged[key] = value
	}
	return merged
}

// New returns an empty tenant: it has the Management API and nothing else.
func New(cfg Config) (*Tenant, error) {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	keys, err := newSigningKeys()
	if err != nil {
		return nil, fmt.Errorf("make the signing key of %s: %w", cfg.Domain, err)
	}
	t := &Tenant{
		cfg:         cfg,
		keys:        keys,
		clients:     store.NewTable[document](cfg.Now),
		grants:      store.NewTable[document](cfg.Now),
		apis:        store.NewTable[document](cfg.Now),
		credentials: store.NewTable[[]credential](cfg.Now),
		usedJTI:     map[string]time.Time{},
	}
	t.apis.Put("management", document{
		"id": "management", "name": "Auth0 Management API", "identifier": t.managementAudience(), "is_system": true,
		"token_dialect": dialectAccessToken, "token_lifetime": float64(86400), "scopes": managementScopes(),
	})
	t.mux = t.routes()
	return t, nil
}

// Issuer is the tenant's issuer, with its trailing slash.
func (t *Tenant) Issuer() string { return "https://" + t.cfg.Domain + "/" }

func (t *Tenant) managementAudience() string { return t.Issuer() + "api/v2/" }

// Name implements edge.Service.
func (*Tenant) Name() string { return "auth0" }

// Operation implements edge.Service: the method and the path with its ids as {id}.
func (t *Tenant) Operation(r *http.Request) string {
	if _, pattern := t.mux.Handler(r); pattern != "" {
		return strings.TrimSuffix(pattern, "{$}")
	}
	return r.Method + " " + r.URL.Path
}

// Refuse implements edge.Service.
func (*Tenant) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	code, message := "internal_error", "An internal server error occurred"
	switch status {
	case http.StatusTooManyRequests:
		code, message = "too_many_requests", "Global limit has been reached"
	case http.StatusServiceUnavailable:
		code, message = "service_unavailable", "Service unavailable"
	}
	answerError(w, &apiError{status: status, code: code, message: message})
}

func (t *Tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := t.mux.Handler(r); pattern == "" {
		answerError(w, &apiError{status: http.StatusNotFound, code: "not_found", message: "Not Found"})
		return
	}
	t.mux.ServeHTTP(w, r)
}

func (t *Tenant) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range []struct {
		pattern, scope string
		handle         func(*call) (int, any, error)
	}{
		{"POST /api/v2/clients", "create:clients", t.createClient},
		{"GET /api/v2/clients", "read:clients", t.listClients},
		{"GET /api/v2/clients/{id}", "read:clients", t.getClient},
		{"PATCH /api/v2/clients/{id}", "update:clients", t.updateClient},
		{"DELETE /api/v2/clients/{id}", "delete:clients", t.deleteClient},
		{"POST /api/v2/clients/{id}/rotate-secret", "update:client_keys", t.rotateSecret},
		{"POST /api/v2/clients/{id}/credentials", "create:client_credentials", t.createCredential},
		{"GET /api/v2/clients/{id}/credentials", "read:client_credentials", t.listCredentials},
		{"GET /api/v2/clients/{id}/credentials/{credential}", "read:client_credentials", t.getCredential},
		{"PATCH /api/v2/clients/{id}/credentials/{credential}", "update:client_credentials", t.updateCredential},
		{"DELETE /api/v2/clients/{id}/credentials/{credential}", "delete:client_credentials", t.deleteCredential},
		{"POST /api/v2/client-grants", "create:client_grants", t.createGrant},
		{"GET /api/v2/client-grants", "read:client_grants", t.listGrants},
		{"GET /api/v2/client-grants/{id}", "read:client_grants", t.getGrant},
		{"PATCH /api/v2/client-grants/{id}", "update:client_grants", t.updateGrant},
		{"DELETE /api/v2/client-grants/{id}", "delete:client_grants", t.deleteGrant},
		{"POST /api/v2/resource-servers", "create:resource_servers", t.createAPI},
		{"GET /api/v2/resource-servers", "read:resource_servers", t.listAPIs},
		{"GET /api/v2/resource-servers/{id}", "read:resource_servers", t.getAPI},
		{"PATCH /api/v2/resource-servers/{id}", "update:resource_servers", t.updateAPI},
		{"DELETE /api/v2/resource-servers/{id}", "delete:resource_servers", t.deleteAPI},
	} {
		mux.HandleFunc(r.pattern, t.management(r.scope, r.handle))
	}
	mux.HandleFunc("POST /oauth/token", t.token)
	mux.HandleFunc("GET /.well-known/openid-configuration", t.discovery)
	mux.HandleFunc("GET /.well-known/jwks.json", t.jwks)
	return mux
}

// newID returns n random characters of [A-Za-z0-9].
func (t *Tenant) newID(n int) string {
	raw := make([]byte, n)
	if _, err := io.ReadFull(t.cfg.Rand, raw); err != nil {
		panic("auth0: no randomness: " + err.Error()) // crypto/rand does not fail
	}
	text := base64.RawURLEncoding.EncodeToString(raw)
	return strings.NewReplacer("-", "x", "_", "y").Replace(text)[:n]
}

// State is what the tenant holds, without its secrets.
func (t *Tenant) State(ctx context.Context) any {
	clients := []document{}
	for _, c := range t.clients.Values(ctx) {
		clients = append(clients, c.with(document{"client_secret": nil}))
	}
	credentials := map[string]any{}
	for _, id := range t.credentials.Keys(ctx) {
		have, _ := t.credentials.Get(ctx, id)
		credentials[id] = append([]any{}, described(have)...)
	}
	return map[string]any{"clients": clients, "client_credentials": credentials, "client_grants": t.grants.Values(ctx), "resource_servers": t.apis.Values(ctx)}
}
