package onboarding

import (
	"context"
	"fmt"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// storing reports whether the client secret has to be written into its storage: it is not there, or it is not the one
// that is there.
func (w *work) storing() bool {
	where := w.want.storage()
	return where != State && (w.stored == "" || w.held != where || w.outdated() || w.rotated || w.adopted || w.client.ID != w.remembered)
}

// outdated reports whether another secret than the client's is stored, as far as it is known.
func (w *work) outdated() bool {
	return w.want.storage() != State && w.client.Secret != "" && w.kept != w.client.Secret
}

// fetchSecret reads the value from the storage that it is to leave, where the identity provider does not show it.
func (w *work) fetchSecret() step {
	return step{
		name: "read the stored client secret of " + w.name(),
		needed: func() bool {
			return w.held != State && w.held != w.want.storage() && w.want.Method == idp.ClientSecret && w.client.Exists() &&
				w.client.Secret == "" && w.client.ID == w.remembered
		},
		quiet: true,
		do: func(ctx context.Context) error {
			vault, err := w.c.vault(w.held)
			if err != nil {
				return err
			}
			_, w.client.Secret, err = vault.Read(ctx, w.want.SecretName())
			if apierror.Is(err, apierror.NotFound) {
				return nil // a new one is made, or the next step says that it is not known
			}
			return err
		},
	}
}

// storeSecret writes the client secret into its storage, before the client is let in.
func (w *work) storeSecret() step {
	var before idp.Secret
	var was string // ARN
	where := w.want.storage()
	return step{
		name:    "store client secret " + w.want.SecretName(),
		needed:  w.storing,
		remains: "stored client secret " + w.want.SecretName() + " (" + string(where) + ")",
		do: func(ctx context.Context) error {
			vault, err := w.c.vault(where)
			if err != nil {
				return err
			}
			if w.client.Secret == "" {
				return &SecretUnknown{Client: w.client.ID, Server: w.want.ID()}
			}
			before, was = w.kept, w.stored
			arn, err := vault.Put(ctx, w.want.SecretName(), w.id, w.client.Secret)
			if err == nil {
				w.stored, w.kept = arn, w.client.Secret
			}
			return err
		},
		undo: func(ctx context.Context) error {
			if where == State {
				return nil
			}
			vault, err := w.c.vault(where)
			if err != nil {
				return err
			}
			if before != "" && !w.adopted {
				_, err = vault.Put(ctx, w.want.SecretName(), w.id, before)
			} else {
				err = vault.Delete(ctx, w.want.SecretName(), w.id)
			}
			if err == nil {
				w.stored, w.kept = was, before
			}
			return err
		},
	}
}

// recordSecret writes into the journal which of several secrets is the one in use, as soon as whoever sets up the host can
// have it: a later rotation must know which one to keep.
func (w *work) recordSecret() step {
	var before map[string]string
	return step{
		name: "record client secret id on role " + w.name(),
		needed: func() bool {
			return w.rotated && w.client.SecretID != "" && w.role.Tags[tagSecret] != w.client.SecretID
		},
		remains: "tag " + tagSecret + " of role " + w.name(),
		within:  theRole,
		do: func(ctx context.Context) error {
			before = w.role.Tags
			return w.tag(ctx, map[string]string{tagSecret: w.client.SecretID})
		},
		undo: func(ctx context.Context) error {
			return w.restoreTags(ctx, before, []string{tagSecret})
		},
	}
}

// unstoreSecret removes the client secret from the storage that it has left. It comes last of all: nothing can fail after it
// that would want the value back there.
func (w *work) unstoreSecret() step {
	var before idp.Secret
	return step{
		name:    fmt.Sprintf("delete stored client secret %s (%s)", w.want.SecretName(), w.held),
		needed:  func() bool { return w.held != State && w.held != w.want.storage() },
		remains: fmt.Sprintf("missing stored client secret %s (%s)", w.want.SecretName(), w.held),
		do: func(ctx context.Context) error {
			vault, err := w.c.vault(w.held)
			if err != nil {
				return err
			}
			if before == "" {
				if _, before, err = vault.Read(ctx, w.want.SecretName()); err != nil && !apierror.Is(err, apierror.NotFound) {
					return err
				}
			}
			return w.unstore(ctx, w.held)
		},
		undo: func(ctx context.Context) error {
			if before == "" || w.adopted {
				return nil
			}
			vault, err := w.c.vault(w.held)
			if err == nil {
				_, err = vault.Put(ctx, w.want.SecretName(), w.id, before)
			}
			return err
		},
	}
}

func (w *work) unstore(ctx context.Context, from Storage) error {
	vault, err := w.c.vault(from)
	if err != nil {
		return err
	}
	return vault.Delete(ctx, w.want.SecretName(), w.id)
}

// SecretUnknown means that a client secret is to be stored whose value nobody knows.
type SecretUnknown struct {
	Client string
	Server string
}

func (u *SecretUnknown) Error() string {
	return fmt.Sprintf("the secret of client %s is not known: the identity provider does not show it, and the state of %s has none", u.Client, u.Server)
}
