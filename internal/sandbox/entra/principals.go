package entra

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
)

var principalFilters = []string{"id", "appId", "displayName", "tags", "accountEnabled", "appRoleAssignmentRequired", "servicePrincipalNames", "servicePrincipalType"}

func listPrincipals(c *call) (int, any, error) {
	var items []item
	for _, p := range c.tenant.principals.Values(c.ctx) {
		if p.Deleted.IsZero() {
			items = append(items, item{p.ID, p.properties(c.tenant)})
		}
	}
	body, err := c.page("servicePrincipals", principalFilters, items)
	return http.StatusOK, body, err
}

func getPrincipal(c *call) (int, any, error) {
	p, err := c.principal()
	if err != nil {
		return 0, nil, err
	}
	shown, err := selected(p.properties(c.tenant), c.query.Get("$select"))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, c.single("servicePrincipals", shown), nil
}

// principal finds the one that the path names, as the call's moment sees it.
func (c *call) principal() (principal, error) {
	by := c.path.keys[0]
	id, ok := by.value, true
	switch by.kind {
	case "id":
	case "appId":
		id, ok = c.tenant.principalOf.Get(c.ctx, by.value)
	default:
		return principal{}, invalid("The key '%s' is not one of servicePrincipal.", by.kind)
	}
	if ok {
		if p, ok := c.tenant.principal(c.ctx, id); ok {
			return p, nil
		}
	}
	return principal{}, notFound(by.value)
}

// createPrincipal brings an application into the tenant.
// https://learn.microsoft.com/graph/api/serviceprincipal-post-serviceprincipals
func createPrincipal(c *call) (int, any, error) {
	body, err := c.properties()
	if err != nil {
		return 0, nil, err
	}
	var appID string
	if json.Unmarshal(body["appId"], &appID) != nil || !isGUID(appID) {
		return 0, nil, invalid("Property appId value is required but is empty or missing.")
	}
	delete(body, "appId")
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	app, ok := t.applicationByAppID(c.ctx, appID)
	if !ok {
		return 0, nil, &graphError{http.StatusBadRequest, "NoBackingApplicationObject",
			"The appId '" + appID + "' of the service principal does not reference a valid application object."}
	}
	if !c.caller.mayChange(app.Owners) {
		return 0, nil, &graphError{http.StatusForbidden, "Authorization_RequestDenied",
			"When using this permission, the backing application of the service principal being created must in the local tenant"}
	}
	if _, exists := t.principalByAppID(context.Background(), appID); exists {
		return 0, nil, &graphError{http.StatusConflict, "Request_MultipleObjectsWithSameKeyValue",
			"The service principal cannot be created, updated, or restored because the service principal name " + appID + " is already in use."}
	}
	p := principal{ID: t.guid(), AppID: appID, DisplayName: app.DisplayName, Enabled: true, Owners: app.Owners, Created: t.now()}
	if p, err = p.apply(body); err != nil {
		return 0, nil, err
	}
	t.putPrincipal(p)
	return http.StatusCreated, c.single("servicePrincipals", p.properties(t)), nil
}

// putPrincipal writes a service principal and what finds it. The caller holds mu.
func (t *Tenant) putPrincipal(p principal) {
	t.principals.Put(p.ID, p)
	if p.Deleted.IsZero() {
		t.principalOf.Put(p.AppID, p.ID)
	} else if current, _ := t.principalOf.Get(context.Background(), p.AppID); current == p.ID {
		t.principalOf.Delete(p.AppID)
	}
}

// removePrincipal moves a service principal to the deleted items. Its assignments are gone for good. The caller holds mu.
func (t *Tenant) removePrincipal(p principal) {
	p.Deleted = t.now()
	t.putPrincipal(p)
	t.dropAssignments(p.ID)
}

// otherPrincipalProperties are kept as they are written.
var otherPrincipalProperties = []string{"alternativeNames", "description", "homepage", "info", "loginUrl", "notes", "notificationEmailAddresses",
	"preferredSingleSignOnMode", "preferredTokenSigningKeyThumbprint", "replyUrls", "samlSingleSignOnSettings", "servicePrincipalType"}

// apply sets what a body asks for.
func (p principal) apply(body map[string]json.RawMessage) (principal, error) {
	for name, value := range body {
		var err error
		switch {
		case name == "accountEnabled":
			err = setFlag(name, value, &p.Enabled)
		case name == "appRoleAssignmentRequired":
			err = setFlag(name, value, &p.AssignmentRequired)
		case name == "displayName":
			err = setText(name, value, &p.DisplayName, maxName)
		case name == "tags":
			err = setTags(value, &p.Tags)
		case slices.Contains(otherPrincipalProperties, name):
			p.Others = maps.Clone(p.Others)
			if p.Others == nil {
				p.Others = map[string]json.RawMessage{}
			}
			p.Others[name] = value
		default:
			err = invalid("Invalid property '%s'.", name)
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

func setFlag(name string, value json.RawMessage, into *bool) error {
	var flag *bool
	if json.Unmarshal(value, &flag) != nil || flag == nil {
		return badValue(name)
	}
	*into = *flag
	return nil
}

func changePrincipal(c *call) (int, any, error) {
	body, err := c.properties()
	if err != nil {
		return 0, nil, err
	}
	return c.onPrincipal(func(p principal) error {
		changed, err := p.apply(body)
		if err == nil {
			c.tenant.putPrincipal(changed)
		}
		return err
	})
}

func deletePrincipal(c *call) (int, any, error) {
	return c.onPrincipal(func(p principal) error {
		c.tenant.removePrincipal(p)
		return nil
	})
}

// onPrincipal does something to the latest state of a service principal, for a caller that may.
func (c *call) onPrincipal(do func(principal) error) (int, any, error) {
	c.tenant.mu.Lock()
	defer c.tenant.mu.Unlock()
	p, err := c.principal()
	if err != nil {
		return 0, nil, err
	}
	p, ok := c.tenant.principal(context.Background(), p.ID)
	if !ok {
		return 0, nil, notFound(c.path.keys[0].value)
	}
	if !c.caller.mayChange(p.Owners) || p.Foreign != nil {
		return 0, nil, denied()
	}
	return http.StatusNoContent, nil, do(p)
}

func principalOwners(c *call) (int, any, error) {
	p, err := c.principal()
	if err != nil {
		return 0, nil, err
	}
	return c.owners(p.Owners)
}

// properties is the service principal as Graph shows it.
func (p principal) properties(t *Tenant) map[string]any {
	app, _ := t.backing(context.Background(), p)
	owner := t.cfg.TenantID
	if p.Foreign != nil {
		owner = microsoftTenant
	}
	shown := map[string]any{
		"id": p.ID, "appId": p.AppID, "appDisplayName": app.DisplayName, "displayName": p.DisplayName, "accountEnabled": p.Enabled,
		"appRoleAssignmentRequired": p.AssignmentRequired, "appRoles": list(app.AppRoles), "appOwnerOrganizationId": owner,
		"servicePrincipalNames": append([]string{p.AppID}, app.IdentifierURIs...), "signInAudience": app.SignInAudience,
		"tags": list(p.Tags), "createdDateTime": stamp(p.Created), "deletedDateTime": stamp(p.Deleted),
		"passwordCredentials": []any{}, "keyCredentials": []any{}, "oauth2PermissionScopes": []any{},
	}
	for _, name := range otherPrincipalProperties {
		shown[name] = nil
		if value, ok := p.Others[name]; ok {
			shown[name] = value
		}
	}
	if shown["servicePrincipalType"] == nil {
		shown["servicePrincipalType"] = "Application"
	}
	return shown
}
