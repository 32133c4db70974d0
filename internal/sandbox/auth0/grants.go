package auth0

import (
	"context"
	"net/http"
	"slices"
)

var grantFields = fields("client_id", "audience", "scope", "organization_usage", "allow_any_organization", "subject_type")

func (t *Tenant) createGrant(c *call) (int, any, error) {
	body, err := c.body(grantFields)
	if err != nil {
		return 0, nil, err
	}
	if body.text("client_id") == "" || body.text("audience") == "" {
		return 0, nil, invalidBody("'Missing required property: client_id or audience'.")
	}
	if body["scope"] == nil {
		body["scope"] = []any{}
	}
	if _, ok := body["scope"].([]any); !ok {
		return 0, nil, invalidBody("'Expected type array' on property scope.")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	ctx := t.latest(c.Context())
	if _, ok := t.clients.Get(ctx, body.text("client_id")); !ok {
		return 0, nil, notFound("inexistent_client", "client")
	}
	if api, ok := t.apiOf(ctx, body.text("audience")); !ok || api.text("identifier") != body.text("audience") {
		return 0, nil, &apiError{status: http.StatusBadRequest, code: "inexistent_resource_server", message: "The resource server does not exist: " + body.text("audience")}
	}
	if _, ok := t.grantOf(ctx, body.text("client_id"), body.text("audience")); ok {
		return 0, nil, &apiError{status: http.StatusConflict, code: "client_grant_conflict", message: "A resource with the same identifier already exists."}
	}
	id := "cgr_" + t.newID(16)
	grant := body.with(document{"id": id, "subject_type": "client"})
	t.grants.Put(id, grant)
	return http.StatusCreated, grant, nil
}

func (t *Tenant) grantOf(ctx context.Context, clientID, audience string) (document, bool) {
	for _, grant := range t.grants.Values(ctx) {
		if grant.text("client_id") == clientID && grant.text("audience") == audience {
			return grant, true
		}
	}
	return nil, false
}

func (t *Tenant) listGrants(c *call) (int, any, error) {
	query := c.URL.Query()
	all := slices.DeleteFunc(t.grants.Values(c.Context()), func(g document) bool {
		return (query.Get("client_id") != "" && g.text("client_id") != query.Get("client_id")) ||
			(query.Get("audience") != "" && g.text("audience") != query.Get("audience"))
	})
	return c.page("client_grants", all)
}

func (t *Tenant) getGrant(c *call) (int, any, error) {
	grant, ok := t.grants.Get(c.Context(), c.PathValue("id"))
	if !ok {
		return 0, nil, &apiError{status: http.StatusNotFound, code: "inexistent_client_grant", message: "The grant does not exist."}
	}
	return http.StatusOK, grant, nil
}

func (t *Tenant) updateGrant(c *call) (int, any, error) {
	body, err := c.body(fields("scope", "organization_usage", "allow_any_organization"))
	if err != nil {
		return 0, nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	grant, ok := t.grants.Get(t.latest(c.Context()), c.PathValue("id"))
	if !ok {
		return 0, nil, &apiError{status: http.StatusNotFound, code: "inexistent_client_grant", message: "The grant does not exist."}
	}
	grant = grant.with(body)
	t.grants.Put(grant.text("id"), grant)
	return http.StatusOK, grant, nil
}

func (t *Tenant) deleteGrant(c *call) (int, any, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.grants.Delete(c.PathValue("id"))
	return http.StatusNoContent, nil, nil
}

var apiFields = fields("name", "identifier", "scopes", "signing_alg", "token_lifetime", "token_lifetime_for_web", "token_dialect",
	"allow_offline_access", "skip_consent_for_verifiable_first_party_clients", "enforce_policies")

// Token dialects. Those of RFC 9068 have no azp; the ..._authz ones add permissions.
// https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles
const (
	dialectAccessToken      = "access_token"
	dialectAccessTokenAuthz = "access_token_authz"
	dialectRFC9068          = "rfc9068_profile"
	dialectRFC9068Authz     = "rfc9068_profile_authz"
)

func validateAPI(body document) error {
	dialects := []any{nil, dialectAccessToken, dialectAccessTokenAuthz, dialectRFC9068, dialectRFC9068Authz}
	if !slices.Contains(dialects, body["token_dialect"]) {
		return invalidBody("'No enum match for: %v' on property token_dialect.", body["token_dialect"])
	}
	if lifetime, ok := body["token_lifetime"].(float64); body["token_lifetime"] != nil && (!ok || lifetime < 1 || lifetime > 2592000) {
		return invalidBody("'Value must be from 1 to 2592000' on property token_lifetime.")
	}
	return nil
}

func (t *Tenant) createAPI(c *call) (int, any, error) {
	body, err := c.body(apiFields)
	if err != nil {
		return 0, nil, err
	}
	if body.text("identifier") == "" {
		return 0, nil, invalidBody("'Missing required property: identifier'.")
	}
	if err := validateAPI(body); err != nil {
		return 0, nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.apiOf(t.latest(c.Context()), body.text("identifier")); ok {
		return 0, nil, &apiError{status: http.StatusConflict, code: "resource_server_conflict", message: "A resource server with the same identifier already exists."}
	}
	api := document{
		"id": t.newID(24), "is_system": false, "signing_alg": "RS256", "token_lifetime": float64(86400), "token_dialect": dialectAccessToken,
		"allow_offline_access": false, "skip_consent_for_verifiable_first_party_clients": false,
	}.with(body)
	t.apis.Put(api.text("id"), api)
	return http.StatusCreated, api, nil
}

func (t *Tenant) listAPIs(c *call) (int, any, error) {
	wanted := c.URL.Query()["identifiers"]
	return c.page("resource_servers", slices.DeleteFunc(t.apis.Values(c.Context()), func(api document) bool {
		return len(wanted) > 0 && !slices.Contains(wanted, api.text("identifier"))
	}))
}

// apiOf finds an API by its identifier or its id.
func (t *Tenant) apiOf(ctx context.Context, identifier string) (document, bool) {
	for _, api := range t.apis.Values(ctx) {
		if api.text("identifier") == identifier || api.text("id") == identifier {
			return api, true
		}
	}
	return nil, false
}

// pathAPI finds the API that a path names, by its id or its URL-encoded identifier.
func (t *Tenant) pathAPI(ctx context.Context, c *call) (document, error) {
	api, ok := t.apiOf(ctx, c.PathValue("id"))
	if !ok {
		return nil, notFound("inexistent_resource_server", "resource server")
	}
	return api, nil
}

func (t *Tenant) getAPI(c *call) (int, any, error) {
	api, err := t.pathAPI(c.Context(), c)
	return http.StatusOK, api, err
}

func (t *Tenant) updateAPI(c *call) (int, any, error) {
	body, err := c.body(apiFields)
	if err != nil {
		return 0, nil, err
	}
	if err := validateAPI(body); err != nil {
		return 0, nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	api, err := t.pathAPI(t.latest(c.Context()), c)
	if err != nil {
		return 0, nil, err
	}
	if _, ok := body["identifier"]; ok {
		return 0, nil, invalidBody("'Additional properties not allowed: identifier'.")
	}
	if api["is_system"] == true {
		return 0, nil, errSystemAPI
	}
	api = api.with(body)
	t.apis.Put(api.text("id"), api)
	return http.StatusOK, api, nil
}

var errSystemAPI = &apiError{status: http.StatusBadRequest, code: "operation_not_supported", message: "System APIs cannot be changed."}

// deleteAPI removes an API with the grants for it. One that is not there is no error.
func (t *Tenant) deleteAPI(c *call) (int, any, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	api, err := t.pathAPI(t.latest(c.Context()), c)
	if err != nil {
		return http.StatusNoContent, nil, nil //nolint:nilerr // deleting what is gone is no error here
	}
	if api["is_system"] == true {
		return 0, nil, errSystemAPI
	}
	for _, grant := range t.grants.Values(t.latest(c.Context())) {
		if grant.text("audience") == api.text("identifier") {
			t.grants.Delete(grant.text("id"))
		}
	}
	t.apis.Delete(api.text("id"))
	return http.StatusNoContent, nil, nil
}
