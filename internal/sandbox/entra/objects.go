package entra

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// The directory's objects. What is in a table is never changed: a change puts a new value.

// application is what a client or an API is, wherever it is used.
type application struct {
	ID             string // object id
	AppID          string
	UniqueName     string
	DisplayName    string
	Description    string
	SignInAudience string
	IdentifierURIs []string
	Tags           []string
	API            apiSettings
	AppRoles       []appRole
	Passwords      []password
	Keys           []keyCredential
	Owners         []string // object ids of service principals
	Created        time.Time
	Deleted        time.Time // zero: it is not
	// Others holds properties that mean nothing here, as they were written.
	Others map[string]json.RawMessage
}

// apiSettings are those of an application that is an API.
type apiSettings struct {
	TokenVersion *int // requestedAccessTokenVersion: null, 1 or 2
	Others       map[string]json.RawMessage
}

// version is the version of the tokens that are issued for the API.
// https://learn.microsoft.com/entra/identity-platform/reference-microsoft-graph-app-manifest: null means 1
func (a apiSettings) version() int {
	if a.TokenVersion != nil && *a.TokenVersion == 2 {
		return 2
	}
	return 1
}

// appRole is what an API can grant.
type appRole struct {
	AllowedMemberTypes []string `json:"allowedMemberTypes"`
	Description        string   `json:"description"`
	DisplayName        string   `json:"displayName"`
	ID                 string   `json:"id"`
	IsEnabled          bool     `json:"isEnabled"`
	Origin             string   `json:"origin"`
	Value              *string  `json:"value"`
}

func (r appRole) forApplications() bool {
	return r.IsEnabled && slices.Contains(r.AllowedMemberTypes, "Application")
}

// password is a client secret, of which only a hash is kept.
type password struct {
	KeyID       string
	DisplayName *string
	Hint        string // first three characters
	Hash        [32]byte
	Start, End  time.Time
}

// keyCredential is a certificate that client assertions may be signed with.
type keyCredential struct {
	KeyID       string
	CustomID    []byte // customKeyIdentifier
	DisplayName *string
	Type, Usage string
	Start, End  time.Time
	Certificate []byte // DER
}

// principal is an application in this tenant.
type principal struct {
	ID                 string // object id
	AppID              string
	DisplayName        string
	Enabled            bool
	AssignmentRequired bool
	Tags               []string
	Owners             []string
	Created            time.Time
	Deleted            time.Time
	Others             map[string]json.RawMessage
	// Of a service principal whose application is in another tenant, what the application would say.
	Foreign *application
}

// assignment gives a service principal an app role at another's API.
type assignment struct {
	ID          string
	PrincipalID string // object id of the service principal that is given the role
	ResourceID  string // object id of the API's service principal
	RoleID      string
	Created     time.Time
}

// defaultRole is the app role of an API without any.
const defaultRole = "00000000-0000-0000-0000-000000000000"

// retention is how long deleted objects can be restored.
// https://learn.microsoft.com/graph/api/resources/directory
const retention = 30 * 24 * time.Hour

// application returns one that is not deleted.
func (t *Tenant) application(ctx context.Context, objectID string) (application, bool) {
	app, ok := t.applications.Get(ctx, objectID)
	return app, ok && app.Deleted.IsZero()
}

func (t *Tenant) applicationByAppID(ctx context.Context, appID string) (application, bool) {
	id, ok := t.byAppID.Get(ctx, appID)
	if !ok {
		return application{}, false
	}
	return t.application(ctx, id)
}

// principal returns one that is not deleted.
func (t *Tenant) principal(ctx context.Context, objectID string) (principal, bool) {
	p, ok := t.principals.Get(ctx, objectID)
	return p, ok && p.Deleted.IsZero()
}

func (t *Tenant) principalByAppID(ctx context.Context, appID string) (principal, bool) {
	id, ok := t.principalOf.Get(ctx, appID)
	if !ok {
		return principal{}, false
	}
	return t.principal(ctx, id)
}

// backing is the application of a service principal, wherever it is.
func (t *Tenant) backing(ctx context.Context, p principal) (application, bool) {
	if p.Foreign != nil {
		return *p.Foreign, true
	}
	return t.applicationByAppID(ctx, p.AppID)
}

// putApplication writes an application and what finds it. The caller holds mu.
func (t *Tenant) putApplication(app application) {
	if old, ok := t.applications.Get(context.Background(), app.ID); ok {
		t.unindex(old)
	}
	t.byAppID.Put(app.AppID, app.ID)
	if app.Deleted.IsZero() {
		if app.UniqueName != "" {
			t.byUniqueName.Put(app.UniqueName, app.ID)
		}
		for _, uri := range app.IdentifierURIs {
			t.byIdentifier.Put(uri, app.ID)
		}
	}
	t.applications.Put(app.ID, app)
}

// unindex frees an application's unique values. The caller holds mu.
func (t *Tenant) unindex(app application) {
	if owner, _ := t.byUniqueName.Get(context.Background(), app.UniqueName); owner == app.ID {
		t.byUniqueName.Delete(app.UniqueName)
	}
	for _, uri := range app.IdentifierURIs {
		if owner, _ := t.byIdentifier.Get(context.Background(), uri); owner == app.ID {
			t.byIdentifier.Delete(uri)
		}
	}
}

// dropAssignments removes the assignments of and at a service principal. The caller holds mu.
func (t *Tenant) dropAssignments(principalID string) {
	for _, a := range t.assignments.Values(context.Background()) {
		if a.PrincipalID == principalID || a.ResourceID == principalID {
			t.assignments.Delete(a.ID)
		}
	}
}
