package entra

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// side tells the two lists of assignments of a service principal apart: those that it has (appRoleAssignments), and
// those at its API that others have (appRoleAssignedTo).
func (c *call) side(a assignment, p principal) bool {
	if strings.Contains(c.path.pattern, "appRoleAssignedTo") {
		return a.ResourceID == p.ID
	}
	return a.PrincipalID == p.ID
}

func listAssignments(c *call) (int, any, error) {
	p, err := c.principal()
	if err != nil {
		return 0, nil, err
	}
	var items []item
	for _, a := range c.tenant.assignments.Values(c.ctx) {
		if c.side(a, p) {
			items = append(items, item{a.ID, a.properties(c.tenant)})
		}
	}
	body, err := c.page("appRoleAssignments", []string{"resourceId", "principalId", "appRoleId"}, items)
	return http.StatusOK, body, err
}

func getAssignment(c *call) (int, any, error) {
	a, err := c.assignment()
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, c.single("appRoleAssignments", a.properties(c.tenant)), nil
}

func (c *call) assignment() (assignment, error) {
	p, err := c.principal()
	if err != nil {
		return assignment{}, err
	}
	id := c.path.keys[1].value
	if a, ok := c.tenant.assignments.Get(c.ctx, id); ok && c.side(a, p) {
		return a, nil
	}
	return assignment{}, notFound(id)
}

// createAssignment gives a service principal an app role.
// https://learn.microsoft.com/graph/api/serviceprincipal-post-approleassignments
func createAssignment(c *call) (int, any, error) {
	var body struct {
		PrincipalID string `json:"principalId"`
		ResourceID  string `json:"resourceId"`
		RoleID      string `json:"appRoleId"`
	}
	if json.Unmarshal(c.body, &body) != nil || !isGUID(body.PrincipalID) || !isGUID(body.ResourceID) || !isGUID(body.RoleID) {
		return 0, nil, invalid("principalId, resourceId and appRoleId are required GUIDs.")
	}
	t := c.tenant
	t.mu.Lock()
	defer t.mu.Unlock()
	named, err := c.principal()
	if err != nil {
		return 0, nil, err
	}
	if _, ok := t.principal(c.ctx, body.PrincipalID); !ok {
		return 0, nil, notFound(body.PrincipalID)
	}
	api, ok := t.principal(c.ctx, body.ResourceID)
	if !ok {
		return 0, nil, notFound(body.ResourceID)
	}
	made := assignment{ID: t.guid(), PrincipalID: body.PrincipalID, ResourceID: body.ResourceID, RoleID: body.RoleID, Created: t.now()}
	if !c.side(made, named) {
		return 0, nil, invalid("The service principal in the request URI and the one in the body differ.")
	}
	if err := t.assign(made, api); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, c.single("appRoleAssignments", made.properties(t)), nil
}

// assign writes an assignment, unless it is there or the API has no such app role. The caller holds mu.
func (t *Tenant) assign(made assignment, api principal) error {
	app, _ := t.backing(context.Background(), api)
	offered := slices.ContainsFunc(app.AppRoles, func(role appRole) bool { return role.ID == made.RoleID && role.forApplications() })
	if !offered && (made.RoleID != defaultRole || len(app.AppRoles) > 0) {
		return invalid("Permission being assigned was not found on application '%s'.", app.AppID)
	}
	for _, a := range t.assignments.Values(context.Background()) {
		if a.PrincipalID == made.PrincipalID && a.ResourceID == made.ResourceID && a.RoleID == made.RoleID {
			return invalid("Permission being assigned already exists on the object")
		}
	}
	t.assignments.Put(made.ID, made)
	return nil
}

func deleteAssignment(c *call) (int, any, error) {
	c.tenant.mu.Lock()
	defer c.tenant.mu.Unlock()
	a, err := c.assignment()
	if err != nil {
		return 0, nil, err
	}
	if !c.tenant.assignments.Delete(a.ID) {
		return 0, nil, notFound(a.ID)
	}
	return http.StatusNoContent, nil, nil
}

func (a assignment) properties(t *Tenant) map[string]any {
	holder, _ := t.principals.Get(context.Background(), a.PrincipalID)
	api, _ := t.principals.Get(context.Background(), a.ResourceID)
	return map[string]any{
		"id": a.ID, "appRoleId": a.RoleID, "principalId": a.PrincipalID, "principalDisplayName": holder.DisplayName, "principalType": "ServicePrincipal",
		"resourceId": a.ResourceID, "resourceDisplayName": api.DisplayName, "createdDateTime": stamp(a.Created), "deletedDateTime": nil,
	}
}
