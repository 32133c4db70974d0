package auth0

import (
	"context"
	"net/http"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// Names of the parts.
const (
	partClient         = "client"
	partAuthentication = "client authentication"
	partSecret         = "client secret"
	partGrant          = "client grant"
)

// Parts implements idp.Provider.
func (p *Provider) Parts() []idp.Part {
	return []idp.Part{
		{Name: partClient, Deviations: clientDeviations, Apply: p.applyClient, Revert: p.revertClient},
		{Name: partAuthentication, Deviations: authenticationDeviations, Apply: p.applyAuthentication, Revert: p.revertAuthentication},
		{Name: partSecret, Deviations: secretDeviations, Apply: p.applySecret, Revert: p.revertSecret},
		{Name: partGrant, Deviations: grantDeviations, Apply: p.applyGrant, Revert: p.revertGrant},
	}
}

const (
	createClient = "POST /api/v2/clients"
	updateClient = "PATCH /api/v2/clients/{id}"
)

// applyClient makes the client, or mends what deviates and nothing else.
func (p *Provider) applyClient(ctx context.Context, c *idp.Client, spec idp.Spec) error {
	if !c.Exists() {
		return p.createClient(ctx, c, spec)
	}
	changes := map[string]any{}
	for _, s := range settings(spec) {
		if s.deviates(state(*c).app) {
			changes[s.key] = s.want
		}
	}
	if missing := missingMetadata(state(*c).app, spec); len(missing) > 0 {
		changes["client_metadata"] = missing
	}
	return p.patch(ctx, c, spec, changes)
}

func (p *Provider) createClient(ctx context.Context, c *idp.Client, spec idp.Spec) error {
	body := map[string]any{
		"client_metadata":   metadata(spec),
		"jwt_configuration": map[string]any{"alg": signingAlg},
	}
	for _, s := range settings(spec) {
		body[s.key] = s.want
	}
	// One or the other; Auth0 refuses both. https://auth0.com/docs/api/management/v2/clients/post-clients
	if spec.Method == idp.PrivateKeyJWT {
		credentials, err := newCredentials(spec)
		if err != nil {
			return err
		}
		body["client_authentication_methods"] = privateKeyJWT(credentials)
	} else {
		body["token_endpoint_auth_method"] = secretPost
	}
	var made application
	err := p.call(ctx, request{
		method: http.MethodPost, operation: createClient, path: []string{"clients"},
		object: "client " + spec.Name, body: body, answer: &made,
	})
	if err != nil {
		return err
	}
	if made.ClientID == "" {
		return &apierror.Error{Kind: apierror.Ambiguous, Service: service, Operation: createClient,
			Object: "client " + spec.Name, Message: "the answer names no client"}
	}
	p.shared.wrote(made.ClientID)
	*c = client(made, nil, spec.Audience)
	return nil
}

// patch changes settings of an existing client.
func (p *Provider) patch(ctx context.Context, c *idp.Client, spec idp.Spec, changes map[string]any) error {
	if len(changes) == 0 {
		return nil
	}
	p.shared.wrote(c.ID)
	_, secret := changes["client_secret"]
	var changed application
	err := p.call(ctx, request{
		method: http.MethodPatch, operation: updateClient, path: []string{"clients", c.ID},
		object: "client " + c.ID, body: changes, answer: &changed, secret: secret,
	})
	if err != nil {
		return err
	}
	update(c, changed, spec)
	return nil
}

// revertClient puts the settings back that differ from before.
func (p *Provider) revertClient(ctx context.Context, c *idp.Client, before idp.Client) error {
	if !before.Exists() {
		return p.Delete(ctx, *c)
	}
	now, err := p.readClient(ctx, before.ID)
	if err != nil {
		return p.gone(err)
	}
	old, changes := state(before).app, map[string]any{}
	for _, s := range settingsOf(old) {
		if s.deviates(now) {
			changes[s.key] = s.want
		}
	}
	if undone := undoneMetadata(now.ClientMetadata, old.ClientMetadata, metaOnboarding, metaServer, metaEnvironment, metaAudience); len(undone) > 0 {
		changes["client_metadata"] = undone
	}
	return p.patch(ctx, c, idp.Spec{}, changes)
}

// undoneMetadata says how to turn the values of keys back to what they were; nil removes one.
func undoneMetadata(now, old texts, keys ...string) map[string]any {
	undone := map[string]any{}
	for _, key := range keys {
		was, had := old[key]
		is, has := now[key]
		switch {
		case had && (!has || is != was):
			undone[key] = was
		case !had && has:
			undone[key] = nil
		}
	}
	return undone
}

// applySecret rotates the secret: see the package's comment for who may ask for that.
func (p *Provider) applySecret(ctx context.Context, c *idp.Client, spec idp.Spec) error {
	p.shared.wrote(c.ID)
	var changed application
	err := p.call(ctx, request{
		method: http.MethodPost, operation: "POST /api/v2/clients/{id}/rotate-secret",
		path: []string{"clients", c.ID, "rotate-secret"}, object: "client " + c.ID, answer: &changed,
	})
	if err != nil {
		return err
	}
	if changed.ClientSecret == "" {
		return &apierror.Error{Kind: apierror.Denied, Service: service, Operation: "POST /api/v2/clients/{id}/rotate-secret",
			Object: "client " + c.ID, Message: "the answer does not show the new secret; the management token needs the scope read:client_keys"}
	}
	update(c, changed, spec)
	return nil
}

// revertSecret puts a secret back that is known, whether or not the answer that showed a new one came. One that is not
// known cannot come back, so that the new one stays.
func (p *Provider) revertSecret(ctx context.Context, c *idp.Client, before idp.Client) error {
	if !before.Exists() {
		return nil // the client goes as a whole
	}
	if before.Secret == "" {
		return &apierror.Error{Kind: apierror.Conflict, Service: service, Operation: updateClient, Object: "client " + before.ID,
			Message: "the former secret is not known, so that it cannot be put back"}
	}
	err := p.patch(ctx, c, idp.Spec{}, map[string]any{"client_secret": before.Secret.Reveal()})
	if err == nil {
		c.Secret = before.Secret
	}
	return p.gone(err)
}
