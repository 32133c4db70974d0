package onboarding

import (
	"context"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
)

// isOurs reports whether an inline policy of that name is oidcs3's own.
func isOurs(policy string) bool {
	return policy == access.ObjectPolicy || policy == access.ListPolicy || policy == access.RevocationPolicy
}

// revoke ends the sessions of a server that is disabled. Where it is enabled again, what was given out before stays
// revoked: sessions live for up to twelve hours.
func (w *work) revoke() step {
	policy := access.RevocationPolicy
	revoked := func() bool { return access.Equivalent(w.role.InlinePolicies[policy], access.RevokeAll()) }
	var before string
	put := func(ctx context.Context, document string) error {
		if document == "" {
			return w.c.roles.DeletePolicy(ctx, w.name(), policy)
		}
		return w.c.roles.PutPolicy(ctx, w.name(), policy, document)
	}
	return step{
		name:    "put policy " + policy + " of role " + w.name(),
		needed:  func() bool { return w.want.Disabled != revoked() },
		remains: "changed policy " + policy + " of role " + w.name(),
		within:  theRole,
		do: func(ctx context.Context) error {
			before = w.role.InlinePolicies[policy]
			document := access.RevokeAll()
			if !w.want.Disabled {
				document = access.RevokeBefore(w.c.clock.Now())
			}
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
	}
}
