package onboarding

import (
	"context"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
)

// Disable shuts a server out at once: its role, as it was just read, lets nobody in, and every session of it is denied
// everything. It needs the role alone, so that it works while the identity provider does not answer. What it has taken away
// stays taken away, also where it fails half-way, for Enable to give back. A trust policy that oidcs3 cannot read is replaced by one that denies
// everybody.
func (c *Controller) Disable(ctx context.Context, d Desired, role iam.Role) error {
	d.Disabled = true
	w := c.shutting(d, role)
	steps := []step{w.close(), w.revoke()}
	for i := range steps {
		steps[i].undo = nil
	}
	return c.run(ctx, operation{name: "disable " + d.ID(), steps: steps, keeps: true})
}

// Enable lets a server that was disabled in again. Sessions from before stay revoked. It fails with *Refusal where the
// trust policy does not say whom the role is to let in.
func (c *Controller) Enable(ctx context.Context, d Desired, role iam.Role) error {
	d.Disabled = false
	trust, err := access.ParseTrust(role.TrustPolicy)
	trust.Disabled = false
	if err == nil {
		err = trust.Validate()
	}
	if err != nil || parseJournal(role.Tags).Phase == Pending {
		return &Refusal{Reason: "the trust policy of role " + role.Name + " does not tell whom it is to let in", Err: err,
			Advice: "Set enabled = true in the configuration of the server and apply it: that writes the policy anew."}
	}
	w := c.shutting(d, role)
	return c.run(ctx, operation{name: "enable " + d.ID(), steps: []step{w.revoke(), w.open(trust.Policy())}})
}

// ShutOut reports whether a role shuts its server out, as Disable and disabled configurations do it.
func ShutOut(role iam.Role) bool {
	if trust, err := access.ParseTrust(role.TrustPolicy); err == nil {
		return trust.Disabled
	}
	return access.IsDenyAll(role.TrustPolicy) && access.Equivalent(role.InlinePolicies[access.RevocationPolicy], access.RevokeAll())
}

func (c *Controller) shutting(d Desired, role iam.Role) *work {
	w := c.begin(Resolved{Desired: d}, Reference{})
	w.role = role
	return w
}

// open sets a trust policy that lets the client in.
func (w *work) open(document string) step {
	before := w.role.TrustPolicy
	return step{
		name:    "set trust policy of role " + w.name(),
		needed:  func() bool { return !access.Equivalent(w.role.TrustPolicy, document) },
		remains: "changed trust policy of role " + w.name(),
		do: func(ctx context.Context) error {
			err := w.c.roles.SetTrust(ctx, w.name(), document)
			if err == nil {
				w.role.TrustPolicy = document
			}
			return err
		},
		undo: func(ctx context.Context) error { return w.c.roles.SetTrust(ctx, w.name(), before) },
	}
}
