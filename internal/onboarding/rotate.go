package onboarding

import (
	"context"
	"fmt"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// Rotate makes a new client secret for a server that stands, and changes nothing else. It is for callers that keep no
// secret: the new one is in its storage, or the identity provider shows it. Where neither holds, and where the former
// secret ends at once and want.AllowDowntime does not say that it may, it fails with *Refusal.
func (c *Controller) Rotate(ctx context.Context, want Resolved, ref Reference) (Outcome, error) {
	w, err := c.rotation(ctx, want, ref)
	if err != nil {
		return Outcome{}, err
	}
	var steps []step
	for _, part := range c.clients.Parts() {
		if part.Name == idp.SecretPart {
			steps = append(steps, w.applyPart(part, false))
		}
	}
	steps = append(steps, w.storeSecret(), w.recordSecret(), w.await())
	err = c.run(ctx, operation{name: "rotate client secret of " + want.ID(), steps: steps})
	return w.outcome(), err
}

// CheckRotation fails as Rotate would before it changes anything.
func (c *Controller) CheckRotation(ctx context.Context, want Resolved, ref Reference) error {
	_, err := c.rotation(ctx, want, ref)
	return err
}

// rotation prepares a Rotate, or says why there can be none.
func (c *Controller) rotation(ctx context.Context, want Resolved, ref Reference) (*work, error) {
	want.Rotate = true
	w := c.begin(want, ref)
	if err := c.readAll(ctx, w, ref); err != nil {
		return nil, err
	}
	if ref = ref.informed(parseJournal(w.role.Tags)); ref.remembersSecretOf(w.client) {
		w.client.Secret, w.client.SecretID = "", ref.SecretID
	}
	w.knowKept()
	kind := c.clients.Kind()
	refuse := func(reason, advice string) (*work, error) {
		return nil, &Refusal{Reason: "the secret of " + want.ID() + " cannot be rotated by itself: " + reason, Advice: advice}
	}
	switch {
	case w.role.Name == "" || !w.client.Exists() || parseJournal(w.role.Tags).Phase == Pending:
		return refuse("its onboarding is not complete", "Apply the configuration of the server first.")
	case w.client.Method != idp.ClientSecret:
		return refuse(fmt.Sprintf("client %s signs with a key", w.client.ID), "Rotate the key: put the new public key behind the old one in public_key_pem.")
	case want.storage() == State && (kind.SecretsOverlap() || w.client.Secret == ""):
		return refuse(fmt.Sprintf("the new one would be lost, since it is not stored and %s does not show it again", kind),
			`Set client_authentication.secret_storage to "secretsmanager" or "ssm", or change rotation_triggers, which puts the new secret into the state.`)
	case !kind.SecretsOverlap() && !want.AllowDowntime:
		return refuse(fmt.Sprintf("a client of %s has one secret, and the server gets no tokens from the moment that a new one is made until it has that", kind),
			"Set allow_downtime = true if the server can do without for that time, or go over to private_key_jwt, where two keys are valid at once.")
	}
	return w, nil
}
