package auth0

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// tenant answers as recorded Auth0 tenants do, as far as the adapter goes.
type tenant struct {
	mu          sync.Mutex
	clients     []map[string]any
	grants      []map[string]any
	credentials map[string][]map[string]any // by client id
	servers     []map[string]any
	secrets     bool // the token may read secrets
	serial      int
	calls       []string
	// fault, where set, sees every call first: "" lets it through, "drop" closes the connection, "drop-after" does so
	// after the call took effect, and a status refuses it.
	fault func(operation string) string
	// refusal is the body of a refused call.
	refusal string
	header  http.Header // of a refused call
}

func newTenant() *tenant {
	return &tenant{
		secrets: true, credentials: map[string][]map[string]any{},
		servers: []map[string]any{
			{"id": "rs_1", "identifier": "https://api.example.com/", "token_dialect": "access_token"},
			{"id": "rs_2", "identifier": "urn:upload", "token_dialect": "rfc9068_profile"},
			{"id": "rs_3", "identifier": "urn:authz", "token_dialect": "access_token_authz"},
			{"id": "rs_4", "identifier": "urn:rfc-authz", "token_dialect": "rfc9068_profile_authz"},
			{"id": "rs_5", "identifier": "urn:old"},
		},
	}
}

// start serves the tenant and returns a Provider for it.
func start(t *testing.T, tenant *tenant, change ...func(*Config)) *Provider {
	t.Helper()
	server := httptest.NewUnstartedServer(tenant)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // connections are cut on purpose
	server.StartTLS()
	t.Cleanup(server.Close)
	c := Config{Domain: strings.TrimPrefix(server.URL, "https://"), Token: "management-token", HTTPClient: server.Client()}
	for _, f := range change {
		f(&c)
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	p.pause = func(context.Context, time.Duration) error { return nil }
	return p
}

func (a *tenant) called(operation string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, call := range a.calls {
		if call == operation {
			n++
		}
	}
	return n
}

func (a *tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	path := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/api/v2/"), "/")
	operation := r.Method + " " + path[0]
	if len(path) > 1 {
		operation += "/id"
	}
	if len(path) > 2 {
		operation += "/" + path[2]
	}
	if len(path) > 3 {
		operation += "/id"
	}
	label := operation
	if r.URL.Query().Has("audience") {
		label += "?audience"
	}
	a.calls = append(a.calls, label)
	fault := ""
	if a.fault != nil {
		fault = a.fault(label)
	}
	if status, err := strconv.Atoi(fault); err == nil {
		for key, values := range a.header {
			w.Header()[key] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, a.refusal)
		return
	}
	if fault == "drop" {
		panic(http.ErrAbortHandler)
	}
	if r.Header.Get("Authorization") != "Bearer management-token" {
		a.refuse(w, 401, "Invalid token", "invalid_token")
		return
	}
	var body map[string]any
	if data, err := io.ReadAll(r.Body); err == nil && len(data) > 0 {
		if json.Unmarshal(data, &body) != nil {
			a.refuse(w, 400, "Payload validation error", "invalid_body")
			return
		}
	}
	recorder := httptest.NewRecorder()
	a.serve(recorder, r, operation, path, body)
	if fault == "drop-after" {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(recorder.Code)
	_, _ = io.Copy(w, recorder.Body)
}

func (a *tenant) refuse(w http.ResponseWriter, status int, message, code string) {
	answer(w, status, map[string]any{"statusCode": status, "error": http.StatusText(status), "message": message, "errorCode": code})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (a *tenant) serve(w http.ResponseWriter, r *http.Request, operation string, path []string, body map[string]any) {
	query := r.URL.Query()
	var c map[string]any
	if path[0] == "clients" && len(path) > 1 {
		if c = pick(a.clients, "client_id", path[1]); c == nil {
			if r.Method == http.MethodDelete && len(path) == 2 {
				w.WriteHeader(204)
				return
			}
			a.refuse(w, 404, "The client does not exist", "inexistent_client")
			return
		}
	}
	switch operation {
	case "POST clients":
		a.create(w, body)
	case "GET clients":
		a.page(w, query.Get("page"), query.Get("per_page"), query.Get("include_totals"), "clients", a.shown(a.clients...))
	case "GET clients/id":
		answer(w, 200, a.shown(c)[0])
	case "PATCH clients/id":
		a.patch(w, c, body)
	case "DELETE clients/id":
		a.clients = slices.DeleteFunc(a.clients, func(o map[string]any) bool { return o["client_id"] == path[1] })
		a.grants = slices.DeleteFunc(a.grants, func(o map[string]any) bool { return o["client_id"] == path[1] })
		w.WriteHeader(204)
	case "POST clients/id/rotate-secret":
		if _, ok := c["client_authentication_methods"]; ok {
			a.refuse(w, 400, "The client uses private_key_jwt", "invalid_body")
			return
		}
		c["client_secret"] = a.next("rotated")
		answer(w, 200, c)
	case "GET clients/id/credentials":
		answer(w, 200, append([]map[string]any{}, a.credentials[path[1]]...))
	case "POST clients/id/credentials":
		a.addCredential(w, path[1], body)
	case "DELETE clients/id/credentials/id":
		for _, id := range enabledIDs(c) {
			if id == path[3] {
				a.refuse(w, 400, "The credential is in use", "credential_in_use")
				return
			}
		}
		a.credentials[path[1]] = slices.DeleteFunc(a.credentials[path[1]], func(o map[string]any) bool { return o["id"] == path[3] })
		w.WriteHeader(204)
	case "POST client-grants":
		for _, g := range a.grants {
			if g["client_id"] == body["client_id"] && g["audience"] == body["audience"] {
				a.refuse(w, 409, "A resource with the same identifier already exists.", "client_grant_conflict")
				return
			}
		}
		body["id"] = a.next("cgr_")
		a.grants = append(a.grants, body)
		answer(w, 201, body)
	case "GET client-grants":
		var some []map[string]any
		for _, g := range a.grants {
			if (query.Get("client_id") == "" || g["client_id"] == query.Get("client_id")) &&
				(query.Get("audience") == "" || g["audience"] == query.Get("audience")) {
				some = append(some, g)
			}
		}
		a.page(w, query.Get("page"), query.Get("per_page"), query.Get("include_totals"), "client_grants", some)
	case "PATCH client-grants/id", "DELETE client-grants/id":
		g := pick(a.grants, "id", path[1])
		switch {
		case g == nil:
			a.refuse(w, 404, "The grant does not exist.", "inexistent_client_grant")
		case r.Method == http.MethodDelete:
			a.grants = slices.DeleteFunc(a.grants, func(o map[string]any) bool { return o["id"] == path[1] })
			w.WriteHeader(204)
		default:
			for key, value := range body {
				g[key] = value
			}
			answer(w, 200, g)
		}
	case "GET resource-servers/id":
		for _, s := range a.servers {
			if strings.EqualFold(escape(s["identifier"].(string)), path[1]) || s["id"] == path[1] {
				answer(w, 200, s)
				return
			}
		}
		a.refuse(w, 404, "The resource server does not exist", "inexistent_resource_server")
	default:
		a.refuse(w, 404, "no such operation", "not_found")
	}
}

func escape(s string) string {
	return strings.NewReplacer("/", "%2F", " ", "%20").Replace(s)
}

func pick(all []map[string]any, key, value string) map[string]any {
	for _, one := range all {
		if one[key] == value {
			return one
		}
	}
	return nil
}

func (a *tenant) next(prefix string) string {
	a.serial++
	return fmt.Sprintf("%s%04d", prefix, a.serial)
}

func (a *tenant) page(w http.ResponseWriter, page, size, totals, name string, all []map[string]any) {
	n, _ := strconv.Atoi(page)
	limit, _ := strconv.Atoi(size)
	if limit == 0 || limit > 100 {
		a.refuse(w, 400, "Query validation error", "invalid_query_string")
		return
	}
	from, to := min(n*limit, len(all)), min((n+1)*limit, len(all))
	some := append([]map[string]any{}, all[from:to]...)
	if totals == "true" {
		answer(w, 200, map[string]any{"start": from, "limit": limit, "total": len(all), name: some})
		return
	}
	answer(w, 200, some)
}

// shown is what the token may read.
func (a *tenant) shown(clients ...map[string]any) []map[string]any {
	var all []map[string]any
	for _, c := range clients {
		seen := map[string]any{}
		for key, value := range c {
			if key == "client_secret" && (!a.secrets || c["client_authentication_methods"] != nil) {
				continue
			}
			seen[key] = value
		}
		all = append(all, seen)
	}
	return all
}

func (a *tenant) create(w http.ResponseWriter, body map[string]any) {
	if body["client_authentication_methods"] != nil && body["token_endpoint_auth_method"] != nil {
		a.refuse(w, 400, "mutually exclusive", "invalid_body")
		return
	}
	c := map[string]any{
		"client_id": a.next("client"), "client_secret": a.next("secret"), "is_first_party": true, "oidc_conformant": false,
		"grant_types":                []any{"authorization_code", "implicit", "refresh_token", "client_credentials"},
		"token_endpoint_auth_method": "client_secret_post", "jwt_configuration": map[string]any{"secret_encoded": false, "alg": "RS256"},
	}
	for key, value := range body {
		c[key] = value
	}
	shown := map[string]any{}
	id := c["client_id"].(string)
	if credentials := dig(body, "client_authentication_methods", "private_key_jwt", "credentials"); credentials != nil {
		var full, references []any
		for _, one := range credentials.([]any) {
			made, message := a.makeCredential(id, one.(map[string]any))
			if message != "" {
				a.refuse(w, 400, message, "invalid_body")
				return
			}
			full = append(full, made)
			references = append(references, map[string]any{"id": made["id"]})
		}
		delete(c, "token_endpoint_auth_method")
		c["client_authentication_methods"] = privateKeyJWT(references)
		shown["client_authentication_methods"] = privateKeyJWT(full)
	}
	a.clients = append(a.clients, c)
	for key, value := range c {
		if _, ok := shown[key]; !ok {
			shown[key] = value
		}
	}
	answer(w, 201, shown)
}

func (a *tenant) patch(w http.ResponseWriter, c, body map[string]any) {
	if _, ok := body["client_id"]; ok {
		a.refuse(w, 400, "Additional properties not allowed: client_id", "invalid_body")
		return
	}
	if credentials := dig(body, "client_authentication_methods", "private_key_jwt", "credentials"); credentials != nil {
		for _, one := range credentials.([]any) {
			reference := one.(map[string]any)
			if len(reference) != 1 || pick(a.credentials[c["client_id"].(string)], "id", fmt.Sprint(reference["id"])) == nil {
				a.refuse(w, 400, "The credential does not exist", "invalid_body")
				return
			}
		}
		if method, ok := body["token_endpoint_auth_method"]; method != nil || !ok && c["token_endpoint_auth_method"] != nil {
			a.refuse(w, 400, "mutually exclusive", "invalid_body")
			return
		}
	}
	for key, value := range body {
		if key == "client_metadata" {
			merged := map[string]any{}
			if old, ok := c[key].(map[string]any); ok {
				for k, v := range old {
					merged[k] = v
				}
			}
			for k, v := range value.(map[string]any) {
				merged[k] = v
				if v == nil {
					delete(merged, k)
				}
			}
			value = merged
		}
		c[key] = value
		if value == nil {
			delete(c, key)
		}
	}
	answer(w, 200, a.shown(c)[0])
}

func dig(v any, keys ...string) any {
	for _, key := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

func enabledIDs(c map[string]any) []string {
	var all []string
	if credentials, ok := dig(c, "client_authentication_methods", "private_key_jwt", "credentials").([]any); ok {
		for _, one := range credentials {
			all = append(all, fmt.Sprint(dig(one, "id")))
		}
	}
	return all
}

func (a *tenant) makeCredential(clientID string, body map[string]any) (map[string]any, string) {
	key, err := parseKey(fmt.Sprint(body["pem"]))
	if err != nil {
		return nil, "pem: " + err.Error()
	}
	if len(a.credentials[clientID]) >= maxCredentials {
		return nil, "The client has too many credentials"
	}
	made := map[string]any{"id": a.next("cred_"), "kid": key.id, "credential_type": "public_key", "name": body["name"], "alg": "RS256"}
	a.credentials[clientID] = append(a.credentials[clientID], made)
	return made, ""
}

func (a *tenant) addCredential(w http.ResponseWriter, clientID string, body map[string]any) {
	if key, err := parseKey(fmt.Sprint(body["pem"])); err == nil && pick(a.credentials[clientID], "kid", key.id) != nil {
		a.refuse(w, 409, "The credential exists", "credential_exists")
		return
	}
	made, message := a.makeCredential(clientID, body)
	if message != "" {
		a.refuse(w, 400, message, "invalid_body")
		return
	}
	answer(w, 201, made)
}

// apply does what the controller does: each part that deviates, in order.
func apply(ctx context.Context, t *testing.T, p *Provider, c *idp.Client, spec idp.Spec) {
	t.Helper()
	for _, part := range p.Parts() {
		if len(part.Deviations(*c, spec)) == 0 {
			continue
		}
		if err := part.Apply(ctx, c, spec); err != nil {
			t.Fatalf("apply %s: %v", part.Name, err)
		}
		if rest := part.Deviations(*c, spec); len(rest) > 0 {
			t.Fatalf("after apply %s: %q", part.Name, rest)
		}
	}
}

func deviations(p *Provider, c idp.Client, spec idp.Spec) []string {
	var all []string
	for _, part := range p.Parts() {
		all = append(all, part.Deviations(c, spec)...)
	}
	return all
}
