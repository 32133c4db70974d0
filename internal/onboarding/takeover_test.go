package onboarding

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// slowToDelete is an identity provider of some kind that lets deletions wait.
type slowToDelete struct {
	worldClients
	kind  idp.Kind
	delay time.Duration
}

func (s slowToDelete) Kind() idp.Kind { return s.kind }

func (s slowToDelete) Delete(ctx context.Context, c idp.Client) error {
	time.Sleep(s.delay)
	return s.worldClients.Delete(ctx, c)
}

// TestUndoKeepsItsClaim cancels an onboarding whose undo takes longer than its claim lasts. Another apply that comes
// meanwhile must not go on with what is being undone.
func TestUndoKeepsItsClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, want := newWorld(), serverNamed("web-01")
		ctx, cancel := context.WithCancel(t.Context())
		w.strike = func(_ int, name string) blow {
			if name == "PutRolePolicy" && ctx.Err() == nil {
				cancel()
				return refused
			}
			return none
		}
		first := w.controller()
		first.clients = slowToDelete{worldClients{w}, idp.Auth0, 2 * claimTime}
		ended := make(chan error)
		go func() {
			_, err := first.Create(ctx, want)
			ended <- err
		}()
		time.Sleep(2 * time.Second)
		_, err := w.controller().Create(t.Context(), want)
		if err == nil {
			t.Error("another apply went on with an onboarding that was being undone")
		}
		if err := <-ended; err == nil || leftBehind(err) {
			t.Errorf("the first apply: %v", err)
		}
		if err := w.empty(want); err != nil {
			t.Error(err)
		}
	})
}

// TestUndoStopsWhereItIsAnothers undoes until the guard says that another apply has taken over.
func TestUndoStopsWhereItIsAnothers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var undone []string
		did := func(name string) step {
			return step{name: name, remains: name, do: func(context.Context) error { return nil },
				undo: func(context.Context) error { undone = append(undone, name); return nil }}
		}
		refusal := errors.New("refused")
		err := newWorld().controller().run(t.Context(), operation{name: "onboard dev/web-01",
			steps: []step{did("first"), did("second"), {name: "third", do: func(context.Context) error { return refusal }}},
			guard: func(context.Context) error {
				if len(undone) > 0 {
					return &Lost{Role: "r", Holder: "another"}
				}
				return nil
			}})
		if _, lost := errors.AsType[*Lost](err); !lost || !errors.Is(err, refusal) || len(undone) != 1 || undone[0] != "second" {
			t.Errorf("undone are %q: %v", undone, err)
		}
	})
}

// TestOtherProvidersOnboarding goes on with another identity provider where an onboarding was killed: its client is found by
// nobody then.
func TestOtherProvidersOnboarding(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, want := newWorld(), serverNamed("web-01")
		w.strike = func(_ int, name string) blow {
			if name == "PutRolePolicy" {
				return crash
			}
			return none
		}
		if err := survive(func() error { _, err := w.controller().Create(t.Context(), want); return err }); err == nil || len(w.clients) != 1 {
			t.Fatalf("the first was not killed with a client: %v, %d", err, len(w.clients))
		}
		w.strike = func(int, string) blow { return none }
		other := w.controller()
		other.clients = slowToDelete{worldClients{newWorld()}, idp.Entra, 0}
		_, err := other.Create(t.Context(), want)
		if refusal, ok := errors.AsType[*Refusal](err); !ok || refusal.Advice == "" {
			t.Errorf("another identity provider's onboarding was gone on with: %v", err)
		}
		if _, err := w.controller().Create(t.Context(), want); err != nil {
			t.Errorf("the first configuration: %v", err)
		}
		if err := w.finished(want); err != nil {
			t.Error(err)
		}
	})
}
