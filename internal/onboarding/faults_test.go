package onboarding

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// scenario is one operation on a world that is ready for it.
type scenario struct {
	name    string
	prepare func(w *world) // before the operation, without faults
	run     func(ctx context.Context, w *world) error
	want    Resolved
	kind    string // "create", "update" or "delete"
}

func scenarios() []scenario {
	plain := serverNamed("web-01")
	azp := plain
	azp.Mode = access.AZP
	vended := plain
	vended.Mode = access.Vending
	vended.Identity.Vending = Vending{RoleARN: "arn:aws:iam::123456789012:role/vending", URL: "https://vending.example", Table: "roles"}
	rotated := plain
	rotated.Rotate = true
	stored := plain
	stored.Storage = SecretsManager
	storedAnew := stored
	storedAnew.Rotate = true
	disabled := plain
	disabled.Disabled = true
	changed := plain
	changed.Permission, changed.Prefix, changed.MaxSessionDuration = access.Write, "other/", 2*time.Hour
	changed.Tags = map[string]string{"Owner": "b"}
	changed.PermissionsBoundary = "arn:aws:iam::123456789012:policy/boundary"

	create := func(want Resolved) func(context.Context, *world) error {
		return func(ctx context.Context, w *world) error {
			outcome, err := w.controller().Create(ctx, want)
			w.remembered = Reference{ClientID: outcome.Client.ID, OnboardingID: outcome.OnboardingID, RoleARN: outcome.RoleARN, Table: want.Identity.Vending.Table, Storage: want.storage()}
			w.secret = outcome.Client.Secret
			if want.storage() != State {
				w.secret = ""
			}
			return err
		}
	}
	update := func(want Resolved) func(context.Context, *world) error {
		return func(ctx context.Context, w *world) error {
			outcome, err := w.controller().Update(ctx, want, w.reference(), w.secret)
			failure, failed := errors.AsType[*Failure](err)
			if outcome.Client.Exists() && (err == nil || (failed && len(failure.Remains) > 0)) {
				w.remembered.ClientID = outcome.Client.ID // as the state is written
				if err == nil {
					w.remembered.Storage = want.storage()
				}
				w.secret = ""
				if want.storage() == State || w.remembered.Storage == State {
					w.secret = outcome.Client.Secret
				}
			}
			return err
		}
	}
	rotation := func(want Resolved) func(context.Context, *world) error {
		return func(ctx context.Context, w *world) error {
			want.AllowDowntime = true
			_, err := w.controller().Rotate(ctx, want, w.reference())
			return err
		}
	}
	// An action has nothing but the role to go by.
	act := func(do func(*Controller, context.Context, Desired, iam.Role) error) func(context.Context, *world) error {
		return func(ctx context.Context, w *world) error {
			return do(w.controller(), ctx, plain.Desired, w.roles[plain.Name()])
		}
	}
	onboarded := func(want Resolved) func(*world) {
		return func(w *world) {
			if err := create(want)(context.Background(), w); err != nil {
				panic(err)
			}
		}
	}
	return []scenario{
		{name: "create", kind: "create", want: plain, prepare: func(*world) {}, run: create(plain)},
		{name: "create in azp mode", kind: "create", want: azp, prepare: func(*world) {}, run: create(azp)},
		{name: "create with vending", kind: "create", want: vended, prepare: func(*world) {}, run: create(vended)},
		{name: "update to vending", kind: "update", want: vended, prepare: onboarded(plain), run: update(vended)},
		{name: "update with vending after the client was deleted", kind: "update", want: vended, run: update(vended), prepare: func(w *world) {
			onboarded(vended)(w)
			clear(w.clients)
		}},
		{name: "update with vending after role and client were deleted", kind: "update", want: vended, run: update(vended), prepare: func(w *world) {
			onboarded(vended)(w)
			clear(w.clients)
			clear(w.roles)
		}},
		{name: "delete with vending", kind: "delete", want: vended, prepare: onboarded(vended), run: func(ctx context.Context, w *world) error {
			return w.controller().Delete(ctx, vended, w.reference())
		}},
		{name: "update from vending", kind: "update", want: plain, prepare: onboarded(vended), run: update(plain)},
		{name: "update everything", kind: "update", want: changed, prepare: onboarded(plain), run: update(changed)},
		{name: "update to azp mode", kind: "update", want: azp, prepare: onboarded(plain), run: update(azp)},
		{name: "update from azp mode", kind: "update", want: plain, prepare: onboarded(azp), run: update(plain)},
		{name: "rotate the secret", kind: "update", want: plain, prepare: onboarded(plain), run: update(rotated)},
		{name: "create with a stored secret", kind: "create", want: stored, prepare: func(*world) {}, run: create(stored)},
		{name: "store the secret", kind: "update", want: stored, prepare: onboarded(plain), run: update(stored)},
		{name: "store the secret no more", kind: "update", want: plain, prepare: onboarded(stored), run: update(plain)},
		{name: "rotate a stored secret", kind: "update", want: stored, prepare: onboarded(stored), run: update(storedAnew)},
		{name: "disable", kind: "update", want: disabled, prepare: onboarded(plain), run: update(disabled)},
		{name: "enable", kind: "update", want: plain, prepare: onboarded(disabled), run: update(plain)},
		{name: "rotate a stored secret by itself", kind: "update", want: stored, prepare: onboarded(stored), run: rotation(stored)},
		{name: "disable by the role alone", kind: "update", want: disabled, prepare: onboarded(plain), run: act((*Controller).Disable)},
		{name: "enable by the role alone", kind: "update", want: plain, prepare: onboarded(disabled), run: act((*Controller).Enable)},
		{name: "update after the role was deleted", kind: "update", want: plain, run: update(plain), prepare: func(w *world) {
			onboarded(plain)(w)
			delete(w.roles, plain.Name())
		}},
		{name: "update after the client was deleted", kind: "update", want: plain, run: update(plain), prepare: func(w *world) {
			onboarded(plain)(w)
			clear(w.clients)
		}},
		{name: "update in azp mode after the client was deleted", kind: "update", want: azp, run: update(azp), prepare: func(w *world) {
			onboarded(azp)(w)
			clear(w.clients)
		}},
		{name: "update after the grant was deleted", kind: "update", want: plain, run: update(plain), prepare: func(w *world) {
			onboarded(plain)(w)
			for _, r := range w.clients {
				r.granted = false
			}
		}},
		{name: "delete", kind: "delete", want: plain, prepare: onboarded(plain), run: func(ctx context.Context, w *world) error {
			return w.controller().Delete(ctx, plain, w.reference())
		}},
		{name: "delete in azp mode", kind: "delete", want: azp, prepare: onboarded(azp), run: func(ctx context.Context, w *world) error {
			return w.controller().Delete(ctx, azp, w.reference())
		}},
	}
}

// reference is what Terraform's state would remember of the first onboarding.
func (w *world) reference() Reference { return w.remembered }

// TestEveryFaultAtEveryCall strikes every changing call of every operation in every way, lets the undo fail too, and
// then applies again: what Terraform would do.
func TestEveryFaultAtEveryCall(t *testing.T) {
	t.Parallel()
	blows := map[string]blow{"lost before": lostBefore, "lost after": lostAfter, "refused": refused, "crash before": crash, "crash after": crashAfter}
	cases := 0
	for _, s := range scenarios() {
		calls := s.cleanCalls(t)
		for call := 1; call <= calls; call++ {
			for blowName, b := range blows {
				for _, hidden := range []bool{false, true} { // whether the provider shows secrets
					for _, undoFails := range []bool{false, true} {
						cases++
						name := fmt.Sprintf("%s: call %d of %d %s, undo fails %v, secrets hidden %v", s.name, call, calls, blowName, undoFails, hidden)
						synctest.Test(t, func(t *testing.T) { s.strikeAt(t, name, call, b, undoFails, hidden) })
					}
				}
			}
		}
	}
	t.Logf("%d cases", cases)
}

// cleanCalls counts the changing calls of the operation when nothing goes wrong.
func (s scenario) cleanCalls(t *testing.T) int {
	var calls int
	synctest.Test(t, func(t *testing.T) {
		w := s.world()
		before := len(w.calls)
		if err := s.run(t.Context(), w); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		s.check(t, s.name, w, nil)
		calls = len(w.calls) - before
	})
	return calls
}

func (s scenario) world() *world {
	w := newWorld()
	s.prepare(w)
	w.remember(s.want)
	w.complete = func(role iam.Role) bool {
		for _, r := range w.clients {
			if r.granted && access.Equivalent(role.TrustPolicy, s.want.trust(r.client)) {
				granted, revoked := policies(role)
				return !revoked && maps.EqualFunc(granted, s.want.Permissions().Policies(), access.Equivalent)
			}
		}
		// An undo may open the role again for what was there before.
		return s.kind == "update"
	}
	return w
}

// remember keeps what Terraform's state would.
func (w *world) remember(want Resolved) {
	if role, ok := w.roles[want.Name()]; ok {
		j := parseJournal(role.Tags)
		w.remembered = Reference{ClientID: j.ClientID, OnboardingID: j.OnboardingID, RoleARN: role.ARN, Table: w.remembered.Table, Storage: w.remembered.Storage}
		return
	}
	for id, r := range w.clients {
		w.remembered = Reference{ClientID: id, OnboardingID: r.client.OnboardingID, Table: w.remembered.Table, Storage: w.remembered.Storage}
	}
}

func (s scenario) strikeAt(t *testing.T, name string, call int, b blow, undoFails, hidden bool) {
	w := s.world()
	w.readable, w.undoFails = !hidden, undoFails
	first := len(w.calls)
	struck := false
	w.strike = func(n int, _ string) blow {
		switch {
		case n-first == call:
			struck = true
			return b
		case struck && undoFails && b == refused && n-first <= call+2:
			return refused // the undo's first calls
		}
		return none
	}
	before := w.snapshot()
	err := survive(func() error { return s.run(t.Context(), w) })
	w.strike = func(int, string) blow { return none }
	if len(w.breaches) > 0 {
		t.Fatalf("%s: %v", name, w.breaches)
	}
	var left []Remnant
	kept := false
	if failure, ok := errors.AsType[*Failure](err); ok {
		left, kept = failure.Remains, failure.Kept
	}
	_, dead := errors.AsType[*deadError](err)
	switch {
	case err == nil:
		s.check(t, name, w, nil)
	case dead:
	case len(left) == 0 && !kept:
		if after := w.snapshot(); !reflect.DeepEqual(before, after) {
			t.Fatalf("%s: failed with %v and left\n%+v\nwhere there was\n%+v", name, err, after, before)
		}
	}
	s.applyAgain(t, name, w, err, len(left) > 0)
}

// applyAgain does what the next terraform apply would, and expects the final state.
func (s scenario) applyAgain(t *testing.T, name string, w *world, first error, tainted bool) {
	known := maps.Clone(w.clients)
	ctx := t.Context()
	var err error
	switch {
	case s.kind == "create" && tainted:
		if err = w.controller().Delete(ctx, s.want, w.reference()); err == nil {
			_, err = w.controller().Create(ctx, s.want)
		}
	case s.kind == "create" && first == nil:
	default:
		err = s.run(ctx, w)
	}
	if owned, ok := errors.AsType[*Owned](err); ok && s.kind == "create" && owned.ImportID == s.want.ID() {
		err = nil // it died between the last call and Terraform's state: everything stands, and import is the way on
	}
	if err != nil {
		t.Fatalf("%s: failed first with %v; the next apply: %v", name, first, err)
	}
	s.check(t, name, w, first)
	if s.kind == "update" || !tainted {
		for id := range known { // a client that was there is still the one
			if _, ok := w.clients[id]; !ok && s.kind != "delete" {
				t.Fatalf("%s: client %s was replaced", name, id)
			}
		}
	}
}

func (s scenario) check(t *testing.T, name string, w *world, first error) {
	t.Helper()
	var err error
	if s.kind == "delete" {
		err = w.empty(s.want)
	} else {
		err = w.finished(s.want)
	}
	if err != nil {
		t.Fatalf("%s: %v (first: %v; calls %v)", name, err, first, w.calls)
	}
	if len(w.breaches) > 0 {
		t.Fatalf("%s: %v", name, w.breaches)
	}
}

// snapshot is all that an operation may change, without what time alone changes.
func (w *world) snapshot() map[string]any {
	roles := map[string]iam.Role{}
	for name, role := range w.roles {
		role.Tags = maps.Clone(role.Tags)
		delete(role.Tags, tagLock)
		if len(role.InlinePolicies) == 0 {
			role.InlinePolicies = nil
		}
		roles[name] = role
	}
	clients := map[string]string{}
	for id, r := range w.clients {
		clients[id] = fmt.Sprintf("%s %s %s granted=%v", r.client.Name, r.client.OnboardingID, r.client.Secret.Reveal(), r.granted)
	}
	listed := maps.Clone(w.listed)
	maps.DeleteFunc(listed, func(id string, _ bool) bool { return w.clients[id] == nil }) // of use to nobody
	rows := maps.Clone(w.rows)
	maps.DeleteFunc(rows, func(id string, _ rolemap.Row) bool { return w.clients[id[strings.LastIndex(id, "#")+1:]] == nil })
	return map[string]any{"roles": roles, "clients": clients, "vault": maps.Clone(w.vault), "listed": listed, "rows": rows}
}

type deadError struct{ call string }

func (d *deadError) Error() string { return "the process died in " + d.call }

// survive turns the end of the process into an error.
func survive(run func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			d, ok := r.(died)
			if !ok {
				panic(r)
			}
			err = &deadError{d.call}
		}
	}()
	return run()
}

func TestForeignRoleIsRefusedAndUntouched(t *testing.T) {
	t.Parallel()
	want := serverNamed("web-01")
	for name, tags := range map[string]map[string]string{
		"made by something else": {"Team": "x"},
		"ready":                  Journal{Server: "web-01", Environment: "dev", OnboardingID: "other", Phase: Ready}.tags(),
		"of another server":      Journal{Server: "01", Environment: "dev-web", OnboardingID: "other", Phase: Pending}.tags(),
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.roles[want.Name()] = iam.Role{Name: want.Name(), Tags: tags, TrustPolicy: access.DenyAll()}
			before := w.snapshot()
			_, err := w.controller().Create(t.Context(), want)
			if _, ok := errors.AsType[*Owned](err); !ok {
				t.Fatalf("%s: err = %v, want *Owned", name, err)
			}
			if after := w.snapshot(); !reflect.DeepEqual(before, after) {
				t.Fatalf("%s: the world changed: %+v", name, after)
			}
		})
	}
}

// TestTwoAppliesOfOneServer runs two applies at once: one wins, the other fails clearly and leaves nothing.
func TestTwoAppliesOfOneServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		want := serverNamed("web-01")
		w := newWorld()
		errs := make(chan error, 2)
		for range 2 {
			c := w.controller()
			go func() {
				_, err := c.Create(t.Context(), want)
				errs <- err
			}()
		}
		var failures []error
		for range 2 {
			if err := <-errs; err != nil {
				failures = append(failures, err)
			}
		}
		if len(failures) != 1 {
			t.Fatalf("failures: %v, want exactly one", failures)
		}
		if err := w.finished(want); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCancellationUndoes(t *testing.T) {
	t.Parallel()
	want := serverNamed("web-01")
	calls := callsOfCreate(want)
	for i, name := range calls[:len(calls)-1] { // with the last one, it is done
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			ctx, cancel := context.WithCancel(t.Context())
			w.strike = func(n int, _ string) blow {
				if n == i+1 {
					cancel()
				}
				return none
			}
			_, err := w.controller().Create(ctx, want)
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("cancelled in %s: %v", name, err)
			}
			if err := w.empty(want); err != nil {
				t.Fatalf("cancelled in %s: %v", name, err)
			}
		})
	}
}

// TestWait tries access as the last thing before the journal is closed. What comes of it is told, and is no failure; when
// time runs out the access that stands is kept.
func TestWait(t *testing.T) {
	t.Parallel()
	refused := errors.New("not honoured yet")
	for name, test := range map[string]struct {
		want   func(*Resolved)
		probe  func(ctx context.Context) error
		tries  int
		reason error
	}{
		"honoured":       {func(*Resolved) {}, func(context.Context) error { return nil }, 1, nil},
		"refused":        {func(*Resolved) {}, func(context.Context) error { return refused }, 1, refused},
		"out of time":    {func(*Resolved) {}, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 1, context.DeadlineExceeded},
		"not asked":      {func(r *Resolved) { r.Wait = false }, func(context.Context) error { return refused }, 0, nil},
		"with no secret": {func(r *Resolved) { r.Method = idp.PrivateKeyJWT }, func(context.Context) error { return refused }, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, want, tries := newWorld(), serverNamed("web-01"), 0
				test.want(&want)
				c := w.controller()
				c.probe = func(ctx context.Context, _ string, _ idp.Secret) error {
					tries++
					role := w.roles[want.Name()]
					if j := parseJournal(role.Tags); j.Phase != Pending || access.IsDenyAll(role.TrustPolicy) {
						t.Errorf("tried in phase %s, with the trust policy %s", j.Phase, role.TrustPolicy)
					}
					return test.probe(ctx)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				outcome, err := c.Create(ctx, want)
				if err != nil {
					t.Fatal(err)
				}
				if tries != test.tries || !errors.Is(outcome.Unproven, test.reason) {
					t.Errorf("tried %d times, unproven %v; want %d, %v", tries, outcome.Unproven, test.tries, test.reason)
				}
				if err := w.finished(want); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestResumeWaitsForTheClaimToRunOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		want := serverNamed("web-01")
		w := newWorld()
		w.strike = func(n int, _ string) blow {
			if n == 4 {
				return crashAfter
			}
			return none
		}
		if err := survive(func() error { _, err := w.controller().Create(t.Context(), want); return err }); err == nil {
			t.Fatal("the crash did not happen")
		}
		begin := time.Now()
		w.readable = false
		outcome, err := w.controller().Create(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := outcome.Client.Secret.Reveal(), w.clients["client-1"].client.Secret.Reveal(); got == "" || got != want {
			t.Error("the secret that the crash lost was not made anew")
		}
		if waited := time.Since(begin); waited < claimTime || waited > claimTime+4*claimSlack {
			t.Errorf("resumed after %v; the claim lasts %v", waited, claimTime)
		}
		if outcome.Client.ID != "client-1" || len(w.clients) != 1 {
			t.Errorf("client %s of %d: the first one was not kept", outcome.Client.ID, len(w.clients))
		}
		if err := w.finished(want); err != nil {
			t.Error(err)
		}
	})
}

func TestObserveSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	want := serverNamed("web-01")
	for name, c := range map[string]struct {
		change func(w *world)
		drift  int
		gone   bool
	}{
		"nothing":     {func(*world) {}, 0, false},
		"the role":    {func(w *world) { delete(w.roles, want.Name()) }, 1, false},
		"the grant":   {func(w *world) { w.clients["client-1"].granted = false }, 1, false},
		"the client":  {func(w *world) { clear(w.clients) }, 2, false},
		"both":        {func(w *world) { clear(w.clients); clear(w.roles) }, 3, true},
		"the journal": {func(w *world) { delete(w.roles[want.Name()].Tags, tagPhase) }, 1, false},
	} {
		w := newWorld()
		if _, err := w.controller().Create(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		w.remember(want)
		c.change(w)
		o, err := w.controller().Observe(t.Context(), want, w.reference())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(o.Drift) != c.drift || o.Gone() != c.gone {
			t.Errorf("%s missing: drift %q, gone %v", name, o.Drift, o.Gone())
		}
	}
	var client idp.Client
	if client.Exists() {
		t.Error("the zero client exists")
	}
}
