package onboarding

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// work is one server on its way from what is there to what is wanted. Steps read and write it.
type work struct {
	c     *Controller
	want  Resolved
	id    string // onboarding id
	known bool   // the id is that of an earlier operation

	shared bool // nothing will be changed: reads may be shared with others of the run
	claim  *claim

	role   iam.Role   // zero: does not exist
	client idp.Client // zero: does not exist
	row    rolemap.Row
	table  string      // mapping table; empty: none
	former string      // mapping table that the row is to leave; empty: none
	was    access.Mode // trust mode as the state remembers it; empty: not known
	gone   string      // id of a client that is no more; empty: none is known

	listed   bool   // the wanted OIDC provider has the client in its list
	provider string // ARN of the OIDC provider that may list it so far; empty: none
	stale    bool   // the client stands, or may stand, in that one's list and does not belong there any more
	unlisted string // id of a client that is no more and may stand there still; empty: none

	adopted bool   // an unfinished onboarding was found and is gone on with
	taken   string // id of its client; empty: it had none
	opened  bool   // the trust policy was set
	rotated bool   // the client got a new secret

	remembered string     // id of the client as state or journal know it
	held       Storage    // where its secret has been so far
	stored     string     // ARN of the secret in the wanted storage; empty: it is not there
	kept       idp.Secret // its value

	unproven error // what came of the wait, where it was in vain
}

// steps lists everything that may have to be done, in the order that keeps the promises: the lock first, the trust
// policy only when all else stands, then what must not be taken away before.
func (w *work) steps() []step {
	steps := []step{w.createRole()}
	if w.want.Disabled { // before anything else of the update grants more
		steps = append(steps, w.revoke(), w.close())
	}
	steps = append(steps, w.unlistGone(), w.unmapGone(), w.fetchSecret())
	for i, part := range w.c.clients.Parts() {
		steps = append(steps, w.applyPart(part, i == 0))
		if i == 0 {
			steps = append(steps, w.recordClient())
		}
	}
	steps = append(steps, w.storeSecret(), w.recordSecret(), w.unmapMoved(), w.mapClient())
	steps = append(steps, w.roleSettings()...)
	// A boundary that comes is there before the policies, and one that goes is there until after them. Where one replaces
	// another no order keeps old and new apart.
	if w.want.PermissionsBoundary != "" {
		steps = append(append(steps, w.boundary()), w.policies()...)
	} else {
		steps = append(append(steps, w.policies()...), w.boundary())
	}
	steps = append(steps, w.revoke())
	return append(steps, w.listAudience(), w.commit(), w.await(), w.unlistAudience(), w.unmapClient(), w.unmapFormer(), w.markReady(), w.unstoreSecret())
}

func (w *work) name() string { return w.want.Name() }

func (w *work) spec() idp.Spec { return w.want.client(w.id) }

// close shuts the client out that the role lets in so far.
func (w *work) close() step {
	var before string
	document := func() string {
		trust, err := access.ParseTrust(w.role.TrustPolicy)
		if err != nil {
			return access.DenyAll()
		}
		trust.Disabled = true
		return trust.Policy()
	}
	return step{
		name:    "close trust policy of role " + w.name(),
		needed:  func() bool { return !access.IsDenyAll(w.role.TrustPolicy) },
		remains: "changed trust policy of role " + w.name(),
		within:  theRole,
		do: func(ctx context.Context) error {
			before = w.role.TrustPolicy
			closed := document()
			err := w.c.roles.SetTrust(ctx, w.name(), closed)
			if err == nil {
				w.role.TrustPolicy = closed
			}
			return err
		},
		undo: func(ctx context.Context) error {
			if w.adopted || before == "" {
				before = access.DenyAll()
			}
			return w.c.roles.SetTrust(ctx, w.name(), before)
		},
	}
}

// commit lets the client in, or shuts it out where the server is disabled.
func (w *work) commit() step {
	var before string
	return step{
		name:    "set trust policy of role " + w.name(),
		needed:  func() bool { return !access.Equivalent(w.role.TrustPolicy, w.want.trust(w.client)) },
		remains: "changed trust policy of role " + w.name(),
		within:  theRole,
		do: func(ctx context.Context) error {
			before = w.role.TrustPolicy
			document := w.want.trust(w.client)
			if err := w.c.roles.SetTrust(ctx, w.name(), document); err != nil {
				return err
			}
			w.role.TrustPolicy, w.opened = document, !w.want.Disabled
			return nil
		},
		undo: func(ctx context.Context) error {
			if w.adopted || before == "" {
				before = access.DenyAll()
			}
			return w.c.roles.SetTrust(ctx, w.name(), before)
		},
	}
}

// spare is what a wait leaves of its caller's time, for the steps that come after it.
const spare = 30 * time.Second

// await waits until AWS honours the access that was given. It comes before the journal is closed: an apply that ends
// during the wait is like any other that ends early. That the wait was in vain is no failure, since access stands.
func (w *work) await() step {
	return step{
		name:  "wait for access of " + w.name(),
		quiet: true,
		needed: func() bool {
			return w.want.Wait && !w.want.Disabled && w.c.probe != nil && (w.opened || w.adopted || w.rotated) && w.client.Secret != ""
		},
		do: func(ctx context.Context) error {
			bounded := ctx
			if end, ok := ctx.Deadline(); ok {
				var cancel context.CancelFunc
				bounded, cancel = context.WithDeadline(ctx, end.Add(-spare))
				defer cancel()
			}
			w.unproven = w.c.probe(bounded, w.want.HostConfiguration(w.c.clients.Kind(), w.client, w.role.ARN), w.client.Secret)
			return ctx.Err()
		},
	}
}

// finished is what the journal says in the end.
func (w *work) finished() Journal {
	return Journal{
		Server: w.want.Server, Environment: w.want.Environment, Provider: w.c.clients.Kind(), OnboardingID: w.id,
		ClientID: w.client.ID, Mode: w.want.Mode, Storage: w.want.storage(), SecretID: w.client.SecretID, Phase: Ready,
	}
}

// markReady closes the journal.
func (w *work) markReady() step {
	var before map[string]string
	entry := func() map[string]string {
		return w.finished().taking(w.role.Tags)
	}
	return step{
		name: "mark role " + w.name() + " ready",
		needed: func() bool {
			for key, value := range entry() {
				if w.role.Tags[key] != value {
					return true
				}
			}
			return false
		},
		remains: "changed tags of role " + w.name(),
		within:  theRole,
		do: func(ctx context.Context) error {
			before = w.role.Tags
			until := w.claim.release() // or else its renewal could overtake this
			err := w.tag(ctx, entry())
			if err != nil {
				w.claim.took(until)
			}
			return err
		},
		undo: func(ctx context.Context) error {
			return w.restoreTags(ctx, before, slices.Sorted(maps.Keys(entry())))
		},
	}
}
