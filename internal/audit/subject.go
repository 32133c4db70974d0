package audit

import (
	"slices"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// subject is one server on its way into the report.
type subject struct {
	role    iam.Role
	server  onboarding.Server
	journal onboarding.Journal

	trust       access.Trust
	edited      string // what oidcs3 would not write of the trust policy that still tells its client
	untold      error  // why the trust policy does not tell whom it lets in
	permissions access.Permissions
	deviations  []string
	unclear     error // why the permissions cannot be expressed

	gone   bool       // deleted while it was looked at
	client idp.Client // zero: gone, or not looked for
	shown  Server
}

// subjectOf reads a role, if it is a server's of the environment: by its journal, or where it has none, by its name and
// by what it has of a server's policies.
func (a *audit) subjectOf(role iam.Role) (*subject, bool) {
	server, err := onboarding.ServerOf(role, a.Project, a.Environment)
	if err != nil || a.Environment != "" && server.Environment != a.Environment {
		return nil, false
	}
	s := &subject{role: role, server: server, journal: onboarding.JournalOf(role)}
	s.trust, s.edited, s.untold = access.ParseEditedTrust(role.TrustPolicy)
	s.permissions, s.deviations, s.unclear = access.ParsePermissions(role.InlinePolicies)
	if _, has := role.InlinePolicies[access.ObjectPolicy]; s.journal.Phase == onboarding.Unknown && !has {
		return nil, false
	}
	s.show()
	return s, true
}

// mode is the trust mode that the role has, or was to get.
func (s *subject) mode() access.Mode {
	if s.untold == nil {
		return s.trust.Mode
	}
	return s.journal.Mode
}

// id is how users name the server.
func (s *subject) id() string { return s.server.Environment + "/" + s.server.Name }

func (s *subject) object() string { return "role " + s.role.Name }

// show fills in what the role tells.
func (s *subject) show() {
	s.shown = Server{
		ID: s.id(), Environment: s.server.Environment, Name: s.server.Name, Phase: s.journal.Phase, Enabled: s.opened(),
		Bucket: s.permissions.Bucket, Prefix: s.permissions.Prefix, Permission: s.permissions.Permission, KMSKeyARN: s.permissions.KMSKeyARN,
		RoleName: s.role.Name, RoleARN: s.role.ARN, PermissionsBoundary: s.role.PermissionsBoundary,
		TrustPolicy: s.role.TrustPolicy, PermissionsPolicy: access.Together(s.role.InlinePolicies),
		Created: s.role.Created.UTC(), LastUsed: dated(s.role.LastUsed),
		IdentityProvider: s.journal.Provider, TrustMode: s.mode(), ClientID: s.journal.ClientID,
		Credentials: []Credential{}, Tags: s.journal.UserTags(s.role.Tags),
	}
	if s.permissions.Prefix != "" {
		s.shown.permissions = &s.permissions
	}
}

// opened reports whether anybody may get in.
func (s *subject) opened() bool { return !access.IsDenyAll(s.role.TrustPolicy) }

// strict reports whether the role's own policies grant the shown prefix and nothing else.
func (s *subject) strict() bool { return s.unclear == nil }

// foreign lists the inline policies that oidcs3 does not write.
func (s *subject) foreign(policy string) bool {
	return !slices.Contains([]string{access.ObjectPolicy, access.ListPolicy, access.RevocationPolicy}, policy)
}

// dated is a time for JSON; null where there is none.
func dated(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}
