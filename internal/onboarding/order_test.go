package onboarding

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// TestUpdateNeverGrantsMore watches a role through updates whose order matters: at no call may it grant what neither the
// former configuration nor the new one does.
func TestUpdateNeverGrantsMore(t *testing.T) {
	t.Parallel()
	const boundary = "arn:aws:iam::123456789012:policy/boundary"
	wide := serverNamed("web-01")
	wide.Permission = access.Full
	bounded := wide
	bounded.PermissionsBoundary = boundary
	narrow := serverNamed("web-01")
	narrow.Permission = access.Write
	closed := wide
	closed.Disabled, closed.Prefix = true, "elsewhere/"
	for name, test := range map[string]struct {
		from, to Resolved
		breaks   func(role role) bool
	}{
		"a boundary goes, and so does what it kept small": {bounded, narrow, func(r role) bool { return r.boundary == "" && !r.grants(narrow) }},
		"a boundary comes, and more to keep small":        {narrow, bounded, func(r role) bool { return r.boundary == "" && r.grants(bounded) }},
		"shut out, with another prefix":                   {wide, closed, func(r role) bool { return r.grants(closed) && !r.shut }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				out, err := w.controller().Create(t.Context(), test.from)
				if err != nil {
					t.Fatal(err)
				}
				w.strike = func(int, string) blow { // called before each change takes effect: what is there now
					if test.breaks(seen(w, test.from.Name())) {
						t.Error("the role grants more than it did and will")
					}
					return none
				}
				ref := Reference{ClientID: out.Client.ID, OnboardingID: out.OnboardingID, RoleARN: out.RoleARN}
				if _, err := w.controller().Update(t.Context(), test.to, ref, out.Client.Secret); err != nil {
					t.Fatal(err)
				}
				w.strike = func(int, string) blow { return none }
				if err := w.finished(test.to); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// role is what matters of one here.
type role struct {
	boundary string
	policies map[string]string
	shut     bool
}

func seen(w *world, name string) role {
	r := w.roles[name]
	granted, revoked := policies(r)
	return role{boundary: r.PermissionsBoundary, policies: granted, shut: revoked && access.IsDenyAll(r.TrustPolicy)}
}

// grants reports whether the role has the object policy of a configuration.
func (r role) grants(want Resolved) bool {
	return access.Equivalent(r.policies[access.ObjectPolicy], want.Permissions().Policies()[access.ObjectPolicy])
}

// TestStoredSecretIsKnown deletes the role of a server whose secret is stored, and which the identity provider hides: the
// secret that its host has must stay the one.
func TestStoredSecretIsKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, want := newWorld(), serverNamed("web-01")
		w.readable, want.Storage = false, SecretsManager
		out, err := w.controller().Create(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		before := w.clients[out.Client.ID].client.Secret
		delete(w.roles, want.Name())
		w.calls = nil
		ref := Reference{ClientID: out.Client.ID, OnboardingID: out.OnboardingID, RoleARN: out.RoleARN, Storage: SecretsManager}
		if _, err := w.controller().Update(t.Context(), want, ref, ""); err != nil {
			t.Fatal(err)
		}
		if after := w.clients[out.Client.ID].client.Secret; after != before || slices.Contains(w.calls, "POST rotate-secret") {
			t.Errorf("the secret was replaced: %v", w.calls)
		}
		if err := w.finished(want); err != nil {
			t.Error(err)
		}
	})
}

// TestDeleteFindsTheJournalsClient removes a server whose state names a client that is no more, and whose role names the one
// that took its place.
func TestDeleteFindsTheJournalsClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, want := newWorld(), serverNamed("web-01")
		out, err := w.controller().Create(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		ref := Reference{ClientID: "former", OnboardingID: out.OnboardingID, RoleARN: out.RoleARN}
		if err := w.controller().Delete(t.Context(), want, ref); err != nil {
			t.Fatal(err)
		}
		if err := w.empty(want); err != nil {
			t.Error(err)
		}
	})
}

// tables are mapping tables that tell each other's rows apart.
type tables map[string]map[string]rolemap.Row

func (m tables) Put(_ context.Context, table string, row rolemap.Row) error {
	if m[table] == nil {
		m[table] = map[string]rolemap.Row{}
	}
	m[table][row.ClientID] = row
	return nil
}

func (m tables) Read(_ context.Context, table, key string) (rolemap.Row, error) {
	row, ok := m[table][key]
	if !ok {
		return row, failed(apierror.NotFound, "GetItem", key)
	}
	return row, nil
}

func (m tables) Look(ctx context.Context, table, key string) (rolemap.Row, error) {
	return m.Read(ctx, table, key)
}

func (m tables) Delete(_ context.Context, table, key, _ string) error {
	delete(m[table], key)
	return nil
}

// TestRowLeavesItsFormerTable moves a server to another table: a vending service that reads the former one must not know it
// any more.
func TestRowLeavesItsFormerTable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, want, m := newWorld(), serverNamed("web-01"), tables{}
		want.Mode = access.Vending
		want.Identity.Vending = Vending{RoleARN: "arn:aws:iam::123456789012:role/vending", Table: "former"}
		c := w.controller()
		c.mappings = m
		out, err := c.Create(t.Context(), want)
		if err != nil || len(m["former"]) != 1 {
			t.Fatalf("%v, rows %v", err, m)
		}
		ref := Reference{ClientID: out.Client.ID, OnboardingID: out.OnboardingID, RoleARN: out.RoleARN, Table: "former", Mode: access.Vending}
		want.Identity.Vending.Table = "latter"
		if _, err := c.Update(t.Context(), want, ref, out.Client.Secret); err != nil {
			t.Fatal(err)
		}
		if len(m["former"]) != 0 || len(m["latter"]) != 1 {
			t.Errorf("rows %v", m)
		}
	})
}

// TestShutOutIsNoDrift disables a server by its role alone, and reads it as a state does that has it enabled.
func TestShutOutIsNoDrift(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, want := newWorld(), serverNamed("web-01")
		out, err := w.controller().Create(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.controller().Disable(t.Context(), want.Desired, w.roles[want.Name()]); err != nil {
			t.Fatal(err)
		}
		o, err := w.controller().Observe(t.Context(), want, Reference{ClientID: out.Client.ID, OnboardingID: out.OnboardingID, RoleARN: out.RoleARN})
		if err != nil || len(o.Drift) != 0 || !ShutOut(*o.Role) {
			t.Errorf("drift %q, shut out %t: %v", o.Drift, ShutOut(*o.Role), err)
		}
	})
}
