package entra

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// The dump of the tenant, with stable names and no secret.

// State is everything in the tenant.
type State struct {
	TenantID          string             `json:"tenant_id"`
	Applications      []ApplicationState `json:"applications"`
	ServicePrincipals []PrincipalState   `json:"service_principals"`
	Assignments       []AssignmentState  `json:"app_role_assignments"`
}

// ApplicationState is one application. DeletedAt is null unless it is among the deleted items.
type ApplicationState struct {
	ObjectID       string            `json:"object_id"`
	AppID          string            `json:"app_id"`
	UniqueName     string            `json:"unique_name"`
	DisplayName    string            `json:"display_name"`
	Description    string            `json:"description"`
	SignInAudience string            `json:"sign_in_audience"`
	IdentifierURIs []string          `json:"identifier_uris"`
	Tags           []string          `json:"tags"`
	TokenVersion   *int              `json:"requested_access_token_version"`
	Passwords      []CredentialState `json:"passwords"`
	Certificates   []CredentialState `json:"certificates"`
	Owners         []string          `json:"owners"`
	DeletedAt      *time.Time        `json:"deleted_at"`
}

// CredentialState is one credential, without what proves it.
type CredentialState struct {
	KeyID      string    `json:"key_id"`
	Name       string    `json:"name"`
	Thumbprint string    `json:"thumbprint,omitempty"` // SHA-256 of the certificate, hex
	End        time.Time `json:"end"`
}

// PrincipalState is one service principal.
type PrincipalState struct {
	ObjectID           string     `json:"object_id"`
	AppID              string     `json:"app_id"`
	DisplayName        string     `json:"display_name"`
	Enabled            bool       `json:"enabled"`
	AssignmentRequired bool       `json:"app_role_assignment_required"`
	DeletedAt          *time.Time `json:"deleted_at"`
}

// AssignmentState is one app role assignment.
type AssignmentState struct {
	ID          string `json:"id"`
	PrincipalID string `json:"principal_id"`
	ResourceID  string `json:"resource_id"`
	AppRoleID   string `json:"app_role_id"`
}

// State returns a copy of everything, for the sandbox's administrator. It is JSON-able and holds no secret.
func (t *Tenant) State(ctx context.Context) any {
	out := State{TenantID: t.ID(), Applications: []ApplicationState{}, ServicePrincipals: []PrincipalState{}, Assignments: []AssignmentState{}}
	for _, a := range t.applications.Values(ctx) {
		out.Applications = append(out.Applications, a.state())
	}
	for _, p := range t.principals.Values(ctx) {
		if p.Foreign == nil {
			out.ServicePrincipals = append(out.ServicePrincipals, PrincipalState{p.ID, p.AppID, p.DisplayName, p.Enabled, p.AssignmentRequired, moment(p.Deleted)})
		}
	}
	for _, a := range t.assignments.Values(ctx) {
		out.Assignments = append(out.Assignments, AssignmentState{a.ID, a.PrincipalID, a.ResourceID, a.RoleID})
	}
	return out
}

func (a application) state() ApplicationState {
	s := ApplicationState{
		ObjectID: a.ID, AppID: a.AppID, UniqueName: a.UniqueName, DisplayName: a.DisplayName, Description: a.Description,
		SignInAudience: a.SignInAudience, IdentifierURIs: list(a.IdentifierURIs), Tags: list(a.Tags), TokenVersion: a.API.TokenVersion,
		Passwords: []CredentialState{}, Certificates: []CredentialState{}, Owners: list(a.Owners), DeletedAt: moment(a.Deleted),
	}
	for _, one := range a.Passwords {
		s.Passwords = append(s.Passwords, CredentialState{KeyID: one.KeyID, Name: named(one.DisplayName), End: one.End})
	}
	for _, one := range a.Keys {
		sum := sha256.Sum256(one.Certificate)
		s.Certificates = append(s.Certificates, CredentialState{one.KeyID, named(one.DisplayName), hex.EncodeToString(sum[:]), one.End})
	}
	return s
}

func named(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
