package onboarding

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// TestUndoIsRepeated refuses each call of a create in turn and loses the first call of the undo: nothing may be left.
func TestUndoIsRepeated(t *testing.T) {
	t.Parallel()
	want := serverNamed("web-01")
	for i, name := range callsOfCreate(want) {
		if i == 0 || name == "probe" { // nothing to undo, nothing that fails
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.strike = func(n int, _ string) blow {
				switch n {
				case i + 1:
					return refused
				case i + 2:
					return lostBefore
				}
				return none
			}
			_, err := w.controller().Create(t.Context(), want)
			if err == nil || leftBehind(err) {
				t.Fatalf("%s refused, then one of the undo lost: %v", name, err)
			}
			if err := w.empty(want); err != nil {
				t.Fatalf("%s refused, then one of the undo lost: %v", name, err)
			}
		})
	}
}

// TestUncertainTryIsUndone loses the answer of a call that took effect and refuses its repetition. The refusal says
// nothing of the first try, whose effect must not stay.
func TestUncertainTryIsUndone(t *testing.T) {
	t.Parallel()
	for operation, mode := range map[string]access.Mode{
		"AddClientIDToOpenIDConnectProvider": access.AZP, "PutItem": access.Vending, "PutRolePolicy": access.Plain,
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				want := serverNamed("web-01")
				want.Mode, want.Identity.Vending = mode, Vending{RoleARN: "arn:aws:iam::123456789012:role/vending", Table: "client-roles"}
				w, tries := newWorld(), 0
				w.strike = func(_ int, name string) blow {
					if name != operation {
						return none
					}
					if tries++; tries == 1 {
						return lostAfter
					}
					return refused
				}
				if _, err := w.controller().Create(t.Context(), want); err == nil || leftBehind(err) {
					t.Fatalf("a call lost and then refused: %v", err)
				}
				if err := w.empty(want); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestAnotherOnboardingIsLeftAlone has a state whose server was deleted by hand and onboarded again from elsewhere. The
// state's own server is gone; whatever it does must not touch the other's.
func TestAnotherOnboardingIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, want := newWorld(), serverNamed("web-01")
		first, err := w.controller().Create(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		delete(w.roles, want.Name())
		delete(w.clients, first.Client.ID)
		if _, err := w.controller().Create(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		ref := Reference{ClientID: first.Client.ID, OnboardingID: first.OnboardingID, RoleARN: first.RoleARN}
		if o, err := w.controller().Observe(t.Context(), want, ref); err != nil || !o.Gone() {
			t.Errorf("the state sees role %v and client %q of another's, %v", o.Role != nil, o.Client.ID, err)
		}
		if _, err := w.controller().Update(t.Context(), want, ref, ""); err == nil {
			t.Error("the state took over what is another's")
		}
		if err := w.controller().Delete(t.Context(), want, ref); err != nil {
			t.Error(err)
		}
		if err := w.finished(want); err != nil {
			t.Errorf("the other's server: %v", err)
		}
	})
}

// TestNamesakeIsLeftAlone has a client at an identity provider that finds clients by their names, whose name somebody else's
// has had for longer than there has been an onboarding. Killed before it makes its own, and gone on with, undone or removed,
// the onboarding never takes the other for its own.
func TestNamesakeIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"go on", "fail", "remove", "remove, the role is gone"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, want := newWorld(), serverNamed("web-01")
				w.byName = true
				w.clients["namesake"] = &registered{client: idp.Client{ID: "namesake", Name: want.Name(), Secret: "another's"}, made: time.Now(), granted: true}
				time.Sleep(time.Hour)
				w.strike = func(_ int, name string) blow {
					if name == "POST client" {
						return crash
					}
					return none
				}
				if err := survive(func() error { _, err := w.controller().Create(t.Context(), want); return err }); err == nil {
					t.Fatal("it was not killed")
				}
				onboarding := parseJournal(w.roles[want.Name()].Tags).OnboardingID
				w.strike = func(_ int, name string) blow {
					if end == "fail" && name == "PutRolePolicy" {
						return refused
					}
					return none
				}
				time.Sleep(2 * claimTime)
				var err error
				if end == "remove, the role is gone" {
					delete(w.roles, want.Name())
				}
				if strings.HasPrefix(end, "remove") {
					err = w.controller().Delete(t.Context(), want, Reference{OnboardingID: onboarding})
				} else {
					var made Outcome
					made, err = w.controller().Create(t.Context(), want)
					if end == "go on" && (made.Client.ID == "namesake" || made.Client.ID == "") {
						t.Errorf("the server was given client %q", made.Client.ID)
					}
				}
				if (err != nil) != (end == "fail") || leftBehind(err) {
					t.Error(err)
				}
				if theirs := w.clients["namesake"]; theirs == nil || theirs.client.Secret != "another's" {
					t.Errorf("the namesake is %+v", theirs)
				}
			})
		})
	}
}

// TestRowByFormerPath makes a role anew that was deleted by hand and had a path, so that the mapping row names an ARN that
// no role can have any more. Where that fails, the row is as it was.
func TestRowByFormerPath(t *testing.T) {
	t.Parallel()
	for _, struck := range []string{"", "PutItem", "UpdateAssumeRolePolicy"} {
		t.Run(struck, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, want := newWorld(), serverNamed("web-01")
				want.Mode, want.Identity.Vending = access.Vending, Vending{RoleARN: "arn:aws:iam::123456789012:role/vending", Table: "client-roles"}
				first, err := w.controller().Create(t.Context(), want)
				if err != nil {
					t.Fatal(err)
				}
				key := rolemap.Key(want.Issuer, first.Client.ID)
				now := w.rows[key]
				former := now
				former.RoleARN = "arn:aws:iam::123456789012:role/uploads/" + want.Name()
				w.rows[key] = former
				delete(w.roles, want.Name())
				once := struck
				w.strike = func(_ int, name string) blow {
					if name == once {
						once = ""
						return refused
					}
					return none
				}
				ref := Reference{ClientID: first.Client.ID, OnboardingID: first.OnboardingID, RoleARN: former.RoleARN}
				_, err = w.controller().Update(t.Context(), want, ref, "")
				if (err != nil) != (struck != "") || leftBehind(err) {
					t.Fatal(err)
				}
				if struck == "" && w.rows[key] != now || struck != "" && w.rows[key] != former {
					t.Errorf("the row is %+v", w.rows[key])
				}
			})
		})
	}
}

// TestAdoptedLeavesNothing kills an onboarding that has put its client into the OIDC provider's list, and goes on with one
// that wants no entry there and fails before it would take the entry out.
func TestAdoptedLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, want := newWorld(), serverNamed("web-01")
		want.Mode = access.AZP
		w.strike = func(_ int, name string) blow {
			if name == "UpdateAssumeRolePolicy" {
				return crash
			}
			return none
		}
		if err := survive(func() error { _, err := w.controller().Create(t.Context(), want); return err }); err == nil || len(w.listed) != 1 {
			t.Fatalf("the first was not killed with its entry in the list: %v, %v", err, w.listed)
		}
		want.Mode, want.Permission = access.Plain, access.ReadWrite
		w.strike = func(_ int, name string) blow {
			if name == "PutRolePolicy" {
				return refused
			}
			return none
		}
		if _, err := w.controller().Create(t.Context(), want); err == nil || leftBehind(err) {
			t.Fatalf("the second: %v", err)
		}
		if err := w.empty(want); err != nil {
			t.Error(err)
		}
	})
}
