package onboarding

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

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
				ClientID: w.client.ID, Mode: mode, Storage: cmp.Or(w.want.storage(), w.held), Phase: Pending, Holder: w.claim.holder, Until: until,
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
			if apierror.Is(err, apierror.NotFound) { // a new role is not seen everywhere at once
				role, err = insist(ctx, w.c, func() (iam.Role, error) { return w.c.roles.Read(ctx, w.name()) })
			}
			if apierror.Is(err, apierror.NotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			if j := parseJournal(role.Tags); j.OnboardingID != w.id || (j.Holder != "" && j.Holder != w.claim.holder) {
				return nil // another onboarding, or another apply that goes on with this one
			}
			if err := w.dropFound(ctx); err != nil {
				return err
			}
			return w.c.removeRole(ctx, role)
		},
	}
}

// dropFound takes away what an adopted onboarding had besides its role, where the steps that would have undone it were not
// reached.
func (w *work) dropFound(ctx context.Context) error {
	if !w.adopted {
		return nil
	}
	for _, provider := range []string{w.provider, w.want.Identity.ProviderARN} {
		if (provider == w.provider && w.stale) || (provider == w.want.Identity.ProviderARN && w.listed) {
			if err := w.c.roles.RemoveAudience(ctx, provider, w.taken); err != nil && !apierror.Is(err, apierror.NotFound) {
				return err
			}
		}
	}
	for _, where := range []Storage{w.want.storage(), w.held} {
		if where == State {
			continue
		}
		if err := w.unstore(ctx, where); err != nil {
			return err
		}
	}
	if w.row != (rolemap.Row{}) {
		if err := w.unmap(ctx); err != nil {
			return err
		}
	}
	if w.client.Exists() {
		return w.deleteClient(ctx)
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
	for _, id := range slices.Compact([]string{j.ClientID, ""}) { // the journal may name one that an undo has deleted since
		if found.client, err = w.c.find(ctx, w.want.Desired, id, j.OnboardingID, role); err != nil {
			return err
		}
		if found.client.Exists() {
			break
		}
	}
	found.taken = found.client.ID
	if err = w.c.observeAround(ctx, &found, j.ClientID); err != nil {
		return err
	}
	*w = found
	return nil
}

// setting mends one thing that a role has besides its policies.
func (w *work) setting(what string, needed func() bool, do func(context.Context) error, undo func(ctx context.Context, before iam.Role) error) step {
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

// boundary mends the permissions boundary. A new role is made with it.
func (w *work) boundary() step {
	set := func(ctx context.Context, arn string) error {
		err := w.c.roles.SetPermissionsBoundary(ctx, w.name(), arn)
		if err == nil {
			w.role.PermissionsBoundary = arn
		}
		return err
	}
	return w.setting("permissions boundary",
		func() bool { return w.role.PermissionsBoundary != w.want.PermissionsBoundary },
		func(ctx context.Context) error { return set(ctx, w.want.PermissionsBoundary) },
		func(ctx context.Context, before iam.Role) error { return set(ctx, before.PermissionsBoundary) })
}

// roleSettings mends what a role has besides its policies and their boundary. A new role is made with them.
func (w *work) roleSettings() []step {
	duration := func(ctx context.Context, d time.Duration) error {
		err := w.c.roles.SetMaxSessionDuration(ctx, w.name(), d, w.role.Description)
		if err == nil {
			w.role.MaxSessionDuration = d
		}
		return err
	}
	return []step{
		w.setting("session duration",
			func() bool { return w.role.MaxSessionDuration != w.want.MaxSessionDuration },
			func(ctx context.Context) error { return duration(ctx, w.want.MaxSessionDuration) },
			func(ctx context.Context, before iam.Role) error { return duration(ctx, before.MaxSessionDuration) }),
		// New tags first, so that none that a policy's condition needs is ever missing.
		w.setting("tags", func() bool { return len(w.newTags()) > 0 },
			func(ctx context.Context) error { return w.tag(ctx, w.newTags()) },
			func(ctx context.Context, before iam.Role) error {
				return w.restoreTags(ctx, before.Tags, slices.Sorted(maps.Keys(w.want.Tags)))
			}),
		w.setting("fewer tags", func() bool { return len(w.oldTags()) > 0 },
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
	return slices.DeleteFunc(remove, w.c.ignores)
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
