package entra

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

// Login is the tenant's login host: tokens, discovery and signing keys.
type Login struct{ tenant *Tenant }

var _ edge.Service = (*Login)(nil)

// Login returns the service of the login host, "entra" in the journal.
func (t *Tenant) Login() *Login { return &Login{t} }

// Name implements edge.Service.
func (*Login) Name() string { return "entra" }

// Operation implements edge.Service: the method and the path without the tenant, "POST /oauth2/v2.0/token".
func (*Login) Operation(r *http.Request) string {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if _, rest, ok := strings.Cut(path, "/"); ok && !strings.HasPrefix(path, "common/") {
		path = rest
	}
	return r.Method + " /" + path
}

// Refuse implements edge.Service.
func (l *Login) Refuse(w http.ResponseWriter, r *http.Request, status int) {
	fault := &loginError{status: status, kind: "temporarily_unavailable", code: 90033,
		message: "A transient error has occurred. Please try again."}
	if status == http.StatusTooManyRequests {
		fault.code, fault.message = 90055, "The server has terminated an internal operation due to excessive request rate."
	}
	l.fail(w, r, fault)
}

// ServeHTTP implements http.Handler.
func (l *Login) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tenant, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if tenant == "common" && path == "discovery/instance" {
		l.answer(w, r, l.instance)
		return
	}
	if !strings.EqualFold(tenant, l.tenant.ID()) && !strings.EqualFold(tenant, l.tenant.Domain()) {
		l.fail(w, r, unknownTenant(tenant))
		return
	}
	get, version := r.Method == http.MethodGet || r.Method == http.MethodHead, 1
	switch path {
	case "oauth2/v2.0/token", "v2.0/.well-known/openid-configuration", "discovery/v2.0/keys":
		version = 2
	}
	switch {
	case r.Method == http.MethodPost && (path == "oauth2/v2.0/token" || path == "oauth2/token"):
		l.answer(w, r, func(r *http.Request) (any, error) { return l.token(w, r, version) })
	case get && (path == ".well-known/openid-configuration" || path == "v2.0/.well-known/openid-configuration"):
		l.answer(w, r, func(*http.Request) (any, error) { return l.discovery(version), nil })
	case get && (path == "discovery/keys" || path == "discovery/v2.0/keys"):
		l.answer(w, r, func(*http.Request) (any, error) { return l.tenant.keys.public(), nil })
	default:
		l.fail(w, r, &loginError{status: http.StatusNotFound, kind: "invalid_request", code: 900023, message: "There is nothing at this path of the sandbox's login host."})
	}
}

func (l *Login) answer(w http.ResponseWriter, r *http.Request, produce func(*http.Request) (any, error)) {
	body, err := produce(r)
	if err != nil {
		var fault *loginError
		if !errors.As(err, &fault) {
			fault = &loginError{status: http.StatusInternalServerError, kind: "server_error", code: 90033, message: "A transient error has occurred. Please try again."}
		}
		l.fail(w, r, fault)
		return
	}
	writeJSON(w, http.StatusOK, "application/json; charset=utf-8", body)
}

// discovery is the OpenID configuration of a version.
// https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc
func (l *Login) discovery(version int) map[string]any {
	base, v2 := "https://"+l.tenant.cfg.LoginHost+"/"+l.tenant.ID(), ""
	if version == 2 {
		v2 = "v2.0/"
	}
	return map[string]any{
		"issuer":                                l.tenant.Issuer(version),
		"authorization_endpoint":                base + "/oauth2/" + v2 + "authorize",
		"token_endpoint":                        base + "/oauth2/" + v2 + "token",
		"jwks_uri":                              base + "/discovery/" + v2 + "keys",
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"response_types_supported":              []string{"code", "id_token", "code id_token", "id_token token"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"claims_supported":                      []string{"sub", "iss", "aud", "exp", "iat", "tid", "ver", "oid", "appid", "azp"},
		"tenant_region_scope":                   nil,
		"cloud_instance_name":                   l.tenant.cfg.LoginHost,
		"msgraph_host":                          l.tenant.cfg.GraphHost,
	}
}

// instance says whether a host is a login host of this cloud. MSAL asks for it unless told not to.
func (l *Login) instance(r *http.Request) (any, error) {
	host := l.tenant.cfg.LoginHost
	rest, ok := strings.CutPrefix(r.URL.Query().Get("authorization_endpoint"), "https://"+host+"/")
	tenant, _, _ := strings.Cut(rest, "/")
	if !ok || tenant == "" {
		return nil, &loginError{status: http.StatusBadRequest, kind: "invalid_instance", code: 50049, message: "Unknown or invalid instance."}
	}
	return map[string]any{
		"tenant_discovery_endpoint": "https://" + host + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata":                  []any{map[string]any{"preferred_network": host, "preferred_cache": host, "aliases": []string{host}}},
	}, nil
}

// loginError is a refusal of the login host.
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes
type loginError struct {
	status  int
	kind    string // OAuth 2.0 error
	code    int    // of AADSTS
	message string
}

func (e *loginError) Error() string { return fmt.Sprintf("AADSTS%d: %s", e.code, e.message) }

func unknownTenant(tenant string) *loginError {
	return &loginError{status: http.StatusBadRequest, kind: "invalid_request", code: 90002, message: "Tenant '" + tenant +
		"' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. " +
		"Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."}
}

func (l *Login) fail(w http.ResponseWriter, r *http.Request, fault *loginError) {
	trace, correlation := l.tenant.guid(), r.Header.Get("Client-Request-Id")
	if correlation == "" {
		correlation = l.tenant.guid()
	}
	at := l.tenant.now().Format("2006-01-02 15:04:05Z")
	w.Header().Set("X-Ms-Request-Id", trace)
	writeJSON(w, fault.status, "application/json; charset=utf-8", map[string]any{
		"error": fault.kind,
		"error_description": fmt.Sprintf("%s Trace ID: %s Correlation ID: %s Timestamp: %s",
			fault.Error(), trace, correlation, at),
		"error_codes": []int{fault.code}, "timestamp": at, "trace_id": trace, "correlation_id": correlation,
		"error_uri": fmt.Sprintf("https://%s/error?code=%d", l.tenant.cfg.LoginHost, fault.code),
	})
}

func writeJSON(w http.ResponseWriter, status int, contentType string, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store, no-cache")
	w.WriteHeader(status)
	_, _ = w.Write(data)
}
