package onboarding

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// Outcome is a server's access after an operation. After a failure it is what is left of it.
type Outcome struct {
	RoleARN      string
	Client       idp.Client
	SecretARN    string // of the stored client secret; empty: it is in Client
	OnboardingID string
	Unproven     error // why it is not known that AWS honours the access; nil: it does, or nobody asked
}

// Create onboards a server: afterwards everything stands, or nothing does. It goes on with an onboarding of the server
// that a crash has left unfinished. It fails with *Owned or *Busy where the name is another's, with *Failure where a
// step failed; Failure.Remains says what could not be undone, and Outcome how to name it.
func (c *Controller) Create(ctx context.Context, want Resolved) (Outcome, error) {
	w := c.begin(want, Reference{})
	err := w.converge(ctx, "onboard")
	return w.outcome(), err
}

// Update brings an existing server to what is wanted. What is there is read afresh. After a failure everything is as
// before, or Failure.Remains says what is not.
func (c *Controller) Update(ctx context.Context, want Resolved, ref Reference, secret idp.Secret) (Outcome, error) {
	w := c.begin(want, ref)
	if err := c.readAll(ctx, w, ref); err != nil {
		return Outcome{}, err
	}
	ref = ref.informed(parseJournal(w.role.Tags))
	if w.client.Secret == "" && w.client.ID == ref.ClientID || ref.remembersSecretOf(w.client) {
		w.client.Secret, w.client.SecretID = secret, ref.SecretID // of no other client than the state's: an update that was cut off may have made one
	}
	w.knowKept()
	err := w.converge(ctx, "update")
	return w.outcome(), err
}

// knowKept takes the stored secret for the client's, where nothing else shows that: it is not lost then, and can be put back.
func (w *work) knowKept() {
	if w.client.Exists() && w.client.Secret == "" && w.client.ID == w.remembered {
		w.client.Secret = w.kept
	}
}

// converge does every step that is needed, and undoes them all if one fails.
func (w *work) converge(ctx context.Context, verb string) error {
	alive, stop := context.WithCancel(context.WithoutCancel(ctx)) // an undo needs the claim too
	defer stop()
	go w.claim.renew(alive)
	return w.c.run(ctx, operation{
		name:    verb + " " + w.want.ID(),
		steps:   w.steps(),
		undoAll: func() bool { return w.adopted },
		guard:   w.claim.keep,
	})
}

// begin prepares the work on one server.
func (c *Controller) begin(want Resolved, ref Reference) *work {
	w := &work{c: c, want: want, id: ref.OnboardingID, known: ref.OnboardingID != "", table: want.Identity.Vending.Table}
	if w.table != ref.Table {
		w.former = ref.Table
	}
	w.table = cmp.Or(w.table, ref.Table)
	if w.former == w.table {
		w.former = ""
	}
	w.held, w.remembered = ref.Storage, ref.ClientID
	w.provider, w.was = cmp.Or(ref.ProviderARN, want.Identity.ProviderARN), ref.Mode
	if w.id == "" {
		w.id = c.newID()
	}
	w.claim = &claim{c: c, role: want.Name(), holder: c.newID()}
	return w
}

func (w *work) outcome() Outcome {
	return Outcome{RoleARN: w.role.ARN, Client: w.client, SecretARN: w.stored, OnboardingID: w.id, Unproven: w.unproven}
}

// readAll reads role and client themselves, not from a shared read: what is about to be changed must be known.
func (c *Controller) readAll(ctx context.Context, w *work, ref Reference) error {
	role, err := c.roles.Read(ctx, w.name())
	if err != nil && !apierror.Is(err, apierror.NotFound) {
		return fmt.Errorf("read role %s: %w", w.name(), err)
	}
	if err == nil && !parseJournal(role.Tags).foreignTo(ref.OnboardingID) {
		w.role = role
	}
	journal := parseJournal(w.role.Tags)
	if ref.OnboardingID == "" && journal.OnboardingID != "" {
		w.id, w.known = journal.OnboardingID, true
	}
	if err := c.readClient(ctx, w, ref.ClientID, journal.ClientID); err != nil {
		return err
	}
	if err := c.readAgain(ctx, w, journal); err != nil {
		return err
	}
	return c.observeAround(ctx, w, ref.ClientID)
}

// readAgain reads the client of a finished onboarding once more where parts of it seem to be missing or wrong. A lagging
// read would otherwise have a part made that is there, and, should that fail, undone.
func (c *Controller) readAgain(ctx context.Context, w *work, journal Journal) error {
	sound := !slices.ContainsFunc(c.clients.Parts(), func(p idp.Part) bool { return len(p.Deviations(w.client, w.spec())) > 0 })
	if sound || journal.Phase != Ready || !w.client.Exists() {
		return nil
	}
	if err := c.clock.Sleep(ctx, firstPause); err != nil {
		return err
	}
	again, err := c.find(ctx, w.want.Desired, w.client.ID, w.id, w.role)
	if err == nil && again.Exists() {
		w.client = again
	}
	return err
}

// readClient finds the client by what the state or the journal remember of it, or else by its onboarding: an update that
// was cut off may have made one that neither knows.
func (c *Controller) readClient(ctx context.Context, w *work, ids ...string) (err error) {
	for _, id := range append(slices.Compact(ids), "") {
		if id == "" && !w.known {
			continue
		}
		if w.client, err = c.find(ctx, w.want.Desired, id, w.id, w.role); err != nil || w.client.Exists() {
			return err
		}
	}
	if id := cmp.Or(ids...); id != "" { // before another is made
		w.client, err = c.insistOnClient(ctx, w.want.Desired, id)
	}
	return err
}

// Delete takes a server's access away: first the trust, last the role. What is gone already is no error, so a Delete
// that failed half-way is simply repeated.
func (c *Controller) Delete(ctx context.Context, want Resolved, ref Reference) error {
	w := c.begin(want, ref)
	w.client = idp.Client{ID: ref.ClientID}
	return c.run(ctx, operation{name: "remove " + want.ID(), steps: w.removal(ref), keeps: true})
}

// removal lists the steps of a Delete.
func (w *work) removal(ref Reference) []step {
	gone := false
	var role iam.Role
	var journal Journal
	// A client that is gone may have left its id behind, in places where only the journal still says that it did.
	ids := func() []string {
		ids := []string{w.client.ID, journal.ClientID}
		return slices.Compact(slices.DeleteFunc(ids, func(id string) bool { return id == "" }))
	}
	storages := func() []Storage {
		all := []Storage{ref.Storage, journal.Storage}
		return slices.Compact(slices.DeleteFunc(all, func(s Storage) bool { return s == State }))
	}
	steps := []step{{
		name: "read role " + w.name(),
		do: func(ctx context.Context) (err error) {
			role, err = w.c.roles.Look(ctx, w.name()) // shared: it costs a run that destroys thousands next to nothing
			journal = parseJournal(role.Tags)
			if gone = apierror.Is(err, apierror.NotFound) || journal.foreignTo(ref.OnboardingID); gone {
				role, journal = iam.Role{}, Journal{}
				return nil
			}
			if ref.OnboardingID == "" && journal.OnboardingID != "" {
				w.id = journal.OnboardingID
			}
			return err
		},
	}, {
		name:   "close trust policy of role " + w.name(),
		needed: func() bool { return !gone },
		do: func(ctx context.Context) error {
			err := w.c.roles.SetTrust(ctx, w.name(), access.DenyAll())
			if gone = apierror.Is(err, apierror.NotFound); gone {
				return nil
			}
			return err
		},
	}, {
		name:   "find client " + w.name(),
		needed: func() bool { return ref.ClientID == "" && ref.OnboardingID != "" },
		do: func(ctx context.Context) (err error) {
			w.client, err = w.c.find(ctx, w.want.Desired, "", ref.OnboardingID, role)
			return err
		},
	}, {
		name: "remove client " + w.name() + " from OIDC provider " + w.want.Identity.ProviderARN,
		needed: func() bool { // a role that is gone took along what its journal said of the mode
			return w.want.Identity.ProviderARN != "" && (w.want.Mode == access.AZP || journal.Mode == access.AZP || gone)
		},
		do: func(ctx context.Context) error {
			for _, id := range ids() {
				err := w.c.roles.RemoveAudience(ctx, w.want.Identity.ProviderARN, id)
				if err != nil && !apierror.Is(err, apierror.NotFound) {
					return err
				}
			}
			return nil
		},
	}, {
		name:   "delete mapping row of " + w.name(),
		needed: func() bool { return w.want.Mode == access.Vending },
		do: func(ctx context.Context) error {
			for _, id := range ids() {
				err := w.c.mappings.Delete(ctx, w.want.Identity.Vending.Table, w.c.rowKey(w.want.Issuer, id), ref.RoleARN)
				if err != nil {
					return err
				}
			}
			return nil
		},
	}, {
		name:   "delete client " + w.name(),
		needed: func() bool { return len(ids()) > 0 },
		do: func(ctx context.Context) error {
			for _, id := range ids() {
				client := idp.Client{ID: id}
				if id == w.client.ID {
					client = w.client
				}
				if err := w.c.clients.Delete(ctx, client); err != nil {
					return err
				}
			}
			return nil
		},
	}, {
		name:   "delete stored client secret " + w.want.SecretName(),
		needed: func() bool { return len(storages()) > 0 },
		do: func(ctx context.Context) error {
			for _, where := range storages() {
				if err := w.unstore(ctx, where); err != nil {
					return err
				}
			}
			return nil
		},
	}, {
		name:   "delete role " + w.name(),
		needed: func() bool { return !gone },
		do: func(ctx context.Context) error {
			policies := w.want.Permissions().Policies()
			return w.c.removeRole(ctx, iam.Role{Name: w.name(), InlinePolicies: policies})
		},
	}}
	return steps
}

// removeRole deletes a role with the inline policies that are ours. Where somebody else's stand in the way it says
// which, and leaves the role, that nobody can assume, to be removed when they are gone.
func (c *Controller) removeRole(ctx context.Context, role iam.Role) error {
	for _, policy := range slices.Sorted(maps.Keys(role.InlinePolicies)) {
		if !isOurs(policy) {
			continue
		}
		if err := c.roles.DeletePolicy(ctx, role.Name, policy); err != nil && !apierror.Is(err, apierror.NotFound) {
			return err
		}
	}
	err := c.roles.Delete(ctx, role.Name)
	if !apierror.Is(err, apierror.Conflict) {
		return err
	}
	found, readErr := c.roles.Read(ctx, role.Name)
	if readErr != nil {
		return err
	}
	w := &work{role: found}
	if foreign := w.foreign(); len(foreign) > 0 {
		return &Obstructed{Role: role.Name, By: foreign, Err: err}
	}
	if len(found.InlinePolicies) == 0 || maps.Equal(found.InlinePolicies, role.InlinePolicies) {
		return err
	}
	return c.removeRole(ctx, found) // a policy of ours that was not known of
}

// Obstructed means that a role cannot be deleted for what others have put on it.
type Obstructed struct {
	Role string
	By   []string
	Err  error
}

func (o *Obstructed) Error() string {
	return fmt.Sprintf("role %s carries what oidcs3 did not put there: %v", o.Role, o.By)
}

func (o *Obstructed) Unwrap() error { return o.Err }
