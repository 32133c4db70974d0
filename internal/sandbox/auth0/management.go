package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

// call is one request to the Management API, authorised.
type call struct {
	*http.Request

	scopes []string
}

func (c *call) may(scope string) bool { return slices.Contains(c.scopes, scope) }

// maxBody bounds the body of a request.
const maxBody = 1 << 20

// body reads the request's JSON object, of which every field must be known.
func (c *call) body(known map[string]bool) (document, error) {
	raw, err := io.ReadAll(io.LimitReader(c.Body, maxBody))
	if err != nil {
		return nil, invalidBody("the body could not be read")
	}
	d := document{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &d); err != nil {
			return nil, &apiError{status: http.StatusBadRequest, code: "invalid_body", message: "Invalid request payload JSON format"}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(d)) {
		if !known[key] {
			return nil, invalidBody("'Additional properties not allowed: %s'.", key)
		}
	}
	return d, nil
}

// fields is a set of the names of fields.
func fields(names ...string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

// management wraps a handler of the Management API: the token must be the tenant's own and have the scope.
func (t *Tenant) management(scope string, handle func(*call) (int, any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		scopes, caller, err := t.authorise(r)
		if err == nil {
			edge.SetCaller(r.Context(), caller)
			if !slices.Contains(scopes, scope) {
				err = &apiError{status: http.StatusForbidden, code: "insufficient_scope", message: "Insufficient scope, expected any of: " + scope}
			}
		}
		var status int
		var body any
		if err == nil {
			status, body, err = handle(&call{Request: r, scopes: scopes})
		}
		if err != nil {
			var e *apiError
			if !errors.As(err, &e) {
				e = &apiError{status: http.StatusInternalServerError, code: "internal_error", message: "An internal server error occurred"}
			}
			answerError(w, e)
			return
		}
		answer(w, status, body)
	}
}

// authorise checks the bearer token of a request to the Management API.
func (t *Tenant) authorise(r *http.Request) (scopes []string, caller string, err error) {
	refused := &apiError{status: http.StatusUnauthorized, code: "invalid_token", message: "Invalid token"}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, "", &apiError{status: http.StatusUnauthorized, code: "invalid_token", message: "Missing authentication"}
	}
	claims, err := t.keys.verify(token)
	if err != nil || claims.Issuer != t.Issuer() || !claims.Audience.Contains(t.managementAudience()) {
		return nil, "", refused
	}
	if claims.Expiry == nil || t.cfg.Now().After(claims.Expiry.Time()) {
		return nil, "", &apiError{status: http.StatusUnauthorized, code: "invalid_token", message: "Expired token received for JSON Web Token validation"}
	}
	return strings.Fields(claims.Scope), claims.Subject, nil
}

// Pages of a list hold 50 entries unless asked otherwise, and 100 at most.
const (
	defaultPage = 50
	largestPage = 100
)

// page answers one page of a list, as an array or with include_totals as an object.
func (c *call) page(name string, all []document) (int, any, error) {
	query := c.URL.Query()
	number, err := intOr(query.Get("page"), 0)
	size, err2 := intOr(query.Get("per_page"), defaultPage)
	if err != nil || err2 != nil || number < 0 || size < 1 || size > largestPage {
		return 0, nil, &apiError{status: http.StatusBadRequest, code: "invalid_query_string",
			message: "Query validation error: page must be at least 0, per_page from 1 to 100."}
	}
	from := min(number*size, len(all))
	some := append([]document{}, all[from:min(from+size, len(all))]...)
	some = c.pick(some)
	if query.Get("include_totals") != "true" {
		return http.StatusOK, some, nil
	}
	return http.StatusOK, map[string]any{"start": from, "limit": size, "total": len(all), "length": len(some), name: some}, nil
}

// pick keeps or drops the fields that the query names.
func (c *call) pick(list []document) []document {
	query := c.URL.Query()
	if query.Get("fields") == "" {
		return list
	}
	named := fields(strings.Split(query.Get("fields"), ",")...)
	keep := query.Get("include_fields") != "false"
	picked := make([]document, len(list))
	for i, d := range list {
		picked[i] = document{}
		for key, value := range d {
			if named[key] == keep {
				picked[i][key] = value
			}
		}
	}
	return picked
}

func intOr(text string, otherwise int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	return strconv.Atoi(text)
}

// managementScopes are all scopes of the Management API that the sandbox knows.
func managementScopes() []any {
	var scopes []any
	for _, thing := range []string{"clients", "client_grants", "resource_servers", "client_keys", "client_credentials"} {
		for _, verb := range []string{"create", "read", "update", "delete"} {
			scopes = append(scopes, map[string]any{"value": verb + ":" + thing})
		}
	}
	return scopes
}

// AllScopes is every scope of the Management API that the sandbox knows.
func AllScopes() []string {
	var all []string
	for _, scope := range managementScopes() {
		if m, ok := scope.(map[string]any); ok {
			all = append(all, m["value"].(string))
		}
	}
	return all
}

// ManagementToken returns a token for the Management API, for tests and the environment of a sandbox.
func (t *Tenant) ManagementToken(_ context.Context, scopes []string, lifetime int64) (string, error) {
	return t.MintToken(nil, map[string]any{
		"iss": t.Issuer(), "sub": "sandbox@clients", "aud": t.managementAudience(), "azp": "sandbox", "gty": grantType,
		"iat": t.cfg.Now().Unix(), "exp": t.cfg.Now().Unix() + lifetime, "scope": strings.Join(scopes, " "),
	})
}
