package entra

import (
	"context"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

var _ idp.Inventory = (*Provider)(nil)

// Clients implements idp.Inventory: the applications that carry oidcs3's tag. It takes a call for each thousand. named is
// not asked: Graph would need a search of its own for it.
func (p *Provider) Clients(ctx context.Context, _ func(name string) bool) ([]idp.Entry, error) {
	applications, err := p.graph.listApplications(ctx, "tags/any(t:t eq "+quoted(tagMarker)+")")
	if err != nil {
		return nil, err
	}
	entries := make([]idp.Entry, 0, len(applications))
	for _, app := range applications {
		entries = append(entries, idp.Entry{
			ID: app.appID, Name: app.name, OnboardingID: tagged(app.tags, tagOnboarding), Server: tagged(app.tags, tagServer),
			Environment: tagged(app.tags, tagEnvironment), Method: client(&found{app: app}).Method, Credentials: credentialsOf(app),
		})
	}
	return entries, nil
}

// credentialsOf lists everything that the application can authenticate with, whoever has put it there.
func credentialsOf(app application) []idp.Credential {
	var all []idp.Credential
	recorded := tagged(app.tags, tagPassword)
	for _, one := range app.passwords {
		all = append(all, idp.Credential{ID: one.keyID, Method: idp.ClientSecret, Expires: one.end,
			Former: one.name == passwordName && one.keyID != recorded})
	}
	for _, one := range app.certificates {
		all = append(all, idp.Credential{ID: one.thumbprint, Method: idp.PrivateKeyJWT, Expires: one.end})
	}
	return all
}
