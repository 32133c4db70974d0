package auth0

import "fmt"

// AddAPI makes an API, as the foundation layer does. dialect is a token_dialect.
func (t *Tenant) AddAPI(name, identifier, dialect string) error {
	api := document{
		"id": t.newID(24), "name": name, "identifier": identifier, "is_system": false, "signing_alg": "RS256",
		"token_lifetime": float64(86400), "token_dialect": dialect, "allow_offline_access": false,
	}
	if err := validateAPI(api); err != nil {
		return fmt.Errorf("add the API %s: %w", identifier, err)
	}
	t.apis.Put(api.text("id"), api)
	return nil
}

// AddManagementClient makes a client that gets tokens for the Management API, with the scopes.
func (t *Tenant) AddManagementClient(name string, scopes ...string) (id, secret string) {
	id, secret = t.newID(32), t.newID(64)
	t.clients.Put(id, document{
		"client_id": id, "client_secret": secret, "name": name, "app_type": "non_interactive", "grant_types": []any{"client_credentials"},
		"token_endpoint_auth_method": "client_secret_post", "oidc_conformant": true, "is_first_party": true,
	})
	granted := []any{}
	for _, scope := range scopes {
		granted = append(granted, scope)
	}
	grant := "cgr_" + t.newID(16)
	t.grants.Put(grant, document{"id": grant, "client_id": id, "audience": t.managementAudience(), "scope": granted})
	return id, secret
}

// Domain is the host[:port] that the tenant is reached at.
func (t *Tenant) Domain() string { return t.cfg.Domain }
