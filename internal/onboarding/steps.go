package onboarding

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
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
	was    access.Mode // trust mode as the state remembers it; empty: not known
	gone   string      // id of a client that is no more; empty: none is known

	listed   bool   // the wanted OIDC provider has the client in its list
	provider string // ARN of the OIDC provider that may list it so far; empty: none
	stale    bool   // the client stands, or may stand, in that one's list and does not belong there any more
	unlisted string // id of a client that is no more and may stand there still; empty: none

	adopted bool // an unfinished onboarding was found and is gone on with
	opened  bool // the trust policy was set
}

// steps lists everything that may have to be done, in the order that keeps the promises: the lock first, the trust
// policy only when all else stands, then what must not be taken away before.
func (w *work) steps() []step {
	steps := []step{w.createRole(), w.unlistGone(), w.unmapGone()}
	for i, part := range w.c.clients.Parts() {
		steps = append(steps, w.applyPart(part, i == 0))
		if i == 0 {
			steps = append(steps, w.recordClient())
		}
	}
	steps = append(steps, w.mapClient())
	steps = append(steps, w.roleSettings()...)
	steps = append(steps, w.policies()...)
	return append(steps, w.listAudience(), w.commit(), w.unlistAudience(), w.unmapClient(), w.markReady())
}

func (w *work) name() string { return w.want.Name() }

// createRole takes the lock.
func (w *work) createRole() step {
	return step{
		name:    "create role " + w.name(),
		needed:  func() bool { return w.role.Name == "" },
		remains: "role " + w.name(),
		makes:   theRole,
		do: func(ctx context.Context) error {
			until := w.claim.expiry()
			mode := w.want.Mode
			if w.stale {
				mode = access.AZP // until the end of an update that takes the client off the OIDC provider's list
			}
			tags := maps.Clone(w.want.Tags)
			if tags == nil {
				tags = map[string]string{}
			}
			maps.Copy(tags, Journal{
				Server: w.want.Server, Environment: w.want.Environment, Provider: w.c.clients.Kind(), OnboardingID: w.id,
				ClientID: w.client.ID, Mode: mode, Phase: Pending, Holder: w.claim.holder, Until: until,
			}.tags())
			role, err := w.c.roles.Create(ctx, iam.RoleSpec{
				Name:                w.name(),
				Description:         w.want.roleDescription(),
				TrustPolicy:         access.DenyAll(),
				MaxSessionDuration:  w.want.MaxSessionDuration,
				PermissionsBoundary: w.want.PermissionsBoundary,
				Tags:                tags,
			})
			if apierror.Is(err, apierror.Exists) {
				return w.adopt(ctx, err)
			}
			if err == nil {
				w.role = role
				w.claim.took(until)
			}
			return err
		},
		settled: func(ctx context.Context) (bool, error) {
			role, err := w.c.roles.Read(ctx, w.name())
			if apierror.Is(err, apierror.NotFound) {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			j := parseJournal(role.Tags)
			if j.OnboardingID != w.id || j.Holder != w.claim.holder {
				return false, nil // somebody else's: the next attempt says so
			}
			w.role = role
			w.claim.took(j.Until)
			return true, nil
		},
		undo: func(ctx context.Context) error {
			// The name alone does not make the role ours: an attempt of unknown effect may have met another's.
			role, err := w.c.roles.Read(ctx, w.name())
			if apierror.Is(err, apierror.NotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			if parseJournal(role.Tags).OnboardingID != w.id {
				return nil
			}
			if err := w.dropFound(ctx); err != nil {
				return err
			}
			return w.c.removeRole(ctx, role)
		},
	}
}

// dropFound takes away what an adopted onboarding had around role and client, where the steps that would have undone it
// were not reached.
func (w *work) dropFound(ctx context.Context) error {
	if !w.adopted {
		return nil
	}
	for _, provider := range []string{w.provider, w.want.Identity.ProviderARN} {
		if (provider == w.provider && w.stale) || (provider == w.want.Identity.ProviderARN && w.listed) {
			if err := w.c.roles.RemoveAudience(ctx, provider, w.client.ID); err != nil && !apierror.Is(err, apierror.NotFound) {
				return err
			}
		}
	}
	if w.row != (rolemap.Row{}) {
		return w.unmap(ctx)
	}
	return nil
}

// adopt goes on with an unfinished onboarding of the server, if that is what holds the name.
func (w *work) adopt(ctx context.Context, taken error) error {
	role, err := w.c.roles.Read(ctx, w.name())
	if err != nil {
		return errors.Join(taken, err)
	}
	if parseJournal(role.Tags).OnboardingID == w.id { // an attempt that seemed to have failed
		w.role = role
		w.claim.took(parseJournal(role.Tags).Until)
		return nil
	}
	if w.client.Exists() {
		return &Owned{Role: role.Name, ImportID: "", Reason: "another onboarding has taken the name"}
	}
	if parseJournal(role.Tags).Holder != w.claim.holder { // else it was taken over by an attempt that failed later
		if role, err = w.claim.takeOver(ctx, w.want.Desired, role); err != nil {
			return err
		}
	}
	// Until all of it has been read it is not this work's own: a step that does not know of the client would make another.
	j, found := parseJournal(role.Tags), *w
	found.role, found.id, found.adopted = role, j.OnboardingID, true
	if found.client, err = w.c.find(ctx, w.want.Desired, j.ClientID, j.OnboardingID); err != nil {
		return err
	}
	if err = w.c.observeAround(ctx, &found, j.ClientID); err != nil {
		return err
	}
	*w = found
	return nil
}

// applyPart makes or mends one part of the client.
func (w *work) applyPart(part idp.Part, first bool) step {
	var before idp.Client
	within, makes := theClient, object("")
	if first {
		within, makes = "", theClient
	}
	return step{
		name: "apply " + part.Name + " " + w.name(),
		needed: func() bool {
			return len(part.Deviations(w.client, w.spec())) > 0 || (part.Name == idp.SecretPart && w.secretLost())
		},
		partial: func() bool { return w.client.Exists() },
		remains: part.Name + " " + w.name(),
		within:  within,
		makes:   makes,
		do: func(ctx context.Context) error {
			before = w.client
			return part.Apply(ctx, &w.client, w.spec())
		},
		settled: func(ctx context.Context) (bool, error) {
			found, err := w.c.find(ctx, w.want.Desired, w.client.ID, w.id)
			if err != nil || !found.Exists() {
				return false, err
			}
			if found.Secret == "" {
				found.Secret = w.client.Secret
			}
			w.client = found
			return len(part.Deviations(found, w.spec())) == 0 && (part.Name != idp.SecretPart || !w.secretLost()), nil
		},
		undo: func(ctx context.Context) error {
			if w.adopted {
				before = idp.Client{}
			}
			if !w.client.Exists() { // made, perhaps, by an attempt whose answer was lost
				found, err := w.c.find(ctx, w.want.Desired, "", w.id)
				if err != nil || !found.Exists() {
					return err
				}
				w.client = found
			}
			if first && !before.Exists() {
				return w.c.clients.Delete(ctx, w.client)
			}
			return part.Revert(ctx, &w.client, before)
		},
	}
}

// secretLost reports whether nobody can know the secret any more: the answer that showed it never came, or the process
// that got it died, before the client was let in. An imported client whose secret is not known is in use all the same.
func (w *work) secretLost() bool {
	if w.want.Method != idp.ClientSecret || !w.client.Exists() || w.client.Secret != "" {
		return false
	}
	return w.adopted || !w.letsIn(w.client)
}

// letsIn reports whether the role may let the client in, or let it in before somebody changed what oidcs3 wrote.
func (w *work) letsIn(client idp.Client) bool {
	if access.IsDenyAll(w.role.TrustPolicy) {
		return false
	}
	trust, err := access.ParseTrust(w.role.TrustPolicy)
	if err != nil || trust.Mode == access.Vending {
		return true
	}
	return trust.Subject == client.Subject
}

// recordClient writes the client's id into the journal, where a crash or a lost response can be resumed from, and that
// the OIDC provider's list is about to be touched.
func (w *work) recordClient() step {
	var before map[string]string
	entry := func() map[string]string {
		tags := map[string]string{tagClient: w.client.ID}
		if w.want.Mode == access.AZP {
			tags[tagMode] = string(access.AZP)
		}
		return tags
	}
	return step{
		name:    "record client id on role " + w.name(),
		journal: true,
		needed: func() bool {
			set, _ := difference(w.role.Tags, entry())
			return len(set) > 0
		},
		remains: "tag " + tagClient + " of role " + w.name(),
		within:  theRole,
		do: func(ctx context.Context) error {
			before = w.role.Tags
			return w.tag(ctx, entry())
		},
		undo: func(ctx context.Context) error { return w.restoreTags(ctx, before, []string{tagClient, tagMode}) },
	}
}

// unmapGone deletes the row of a client that is no more, while state and journal still name it.
func (w *work) unmapGone() step {
	return step{
		name:   "delete mapping row of a deleted client of " + w.name(),
		needed: func() bool { return w.gone != "" && w.row.ClientID == w.c.rowKey(w.want.Issuer, w.gone) },
		do:     w.unmap,
	}
}

// unmapClient deletes the client's row, where credential vending no longer takes part.
func (w *work) unmapClient() step {
	var before rolemap.Row
	return step{
		name:    "delete mapping row of " + w.name(),
		needed:  func() bool { return w.want.Mode != access.Vending && w.row != (rolemap.Row{}) },
		remains: "missing mapping row of " + w.name() + " in table " + w.table,
		do: func(ctx context.Context) error {
			before = w.row
			return w.unmap(ctx)
		},
		undo: func(ctx context.Context) error {
			if before == (rolemap.Row{}) {
				return nil
			}
			return w.c.mappings.Put(ctx, w.table, before)
		},
	}
}

func (w *work) unmap(ctx context.Context) error {
	err := w.c.mappings.Delete(ctx, w.table, w.row.ClientID, w.row.RoleARN)
	if err == nil {
		w.row = rolemap.Row{}
	}
	return err
}

// mapClient writes the row that credential vending looks up.
func (w *work) mapClient() step {
	var before rolemap.Row
	table := w.want.Identity.Vending.Table
	return step{
		name:    "map client to role " + w.name(),
		needed:  func() bool { return w.want.Mode == access.Vending && w.row != w.wantedRow() },
		remains: "mapping row of " + w.name() + " in table " + table,
		do: func(ctx context.Context) error {
			before = w.row
			row := w.wantedRow()
			if err := w.c.mappings.Put(ctx, table, row); err != nil {
				return err
			}
			w.row = row
			return nil
		},
		undo: func(ctx context.Context) error {
			if w.want.Mode != access.Vending {
				return nil
			}
			if before != (rolemap.Row{}) {
				return w.c.mappings.Put(ctx, table, before)
			}
			row := w.wantedRow()
			return w.c.mappings.Delete(ctx, table, row.ClientID, row.RoleARN)
		},
	}
}

func (w *work) wantedRow() rolemap.Row {
	return rolemap.Row{
		ClientID:   w.c.rowKey(w.want.Issuer, w.client.ID),
		RoleARN:    w.role.ARN,
		ServerName: w.want.Server,
		Prefix:     w.want.Prefix,
	}
}

// roleSettings mends what a role has besides its policies. A new role is made with them.
func (w *work) roleSettings() []step {
	setting := func(what string, needed func() bool, do func(context.Context) error, undo func(ctx context.Context, before iam.Role) error) step {
		var before iam.Role
		return step{
			name:    "set " + what + " of role " + w.name(),
			needed:  needed,
			remains: "changed " + what + " of role " + w.name(),
			within:  theRole,
			do: func(ctx context.Context) error {
				before = w.role
				return do(ctx)
			},
			undo: func(ctx context.Context) error {
				if before.Name == "" { // it was not this run that set it
					return nil
				}
				return undo(ctx, before)
			},
		}
	}
	duration := func(ctx context.Context, d time.Duration) error {
		err := w.c.roles.SetMaxSessionDuration(ctx, w.name(), d, w.role.Description)
		if err == nil {
			w.role.MaxSessionDuration = d
		}
		return err
	}
	boundary := func(ctx context.Context, arn string) error {
		err := w.c.roles.SetPermissionsBoundary(ctx, w.name(), arn)
		if err == nil {
			w.role.PermissionsBoundary = arn
		}
		return err
	}
	return []step{
		setting("session duration",
			func() bool { return w.role.MaxSessionDuration != w.want.MaxSessionDuration },
			func(ctx context.Context) error { return duration(ctx, w.want.MaxSessionDuration) },
			func(ctx context.Context, before iam.Role) error { return duration(ctx, before.MaxSessionDuration) }),
		setting("permissions boundary",
			func() bool { return w.role.PermissionsBoundary != w.want.PermissionsBoundary },
			func(ctx context.Context) error { return boundary(ctx, w.want.PermissionsBoundary) },
			func(ctx context.Context, before iam.Role) error { return boundary(ctx, before.PermissionsBoundary) }),
		// New tags first, so that none that a policy's condition needs is ever missing.
		setting("tags", func() bool { return len(w.newTags()) > 0 },
			func(ctx context.Context) error { return w.tag(ctx, w.newTags()) },
			func(ctx context.Context, before iam.Role) error {
				return w.restoreTags(ctx, before.Tags, slices.Sorted(maps.Keys(w.want.Tags)))
			}),
		setting("fewer tags", func() bool { return len(w.oldTags()) > 0 },
			func(ctx context.Context) error { return w.untag(ctx, w.oldTags()) },
			func(ctx context.Context, before iam.Role) error {
				return w.restoreTags(ctx, before.Tags, slices.Sorted(maps.Keys(userTags(before.Tags))))
			}),
	}
}

// newTags are the users' tags that the role lacks or has with another value.
func (w *work) newTags() map[string]string {
	set, _ := difference(userTags(w.role.Tags), w.want.Tags)
	return set
}

// oldTags are the keys of tags that the role has and nobody wants.
func (w *work) oldTags() []string {
	_, remove := difference(userTags(w.role.Tags), w.want.Tags)
	return remove
}

// policies puts the inline policies that are wanted and deletes those of ours that are not.
func (w *work) policies() []step {
	wanted := w.want.Permissions().Policies()
	var steps []step
	for _, policy := range []string{access.ObjectPolicy, access.ListPolicy} {
		var before string
		document := wanted[policy]
		put := func(ctx context.Context, document string) error {
			if document == "" {
				return w.c.roles.DeletePolicy(ctx, w.name(), policy)
			}
			return w.c.roles.PutPolicy(ctx, w.name(), policy, document)
		}
		verb := "put"
		if document == "" {
			verb = "delete"
		}
		steps = append(steps, step{
			name: verb + " policy " + policy + " of role " + w.name(),
			needed: func() bool {
				have := w.role.InlinePolicies[policy]
				return have != document && !access.Equivalent(have, document)
			},
			remains: "changed policy " + policy + " of role " + w.name(),
			within:  theRole,
			do: func(ctx context.Context) error {
				before = w.role.InlinePolicies[policy]
				if err := put(ctx, document); err != nil {
					return err
				}
				w.role.InlinePolicies = with(w.role.InlinePolicies, policy, document)
				return nil
			},
			undo: func(ctx context.Context) error {
				if w.adopted {
					before = ""
				}
				return put(ctx, before)
			},
		})
	}
	return steps
}

// with returns a copy of m in which key has the value, or none where the value is empty.
func with(m map[string]string, key, value string) map[string]string {
	m = maps.Clone(m)
	if m == nil {
		m = map[string]string{}
	}
	m[key] = value
	if value == "" {
		delete(m, key)
	}
	return m
}

// listAudience adds the client to the OIDC provider's client IDs, where its tokens name it in azp.
func (w *work) listAudience() step {
	provider := w.want.Identity.ProviderARN
	return step{
		name:    "add client " + w.name() + " to OIDC provider " + provider,
		needed:  func() bool { return w.want.Mode == access.AZP && !w.listed },
		remains: "client ID of " + w.name() + " in the list of " + provider,
		do: func(ctx context.Context) error {
			err := w.c.roles.AddAudience(ctx, provider, w.client.ID)
			w.listed = w.listed || err == nil
			return err
		},
		undo: func(ctx context.Context) error {
			if w.want.Mode != access.AZP {
				return nil
			}
			err := w.c.roles.RemoveAudience(ctx, provider, w.client.ID)
			w.listed = w.listed && err != nil
			return err
		},
	}
}

// commit lets the client in.
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
			w.role.TrustPolicy, w.opened = document, true
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

// markReady closes the journal.
func (w *work) markReady() step {
	var before map[string]string
	entry := func() map[string]string {
		return Journal{
			Server: w.want.Server, Environment: w.want.Environment, Provider: w.c.clients.Kind(),
			OnboardingID: w.id, ClientID: w.client.ID, Mode: w.want.Mode, Phase: Ready,
		}.tags()
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
			w.claim.release()
			return w.tag(ctx, entry())
		},
		undo: func(ctx context.Context) error {
			return w.restoreTags(ctx, before, slices.Sorted(maps.Keys(entry())))
		},
	}
}

// unlistAudience takes the client off an OIDC provider's list in which its tokens no longer need it.
func (w *work) unlistAudience() step {
	return step{
		name:    "remove client " + w.name() + " from OIDC provider " + w.provider,
		needed:  func() bool { return w.stale },
		remains: "missing client ID of " + w.name() + " in the list of " + w.provider,
		do: func(ctx context.Context) error {
			err := w.c.roles.RemoveAudience(ctx, w.provider, w.client.ID)
			w.stale = w.stale && err != nil
			return err
		},
		undo: func(ctx context.Context) error {
			if w.adopted {
				return nil
			}
			return w.c.roles.AddAudience(ctx, w.provider, w.client.ID)
		},
	}
}

// unlistGone takes a client that is no more off that list, while trust policy and journal still name it.
func (w *work) unlistGone() step {
	return step{
		name:   "remove a deleted client of " + w.name() + " from OIDC provider " + w.provider,
		needed: func() bool { return w.unlisted != "" },
		do: func(ctx context.Context) error {
			err := w.c.roles.RemoveAudience(ctx, w.provider, w.unlisted)
			if err == nil {
				w.unlisted = ""
			}
			return err
		},
	}
}

func (w *work) spec() idp.Spec { return w.want.client(w.id) }

func (w *work) tag(ctx context.Context, tags map[string]string) error {
	if err := w.c.roles.Tag(ctx, w.name(), tags); err != nil {
		return err
	}
	w.role.Tags = maps.Clone(w.role.Tags)
	if w.role.Tags == nil {
		w.role.Tags = map[string]string{}
	}
	maps.Copy(w.role.Tags, tags)
	return nil
}

func (w *work) untag(ctx context.Context, keys []string) error {
	if err := w.c.roles.Untag(ctx, w.name(), keys); err != nil {
		return err
	}
	w.role.Tags = maps.Clone(w.role.Tags)
	maps.DeleteFunc(w.role.Tags, func(key, _ string) bool { return slices.Contains(keys, key) })
	return nil
}

// restoreTags gives the tags of the keys their values from before. A role that is gone needs none.
func (w *work) restoreTags(ctx context.Context, before map[string]string, keys []string) error {
	set := map[string]string{}
	var remove []string
	for _, key := range keys {
		if value, ok := before[key]; ok {
			set[key] = value
		} else {
			remove = append(remove, key)
		}
	}
	var err error
	if len(set) > 0 {
		err = w.tag(ctx, set)
	}
	if err == nil && len(remove) > 0 {
		err = w.untag(ctx, remove)
	}
	if apierror.Is(err, apierror.NotFound) {
		return nil
	}
	return err
}
