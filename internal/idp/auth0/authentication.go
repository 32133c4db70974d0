package auth0

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// enabledCredentials lists the credentials that a client authenticates with; of those that neither the answer nor the
// record tells, the key is empty.
func enabledCredentials(app application) []credential {
	if app.AuthenticationMethods.PrivateKeyJWT == nil {
		return nil
	}
	recorded := parseRecord(app.ClientMetadata[metaKeys])
	enabled := slices.Clone(app.AuthenticationMethods.PrivateKeyJWT.Credentials)
	for i := range enabled {
		if enabled[i].KeyID == "" {
			enabled[i].KeyID = recorded[enabled[i].ID]
		}
	}
	return enabled
}

func keyIDs(credentials []credential) []string {
	var ids []string
	for _, c := range credentials {
		id := c.KeyID
		if id == "" {
			id = c.ID
		}
		ids = append(ids, id)
	}
	return ids
}

// method says how a client authenticates, in Auth0's words.
func method(app application) string {
	switch methods := app.AuthenticationMethods; {
	case methods.PrivateKeyJWT != nil:
		return string(idp.PrivateKeyJWT)
	case methods.TLS != nil:
		return "tls_client_auth"
	case methods.SelfSignedTLS != nil:
		return "self_signed_tls_client_auth"
	case app.TokenEndpointAuthMethod == "":
		return secretPost // Auth0's default
	default:
		return app.TokenEndpointAuthMethod
	}
}

func authenticationDeviations(c idp.Client, spec idp.Spec) []string {
	if !c.Exists() {
		return nil // the client is made with it
	}
	app := state(c).app
	want := secretPost
	if spec.Method == idp.PrivateKeyJWT {
		want = string(idp.PrivateKeyJWT)
	}
	if have := method(app); have != want {
		return []string{fmt.Sprintf("client authentication is %s instead of %s", have, want)}
	}
	if spec.Method != idp.PrivateKeyJWT {
		if app.ClientMetadata[metaKeys] != "" {
			return []string{"keys of a former client authentication are left"}
		}
		return nil
	}
	if len(spec.PublicKeys) == 0 {
		return nil
	}
	keys, err := wantedKeys(spec)
	if err != nil {
		return []string{err.Error()}
	}
	var deviations []string
	enabled := enabledCredentials(app)
	for _, key := range keys {
		if !slices.Contains(keyIDs(enabled), key.id) {
			deviations = append(deviations, "public key "+key.id+" is missing")
		}
	}
	for _, id := range keyIDs(enabled) {
		if !slices.ContainsFunc(keys, func(key publicKey) bool { return key.id == id }) {
			deviations = append(deviations, "public key "+id+" is enabled and not wanted")
		}
	}
	if alg := app.JWTConfiguration.Algorithm; alg != "" && alg != signingAlg {
		deviations = append(deviations, fmt.Sprintf("jwt_configuration alg is %s instead of %s", alg, signingAlg))
	}
	if len(deviations) == 0 && app.ClientMetadata[metaKeys] != record(enabled) {
		deviations = append(deviations, "client_metadata "+metaKeys+" does not say which credential is which key")
	}
	return deviations
}

// applyAuthentication changes the method, or the keys of private_key_jwt.
func (p *Provider) applyAuthentication(ctx context.Context, c *idp.Client, spec idp.Spec) error {
	if spec.Method != idp.PrivateKeyJWT {
		return p.useSecret(ctx, c, spec)
	}
	keys, err := wantedKeys(spec)
	if err != nil {
		return invalidKeys(spec, err)
	}
	enabled := enabledCredentials(state(*c).app)
	if method(state(*c).app) == string(idp.PrivateKeyJWT) && sameSet(keyIDs(enabled), ids(keys)) {
		return p.enable(ctx, c, spec, enabled) // only the record or the algorithm deviates
	}
	return p.changeKeys(ctx, c, spec, keys)
}

func ids(keys []publicKey) []string {
	var all []string
	for _, key := range keys {
		all = append(all, key.id)
	}
	return all
}

// changeKeys brings the stored and the enabled credentials to the wanted keys.
func (p *Provider) changeKeys(ctx context.Context, c *idp.Client, spec idp.Spec, keys []publicKey) error {
	p.shared.wrote(c.ID)
	stored, err := p.readCredentials(ctx, c.ID)
	if err != nil {
		return err
	}
	on := map[string]bool{}
	for _, e := range enabledCredentials(state(*c).app) {
		on[e.ID] = true
	}
	byKey := map[string]credential{}
	var enabled []string
	for _, s := range stored {
		key := keyIDs([]credential{s})[0]
		byKey[key] = s
		if on[s.ID] {
			enabled = append(enabled, key)
		}
	}
	for _, step := range planKeys(keyIDs(stored), enabled, ids(keys)) {
		switch step.verb {
		case addKey:
			at := slices.IndexFunc(keys, func(key publicKey) bool { return key.id == step.keys[0] })
			made, err := p.createCredential(ctx, c.ID, keys[at])
			if err != nil {
				return err
			}
			byKey[keys[at].id] = made
		case enableKeys:
			var credentials []credential
			for _, key := range step.keys {
				credentials = append(credentials, byKey[key])
			}
			if err := p.enable(ctx, c, spec, credentials); err != nil {
				return err
			}
		case removeKey:
			if err := p.deleteCredential(ctx, c.ID, byKey[step.keys[0]].ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// enable makes exactly the given credentials those that the client authenticates with, and records which they are.
func (p *Provider) enable(ctx context.Context, c *idp.Client, spec idp.Spec, credentials []credential) error {
	app := state(*c).app
	var references []any
	for _, one := range credentials {
		references = append(references, map[string]any{"id": one.ID})
	}
	changes := map[string]any{
		"client_authentication_methods": privateKeyJWT(references),
		"client_metadata":               map[string]any{metaKeys: record(credentials)},
	}
	if method(app) != string(idp.PrivateKeyJWT) {
		changes["token_endpoint_auth_method"] = nil
	}
	if app.JWTConfiguration.Algorithm != signingAlg {
		changes["jwt_configuration"] = map[string]any{"alg": signingAlg}
	}
	return p.patch(ctx, c, spec, changes)
}

// useSecret goes over to a client secret. Auth0 has kept the one of old, which is not to work again, and which nobody uses:
// it is rotated. The record of keys stays until all is done, so that an attempt that failed half-way is gone on with.
func (p *Provider) useSecret(ctx context.Context, c *idp.Client, spec idp.Spec) error {
	have := method(state(*c).app)
	if have == secretBasic || have == noSecret {
		return p.patch(ctx, c, spec, map[string]any{"token_endpoint_auth_method": secretPost}) // the secret stays in use
	}
	if have != secretPost {
		changes := map[string]any{"client_authentication_methods": nil, "token_endpoint_auth_method": secretPost}
		if state(*c).app.ClientMetadata[metaKeys] == "" {
			changes["client_metadata"] = map[string]any{metaKeys: "unknown"}
		}
		if err := p.patch(ctx, c, spec, changes); err != nil {
			return err
		}
	}
	if err := p.applySecret(ctx, c, spec); err != nil {
		return err
	}
	return p.dropKeys(ctx, c, spec)
}

// dropKeys removes the keys of a client that does not use them any more, and the record of them.
func (p *Provider) dropKeys(ctx context.Context, c *idp.Client, spec idp.Spec) error {
	stored, err := p.readCredentials(ctx, c.ID)
	if err != nil {
		return err
	}
	for _, s := range stored {
		if err := p.deleteCredential(ctx, c.ID, s.ID); err != nil {
			return err
		}
	}
	return p.patch(ctx, c, spec, map[string]any{"client_metadata": map[string]any{metaKeys: nil}})
}

// revertAuthentication goes back to the former method and keys. Keys that are gone from Auth0 cannot come back: then the
// present ones stay, and the error says so.
func (p *Provider) revertAuthentication(ctx context.Context, c *idp.Client, before idp.Client) error {
	if !before.Exists() {
		return nil // the client goes as a whole
	}
	app, err := p.readClient(ctx, before.ID)
	if err != nil {
		return p.gone(err)
	}
	update(c, app, idp.Spec{})
	old := state(before).app
	if method(old) != string(idp.PrivateKeyJWT) {
		if method(app) == method(old) && app.ClientMetadata[metaKeys] == "" {
			return nil
		}
		changes := map[string]any{"client_authentication_methods": nil, "token_endpoint_auth_method": method(old)}
		if err := p.patch(ctx, c, idp.Spec{}, changes); err != nil {
			return p.gone(err)
		}
		return p.gone(p.dropKeys(ctx, c, idp.Spec{}))
	}
	stored, err := p.readCredentials(ctx, before.ID)
	if err != nil {
		return p.gone(err)
	}
	wanted := enabledCredentials(old)
	for _, one := range wanted {
		if !slices.ContainsFunc(stored, func(s credential) bool { return s.ID == one.ID }) {
			return &apierror.Error{Kind: apierror.Conflict, Service: service, Operation: "PATCH /api/v2/clients/{id}",
				Object: "client " + before.ID, Message: "public key " + keyIDs([]credential{one})[0] + " was removed and Auth0 cannot bring it back"}
		}
	}
	if err := p.enable(ctx, c, idp.Spec{}, wanted); err != nil {
		return p.gone(err)
	}
	for _, s := range stored {
		if !slices.ContainsFunc(wanted, func(one credential) bool { return s.ID == one.ID }) {
			if err := p.deleteCredential(ctx, before.ID, s.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Provider) readCredentials(ctx context.Context, clientID string) ([]credential, error) {
	var stored []credential
	err := p.call(ctx, request{
		method: http.MethodGet, operation: "GET /api/v2/clients/{client_id}/credentials",
		path: []string{"clients", clientID, "credentials"}, object: "credentials of client " + clientID, answer: &stored,
	})
	return stored, err
}

func (p *Provider) createCredential(ctx context.Context, clientID string, key publicKey) (credential, error) {
	var made credential
	err := p.call(ctx, request{
		method: http.MethodPost, operation: "POST /api/v2/clients/{client_id}/credentials",
		path: []string{"clients", clientID, "credentials"}, object: "public key " + key.id + " of client " + clientID,
		body: newCredential(key), answer: &made,
	})
	if err == nil && made.KeyID == "" {
		made.KeyID = key.id
	}
	return made, err
}

func (p *Provider) deleteCredential(ctx context.Context, clientID, id string) error {
	return p.gone(p.call(ctx, request{
		method: http.MethodDelete, operation: "DELETE /api/v2/clients/{client_id}/credentials/{credential_id}",
		path: []string{"clients", clientID, "credentials", id}, object: "credential " + id + " of client " + clientID,
	}))
}
