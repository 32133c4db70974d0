package onboarding

import (
	"context"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// applyPart makes or mends one part of the client.
func (w *work) applyPart(part idp.Part, first bool) step {
	var (
		before idp.Client
		begun  bool
	)
	within, makes := theClient, object("")
	if first {
		within, makes = "", theClient
	}
	return step{
		name: "apply " + part.Name + " " + w.name(),
		needed: func() bool {
			return len(part.Deviations(w.client, w.spec())) > 0 || (part.Name == idp.SecretPart && w.secretWanted())
		},
		partial: func() bool { return w.client.Exists() },
		remains: part.Name + " " + w.name(),
		within:  within,
		makes:   makes,
		do: func(ctx context.Context) error {
			if !begun { // a look at what came of an attempt may have found more than there was
				before, begun = w.client, true
			}
			err := part.Apply(ctx, &w.client, w.spec())
			w.rotated = w.rotated || (err == nil && part.Name == idp.SecretPart)
			return err
		},
		settled: func(ctx context.Context) (bool, error) {
			found, err := w.c.find(ctx, w.want.Desired, w.client.ID, w.id, w.role)
			if err != nil || !found.Exists() {
				return false, err
			}
			if found.Secret == "" || w.client.SecretID != "" {
				found.Secret, found.SecretID = w.client.Secret, w.client.SecretID
			}
			w.client = found
			return len(part.Deviations(found, w.spec())) == 0 && (part.Name != idp.SecretPart || !w.secretWanted()), nil
		},
		undo: func(ctx context.Context) error {
			if w.adopted {
				before = idp.Client{}
			}
			if !w.client.Exists() { // made, perhaps, by an attempt whose answer was lost
				found, err := w.c.find(ctx, w.want.Desired, "", w.id, w.role)
				if err != nil || !found.Exists() {
					return err
				}
				w.client = found
			}
			if first && !before.Exists() {
				return w.deleteClient(ctx)
			}
			return part.Revert(ctx, &w.client, before)
		},
	}
}

func (w *work) deleteClient(ctx context.Context) error {
	err := w.c.clients.Delete(ctx, w.client)
	if err == nil {
		w.client = idp.Client{}
	}
	return err
}

// secretWanted reports whether a new secret is asked for, and not made yet, or needed.
func (w *work) secretWanted() bool {
	if w.want.Method != idp.ClientSecret || !w.client.Exists() || w.rotated {
		return w.secretLost()
	}
	replaceable := w.want.AllowDowntime || w.c.clients.Kind().SecretsOverlap()
	return w.secretLost() || w.want.Rotate || (w.storing() && w.client.Secret == "" && replaceable)
}

// secretLost reports whether nobody can know the secret any more: the answer that showed it never came, or the process
// that got it died, before the client was let in. An imported client whose secret is not known is in use all the same.
func (w *work) secretLost() bool {
	if w.want.Method != idp.ClientSecret || !w.client.Exists() || w.client.Secret != "" {
		return false
	}
	return w.adopted || !w.letsIn(w.client)
}

// letsIn reports whether the role may let the client in, or let it in before it was disabled or somebody changed what
// oidcs3 wrote.
func (w *work) letsIn(client idp.Client) bool {
	trust, err := access.ParseTrust(w.role.TrustPolicy)
	if err != nil {
		return !access.IsDenyAll(w.role.TrustPolicy)
	}
	if trust.Mode == access.Vending {
		return true
	}
	return trust.Subject == client.Subject
}

// recordClient writes the client's id into the journal, where a crash or a lost response can be resumed from, and that
// the OIDC provider's list or a storage of secrets is about to be touched.
func (w *work) recordClient() step {
	var before map[string]string
	entry := func() map[string]string {
		tags := map[string]string{tagClient: w.client.ID}
		if w.want.Mode == access.AZP {
			tags[tagMode] = string(access.AZP)
		}
		if where := w.want.storage(); where != State {
			tags[tagStorage] = string(where)
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
		undo: func(ctx context.Context) error {
			return w.restoreTags(ctx, before, []string{tagClient, tagMode, tagStorage})
		},
	}
}
