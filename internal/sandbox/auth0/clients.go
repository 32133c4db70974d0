package auth0

import (
	"context"
	"net/http"
	"slices"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/store"
)

// clientFields are the fields of a client that a request may set.
var clientFields = fields("name", "description", "app_type", "logo_uri", "is_first_party", "oidc_conformant", "callbacks",
	"allowed_origins", "web_origins", "client_aliases", "allowed_clients", "allowed_logout_urls", "jwt_configuration", "sso",
	"sso_disabled", "cross_origin_authentication", "grant_types", "cross_origin_loc", "custom_login_page_on",
	"token_endpoint_auth_method", "client_metadata", "initiate_login_uri", "refresh_token", "organization_usage",
	"organization_require_behavior", "client_authentication_methods", "require_pushed_authorization_requests",
	"require_proof_of_possession", "client_secret", "is_token_endpoint_ip_header_trusted", "compliance_level", "oidc_logout")

const (
	maxMetadata      = 10
	maxMetadataValue = 255
	maxName          = 150
)

func (t *Tenant) createClient(c *call) (int, any, error) {
	body, err := c.body(clientFields)
	if err != nil {
		return 0, nil, err
	}
	if body.text("name") == "" {
		return 0, nil, invalidBody("'Missing required property: name'.")
	}
	if err := validateClient(body); err != nil {
		return 0, nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	id := t.newID(32)
	// What a client gets that does not say: recorded from real tenants.
	client := document{
		"tenant": "sandbox", "global": false, "is_token_endpoint_ip_header_trusted": false, "client_id": id,
		"client_secret": t.newID(64), "is_first_party": true, "oidc_conformant": false, "sso_disabled": false,
		"cross_origin_authentication": false, "callback_url_template": false, "custom_login_page_on": true,
		"token_endpoint_auth_method": "client_secret_post",
		"grant_types":                []any{"authorization_code", "implicit", "refresh_token", "client_credentials"},
		"jwt_configuration":          map[string]any{"alg": "RS256", "lifetime_in_seconds": float64(36000), "secret_encoded": false},
	}.with(body)
	shown := client
	if given, ok := credentialsOf(body); ok {
		made, err := t.makeCredentials(given)
		if err != nil {
			return 0, nil, err
		}
		delete(client, "token_endpoint_auth_method")
		client = client.with(document{"client_authentication_methods": privateKeyJWT(references(made))})
		shown = client.with(document{"client_authentication_methods": privateKeyJWT(described(made))})
		t.credentials.Put(id, made)
	}
	t.clients.Put(id, client)
	return http.StatusCreated, shown, nil
}

// validateClient refuses what the Management API refuses of a client's fields.
func validateClient(body document) error {
	if len(body.text("name")) > maxName {
		return invalidBody("'String is too long (%d chars), maximum %d' on property name.", len(body.text("name")), maxName)
	}
	if metadata, ok := body["client_metadata"].(map[string]any); ok {
		if len(metadata) > maxMetadata {
			return invalidBody("'Too many properties defined (%d), maximum %d' on property client_metadata.", len(metadata), maxMetadata)
		}
		for key, value := range metadata {
			text, ok := value.(string)
			if (!ok && value != nil) || len(key) > maxMetadataValue || len(text) > maxMetadataValue {
				return invalidBody("'client_metadata values must be strings of at most %d characters' on property %s.", maxMetadataValue, key)
			}
		}
	} else if body["client_metadata"] != nil {
		return invalidBody("'Expected type object' on property client_metadata.")
	}
	if appType, ok := body["app_type"]; ok && !slices.Contains([]any{"native", "spa", "regular_web", "non_interactive"}, appType) {
		return invalidBody("'No enum match for: %v' on property app_type.", appType)
	}
	if err := validateAuthentication(body); err != nil {
		return err
	}
	if grants, ok := body["grant_types"]; ok {
		list, isList := grants.([]any)
		known := []any{"authorization_code", "implicit", "refresh_token", "client_credentials", "password"}
		if !isList || slices.ContainsFunc(list, func(g any) bool { return !slices.Contains(known, g) }) {
			return invalidBody("'No enum match' on property grant_types.")
		}
	}
	return nil
}

// validateAuthentication refuses ways of authentication that the tenant does not have. A client has one of the two fields.
func validateAuthentication(body document) error {
	method, methods := body["token_endpoint_auth_method"], body["client_authentication_methods"]
	if method != nil && !slices.Contains([]any{"none", "client_secret_post", "client_secret_basic"}, method) {
		return invalidBody("'No enum match for: %v' on property token_endpoint_auth_method.", method)
	}
	if method != nil && methods != nil {
		return errTwoMethods
	}
	if methods == nil {
		return nil
	}
	// mTLS takes an entitlement that this tenant does not have.
	given, _ := methods.(map[string]any)
	if given["tls_client_auth"] != nil || given["self_signed_tls_client_auth"] != nil {
		return &apiError{status: http.StatusForbidden, code: "insufficient_entitlement", message: "This tenant may not use mTLS for clients."}
	}
	if _, ok := credentialsOf(body); !ok || len(given) != 1 {
		return invalidBody("'Missing required property: private_key_jwt.credentials' on property client_authentication_methods.")
	}
	return nil
}

var errTwoMethods = invalidBody("token_endpoint_auth_method and client_authentication_methods are mutually exclusive.")

func (t *Tenant) listClients(c *call) (int, any, error) {
	query := c.URL.Query()
	all := slices.DeleteFunc(t.clients.Values(c.Context()), func(d document) bool {
		return (query.Get("app_type") != "" && d.text("app_type") != query.Get("app_type")) ||
			(query.Get("is_global") != "" && (query.Get("is_global") == "true") != (d["global"] == true))
	})
	for i := range all {
		all[i] = c.shown(all[i])
	}
	return c.page("clients", all)
}

func (t *Tenant) getClient(c *call) (int, any, error) {
	client, ok := t.clients.Get(c.Context(), c.PathValue("id"))
	if !ok {
		return 0, nil, notFound("inexistent_client", "client")
	}
	return http.StatusOK, c.pick([]document{c.shown(client)})[0], nil
}

// shown leaves out the secret where the token may not read it. A client with private_key_jwt has one too, which is of no
// use: recorded from real tenants.
func (c *call) shown(client document) document {
	if c.may("read:client_keys") || c.may("read:client_credentials") {
		return client
	}
	return client.with(document{"client_secret": nil})
}

func (t *Tenant) updateClient(c *call) (int, any, error) {
	body, err := c.body(clientFields)
	if err != nil {
		return 0, nil, err
	}
	if _, ok := body["name"]; ok && body.text("name") == "" {
		return 0, nil, invalidBody("'String is too short (0 chars), minimum 1' on property name.")
	}
	if err := validateClient(body); err != nil {
		return 0, nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	id := c.PathValue("id")
	client, ok := t.clients.Get(t.latest(c.Context()), id)
	if !ok {
		return 0, nil, notFound("inexistent_client", "client")
	}
	if given, ok := credentialsOf(body); ok {
		if err := t.knownCredentials(c.Context(), id, given); err != nil {
			return 0, nil, err
		}
	}
	if metadata, ok := body["client_metadata"].(map[string]any); ok {
		old, _ := client["client_metadata"].(map[string]any)
		merged := document(old).with(metadata)
		if len(merged) > maxMetadata {
			return 0, nil, invalidBody("'Too many properties defined (%d), maximum %d' on property client_metadata.", len(merged), maxMetadata)
		}
		body["client_metadata"] = map[string]any(merged)
	}
	client = client.with(body)
	if client["client_authentication_methods"] != nil && client["token_endpoint_auth_method"] != nil {
		return 0, nil, errTwoMethods
	}
	if client["client_authentication_methods"] == nil && client["token_endpoint_auth_method"] == nil {
		client["token_endpoint_auth_method"] = "client_secret_post"
	}
	t.clients.Put(id, client)
	return http.StatusOK, c.shown(client), nil
}

// deleteClient removes a client with its grants and credentials. One that is not there is no error.
func (t *Tenant) deleteClient(c *call) (int, any, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := c.PathValue("id")
	for _, grant := range t.grants.Values(t.latest(c.Context())) {
		if grant.text("client_id") == id {
			t.grants.Delete(grant.text("id"))
		}
	}
	t.credentials.Delete(id)
	t.clients.Delete(id)
	return http.StatusNoContent, nil, nil
}

func (t *Tenant) rotateSecret(c *call) (int, any, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := c.PathValue("id")
	client, ok := t.clients.Get(t.latest(c.Context()), id)
	if !ok {
		return 0, nil, notFound("inexistent_client", "client")
	}
	if client["client_authentication_methods"] != nil {
		return 0, nil, invalidBody("Client has client_authentication_methods set; its secret cannot be rotated.")
	}
	client = client.with(document{"client_secret": t.newID(64)})
	t.clients.Put(id, client)
	return http.StatusOK, client, nil
}

// latest undoes a stale read: a write always starts from what is.
func (t *Tenant) latest(ctx context.Context) context.Context { return store.AsOf(ctx, t.cfg.Now()) }
