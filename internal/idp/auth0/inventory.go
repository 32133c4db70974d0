package auth0

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

var _ idp.Inventory = (*Provider)(nil)

// inventoryFields are read of each client: no secret is among them.
const inventoryFields = "client_id,name,client_metadata,client_authentication_methods"

// credentialReads is how many clients' credentials are read at once. The rate limit is the tenant's.
const credentialReads = 8

// Clients implements idp.Inventory: the clients whose metadata oidcs3 has written, and those of the names. It takes a call
// for each hundred clients, and one for each that authenticates with keys, since only a client's own list of credentials
// says when they expire: https://auth0.com/docs/api/management/v2/clients/get-credentials
func (p *Provider) Clients(ctx context.Context, named func(name string) bool) ([]idp.Entry, error) {
	var apps []application
	err := p.eachClient(ctx, inventoryFields, func(app application) {
		if app.ClientMetadata[metaOnboarding] != "" || named(app.Name) {
			apps = append(apps, app)
		}
	})
	if err != nil {
		return nil, err
	}
	entries := make([]idp.Entry, len(apps))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(credentialReads)
	for i, app := range apps {
		entries[i] = entry(app)
		if app.AuthenticationMethods.PrivateKeyJWT != nil {
			group.Go(func() error {
				entries[i].Credentials, entries[i].Undated = p.datedKeys(ctx, app)
				return ctx.Err()
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("read the credentials of Auth0 clients: %w", err)
	}
	return entries, nil
}

func entry(app application) idp.Entry {
	e := idp.Entry{
		ID: app.ClientID, Name: app.Name, OnboardingID: app.ClientMetadata[metaOnboarding], Server: app.ClientMetadata[metaServer],
		Environment: app.ClientMetadata[metaEnvironment], Audience: app.ClientMetadata[metaAudience], Method: idp.ClientSecret,
	}
	if app.AuthenticationMethods.PrivateKeyJWT != nil {
		e.Method = idp.PrivateKeyJWT
	}
	return e
}

// datedKeys reads the keys that the client authenticates with. A stored key that is not enabled is none of them.
func (p *Provider) datedKeys(ctx context.Context, app application) ([]idp.Credential, error) {
	stored, err := p.readCredentials(ctx, app.ClientID)
	if err != nil {
		return nil, err
	}
	var keys []idp.Credential
	for _, one := range stored {
		if slices.ContainsFunc(app.AuthenticationMethods.PrivateKeyJWT.Credentials, func(c credential) bool { return c.ID == one.ID }) {
			keys = append(keys, idp.Credential{ID: one.ID, Method: idp.PrivateKeyJWT, Expires: one.Expires})
		}
	}
	return keys, nil
}
