package entra

import (
	"context"
	"net/http"
	"time"
)

// restorable reports whether an object that was deleted then can still be restored.
func (t *Tenant) restorable(deleted time.Time) bool {
	return !deleted.IsZero() && t.now().Before(deleted.Add(retention))
}

func listDeletedApplications(c *call) (int, any, error) {
	var items []item
	for _, app := range c.tenant.applications.Values(c.ctx) {
		if c.tenant.restorable(app.Deleted) {
			items = append(items, item{app.ID, app.properties(false)})
		}
	}
	body, err := c.page("applications", applicationFilters, items)
	return http.StatusOK, body, err
}

func listDeletedPrincipals(c *call) (int, any, error) {
	var items []item
	for _, p := range c.tenant.principals.Values(c.ctx) {
		if c.tenant.restorable(p.Deleted) {
			items = append(items, item{p.ID, p.properties(c.tenant)})
		}
	}
	body, err := c.page("servicePrincipals", principalFilters, items)
	return http.StatusOK, body, err
}

// deleted finds the application or service principal that the path names.
func (c *call) deleted(ctx context.Context) (application, principal, error) {
	id := c.path.keys[0].value
	if app, ok := c.tenant.applications.Get(ctx, id); ok && c.tenant.restorable(app.Deleted) {
		return app, principal{}, nil
	}
	if p, ok := c.tenant.principals.Get(ctx, id); ok && c.tenant.restorable(p.Deleted) {
		return application{}, p, nil
	}
	return application{}, principal{}, notFound(id)
}

func getDeleted(c *call) (int, any, error) {
	app, p, err := c.deleted(c.ctx)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, c.deletedObject(app, p), nil
}

func (c *call) deletedObject(app application, p principal) map[string]any {
	if p.ID != "" {
		shown := p.properties(c.tenant)
		shown["@odata.type"] = "#microsoft.graph.servicePrincipal"
		return c.single("directoryObjects", shown)
	}
	shown := app.properties(false)
	shown["@odata.type"] = "#microsoft.graph.application"
	return c.single("directoryObjects", shown)
}

// purgeDeleted removes a deleted object for good.
func purgeDeleted(c *call) (int, any, error) {
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	app, p, err := c.deleted(context.Background())
	switch {
	case err != nil:
		return 0, nil, err
	case !c.caller.mayChange(append(app.Owners, p.Owners...)):
		return 0, nil, denied()
	case p.ID != "":
		t.principals.Delete(p.ID)
	default:
		t.applications.Delete(app.ID)
		t.byAppID.Delete(app.AppID)
	}
	return http.StatusNoContent, nil, nil
}

// restoreDeleted brings a deleted object back; with an application, the service principal that was deleted with it. Unique
// values that others have taken meanwhile are in the way. Assignments do not come back.
func restoreDeleted(c *call) (int, any, error) {
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	app, p, err := c.deleted(context.Background())
	if err != nil {
		return 0, nil, err
	}
	if !c.caller.mayChange(append(app.Owners, p.Owners...)) {
		return 0, nil, denied()
	}
	if p.ID != "" {
		err := t.restorePrincipal(&p)
		return http.StatusOK, c.deletedObject(app, p), err
	}
	deleted := app.Deleted
	app.Deleted = time.Time{}
	if err := t.insert(app); err != nil {
		return 0, nil, err
	}
	for _, p := range t.principals.Values(context.Background()) {
		if p.AppID == app.AppID && p.Deleted.Equal(deleted) {
			if err := t.restorePrincipal(&p); err != nil {
				return 0, nil, err
			}
			break
		}
	}
	return http.StatusOK, c.deletedObject(app, principal{}), nil
}

// restorePrincipal needs the application to be there. The caller holds mu.
func (t *Tenant) restorePrincipal(p *principal) error {
	if _, ok := t.applicationByAppID(context.Background(), p.AppID); !ok {
		return invalid("The application of the service principal is deleted; restore it first.")
	}
	if _, exists := t.principalByAppID(context.Background(), p.AppID); exists {
		return sameValue("servicePrincipalNames")
	}
	p.Deleted = time.Time{}
	t.putPrincipal(*p)
	return nil
}

// organization is what the tenant says of itself.
func organization(c *call) (int, any, error) {
	domain := c.tenant.Domain()
	return http.StatusOK, map[string]any{
		"@odata.context": "https://" + c.tenant.cfg.GraphHost + "/v1.0/$metadata#organization",
		"value": []any{map[string]any{
			"id": c.tenant.ID(), "displayName": "Sandbox", "tenantType": "AAD",
			"verifiedDomains": []any{map[string]any{"name": domain, "isDefault": true, "isInitial": true, "type": "Managed", "capabilities": "Email"}},
		}},
	}, nil
}
