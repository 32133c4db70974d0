package entra

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
)

// microsoftTenant owns Microsoft's own applications.
const microsoftTenant = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"

// addGraph makes the service principal of Microsoft Graph.
func (t *Tenant) addGraph() {
	app := application{AppID: graphAppID, DisplayName: "Microsoft Graph", SignInAudience: "AzureADMultipleOrgs", IdentifierURIs: t.graphURIs()}
	for value, id := range graphRoleIDs {
		app.AppRoles = append(app.AppRoles, newRole(id, value))
	}
	slices.SortFunc(app.AppRoles, func(a, b appRole) int { return compare(*a.Value, *b.Value) })
	t.mu.Lock()
	defer t.mu.Unlock()
	t.putPrincipal(principal{ID: t.guid(), AppID: graphAppID, DisplayName: app.DisplayName, Enabled: true, Created: t.now(), Foreign: &app})
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

func newRole(id, value string) appRole {
	return appRole{AllowedMemberTypes: []string{"Application"}, Description: value, DisplayName: value, ID: id, IsEnabled: true, Origin: "Application", Value: &value}
}

// API is a protected API to be made.
type API struct {
	DisplayName        string
	IdentifierURI      string   // "api://oidc-s3"; unique in the tenant
	TokenVersion       int      // 1 or 2; 0 leaves requestedAccessTokenVersion null, which means 1
	AssignmentRequired bool     // clients need an app role assignment to get a token
	Roles              []string // values of its app roles for applications
}

// Application names an application and its service principal.
type Application struct {
	ObjectID    string // of the application
	AppID       string
	PrincipalID string // object id of the service principal
}

// AddApplication makes an API with its service principal.
func (t *Tenant) AddApplication(api API) (Application, error) {
	app := t.newApplication("")
	app.DisplayName, app.IdentifierURIs = api.DisplayName, []string{api.IdentifierURI}
	switch api.TokenVersion {
	case 0:
	case 1, 2:
		app.API.TokenVersion = &api.TokenVersion
	default:
		return Application{}, fmt.Errorf("add the API %s: there are no tokens of version %d", api.DisplayName, api.TokenVersion)
	}
	for _, value := range api.Roles {
		app.AppRoles = append(app.AppRoles, newRole(t.guid(), value))
	}
	return t.add(app, api.AssignmentRequired)
}

// add writes an application with its service principal.
func (t *Tenant) add(app application, assignmentRequired bool) (Application, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.insert(app); err != nil {
		return Application{}, fmt.Errorf("add the application %s: %w", app.DisplayName, err)
	}
	p := principal{ID: t.guid(), AppID: app.AppID, DisplayName: app.DisplayName, Enabled: true, AssignmentRequired: assignmentRequired, Created: t.now()}
	t.putPrincipal(p)
	return Application{ObjectID: app.ID, AppID: app.AppID, PrincipalID: p.ID}, nil
}

// AddManagementClient makes a client with a secret and the given app roles of Microsoft Graph, by value:
// "Application.ReadWrite.OwnedBy", "AppRoleAssignment.ReadWrite.All".
func (t *Tenant) AddManagementClient(name string, roles ...string) (made Application, secret string, err error) {
	if secret, err = newSecret(t.cfg.Rand); err != nil {
		return Application{}, "", fmt.Errorf("add the client %s: %w", name, err)
	}
	app := t.newApplication("")
	app.DisplayName = name
	app.Passwords = []password{{KeyID: t.guid(), Hint: secret[:3], Hash: sha256.Sum256([]byte(secret)), Start: t.now(), End: t.now().Add(passwordLifetime)}}
	if made, err = t.add(app, false); err != nil {
		return Application{}, "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	graph, _ := t.principalByAppID(context.Background(), graphAppID)
	for _, role := range roles {
		id, ok := graphRoleIDs[role]
		if !ok {
			return Application{}, "", fmt.Errorf("add the client %s: Microsoft Graph of the sandbox has no app role %s", name, role)
		}
		if err := t.assign(assignment{ID: t.guid(), PrincipalID: made.PrincipalID, ResourceID: graph.ID, RoleID: id, Created: t.now()}, graph); err != nil {
			return Application{}, "", fmt.Errorf("add the client %s: %w", name, err)
		}
	}
	return made, secret, nil
}
