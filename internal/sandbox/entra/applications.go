package entra

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

var applicationFilters = []string{"id", "appId", "displayName", "uniqueName", "identifierUris", "tags", "signInAudience"}

func listApplications(c *call) (int, any, error) {
	var items []item
	for _, app := range c.tenant.applications.Values(c.ctx) {
		if app.Deleted.IsZero() {
			items = append(items, item{app.ID, app.properties(false)})
		}
	}
	body, err := c.page("applications", applicationFilters, items)
	return http.StatusOK, body, err
}

func getApplication(c *call) (int, any, error) {
	app, err := c.application()
	if err != nil {
		return 0, nil, err
	}
	// Keys are shown to who asks for them by name, and for one application only.
	shown, err := selected(app.properties(c.selects("keyCredentials")), c.query.Get("$select"))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, c.single("applications", shown), nil
}

// application finds the one that the path names, as the call's moment sees it.
func (c *call) application() (application, error) {
	by, t := c.path.keys[0], c.tenant
	id, ok := by.value, true
	switch by.kind {
	case "id":
	case "appId":
		id, ok = t.byAppID.Get(c.ctx, by.value)
	case "uniqueName":
		id, ok = t.byUniqueName.Get(c.ctx, by.value)
	default:
		return application{}, invalid("The key '%s' is not one of application.", by.kind)
	}
	if ok {
		if app, ok := t.application(c.ctx, id); ok {
			return app, nil
		}
	}
	return application{}, notFound(by.value)
}

func createApplication(c *call) (int, any, error) {
	body, err := c.properties()
	if err != nil {
		return 0, nil, err
	}
	app := c.tenant.newApplication(c.caller.principalID)
	if err := app.apply(body, c.tenant.now(), c.tenant.guid); err != nil {
		return 0, nil, err
	}
	c.tenant.mu.Lock()
	defer c.tenant.mu.Unlock()
	if err := c.tenant.insert(app); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, c.single("applications", app.properties(false)), nil
}

// newApplication returns one with ids of its own and nothing else.
func (t *Tenant) newApplication(owner string) application {
	app := application{ID: t.guid(), AppID: t.guid(), SignInAudience: "AzureADMyOrg", Created: t.now()}
	if owner != "" {
		app.Owners = []string{owner}
	}
	return app
}

// insert writes a new or changed application, unless another has its unique values. The caller holds mu.
func (t *Tenant) insert(app application) error {
	now := context.Background()
	if app.DisplayName == "" {
		return invalid("Property displayName value is required but is empty or missing.")
	}
	if owner, ok := t.byUniqueName.Get(now, app.UniqueName); ok && owner != app.ID {
		return sameValue("uniqueName")
	}
	for _, uri := range app.IdentifierURIs {
		if owner, ok := t.byIdentifier.Get(now, uri); ok && owner != app.ID {
			return sameValue("identifierUris")
		}
	}
	t.putApplication(app)
	return nil
}

func sameValue(property string) *graphError {
	return &graphError{http.StatusBadRequest, "Request_MultipleObjectsWithSameKeyValue", "Another object with the same value for property " + property + " already exists."}
}

// changeApplication is a PATCH, or with Prefer: create-if-missing, an upsert by uniqueName.
// https://learn.microsoft.com/graph/api/application-upsert
func changeApplication(c *call) (int, any, error) {
	body, err := c.properties()
	if err != nil {
		return 0, nil, err
	}
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	upsert := strings.EqualFold(strings.TrimSpace(c.r.Header.Get("Prefer")), "create-if-missing")
	if c.path.keys[0].kind == "uniqueName" && t.noUpsert {
		return 0, nil, invalid("Resource not found for the segment 'applications'.")
	}
	if upsert {
		if c.path.keys[0].kind != "uniqueName" {
			return 0, nil, invalid("Upsert needs an alternate key.")
		}
		c.ctx = context.Background() // an upsert is never behind
	}
	app, err := c.application()
	switch {
	case err != nil && upsert:
		app = t.newApplication(c.caller.principalID)
		app.UniqueName = c.path.keys[0].value
		if err := app.apply(body, t.now(), t.guid); err != nil {
			return 0, nil, err
		}
		if err := t.insert(app); err != nil {
			return 0, nil, err
		}
		return http.StatusCreated, c.single("applications", app.properties(false)), nil
	case err != nil:
		return 0, nil, err
	}
	return http.StatusNoContent, nil, c.change(app.ID, func(app *application) error { return app.apply(body, t.now(), t.guid) })
}

// change edits the latest state of an application, for a caller that may. It holds mu already.
func (c *call) change(id string, edit func(*application) error) error {
	app, ok := c.tenant.application(context.Background(), id)
	if !ok {
		return notFound(id)
	}
	if !c.caller.mayChange(app.Owners) {
		return denied()
	}
	if err := edit(&app); err != nil {
		return err
	}
	return c.tenant.insert(app)
}

// deleteApplication moves an application and its service principal to the deleted items, where they stay for 30 days.
// Their unique values are free at once.
func deleteApplication(c *call) (int, any, error) {
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	app, err := c.application()
	if err != nil {
		return 0, nil, err
	}
	if app, err = c.latest(app); err != nil {
		return 0, nil, err
	}
	if p, ok := t.principalByAppID(context.Background(), app.AppID); ok {
		t.removePrincipal(p)
	}
	app.Deleted = t.now()
	t.putApplication(app)
	return http.StatusNoContent, nil, nil
}

// latest is the newest state of an application that the caller may change.
func (c *call) latest(app application) (application, error) {
	app, ok := c.tenant.application(context.Background(), app.ID)
	if !ok {
		return application{}, notFound(c.path.keys[0].value)
	}
	if !c.caller.mayChange(app.Owners) {
		return application{}, denied()
	}
	return app, nil
}

func applicationOwners(c *call) (int, any, error) {
	app, err := c.application()
	if err != nil {
		return 0, nil, err
	}
	return c.owners(app.Owners)
}

func (c *call) owners(ids []string) (int, any, error) {
	var items []item
	for _, id := range ids {
		if p, ok := c.tenant.principal(c.ctx, id); ok {
			properties := p.properties(c.tenant)
			properties["@odata.type"] = "#microsoft.graph.servicePrincipal"
			items = append(items, item{id, properties})
		}
	}
	body, err := c.page("directoryObjects", nil, slices.Clip(items))
	return http.StatusOK, body, err
}
