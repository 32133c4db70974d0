package cognito

import (
	"context"
	"maps"
	"slices"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

var _ idp.Inventory = (*Provider)(nil)

// Clients implements idp.Inventory: the app clients of the names, since an app client has no other mark. It takes a call
// for each 60 of the pool. Secrets of app clients do not expire.
func (p *Provider) Clients(ctx context.Context, named func(name string) bool) ([]idp.Entry, error) {
	all, err := p.list(ctx)
	if err != nil {
		return nil, err
	}
	var entries []idp.Entry
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !named(name) {
			continue
		}
		for _, id := range all[name] {
			entries = append(entries, idp.Entry{ID: id, Name: name, Method: idp.ClientSecret})
		}
	}
	return entries, nil
}
