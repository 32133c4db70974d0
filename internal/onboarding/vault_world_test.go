package onboarding

import (
	"context"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// kept is a secret in the world's vault.
type kept struct {
	owner string
	value idp.Secret
}

// worldVault is the world as a Vault.
type worldVault struct{ *world }

func (w worldVault) Put(_ context.Context, name, owner string, value idp.Secret) (string, error) {
	err := w.change("PutSecret", func() error {
		if had, ok := w.vault[name]; ok && had.owner != owner {
			return failed(apierror.Exists, "PutSecret", name)
		}
		w.vault[name] = kept{owner, value}
		return nil
	})
	return "arn:" + name, err
}

func (w worldVault) Read(_ context.Context, name string) (string, idp.Secret, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.vault[name]; !ok {
		return "", "", failed(apierror.NotFound, "GetSecretValue", name)
	}
	return "arn:" + name, w.vault[name].value, nil
}

func (w worldVault) Delete(_ context.Context, name, owner string) error {
	return w.change("DeleteSecret", func() error {
		if w.vault[name].owner == owner {
			delete(w.vault, name)
		}
		return nil
	})
}

// processVault is the vault as a process of a play sees it.
type processVault struct{ *process }

func (r processVault) Put(ctx context.Context, name, owner string, value idp.Secret) (arn string, err error) {
	err = r.call(false, "PutSecret", func(w *world) error {
		arn, err = worldVault{w}.Put(ctx, name, owner, value)
		return err
	})
	return arn, err
}

func (r processVault) Read(ctx context.Context, name string) (arn string, value idp.Secret, err error) {
	err = r.call(true, "GetSecretValue", func(w *world) error {
		arn, value, err = worldVault{w}.Read(ctx, name)
		return err
	})
	return arn, value, err
}

func (r processVault) Delete(ctx context.Context, name, owner string) error {
	return r.call(false, "DeleteSecret", func(w *world) error { return worldVault{w}.Delete(ctx, name, owner) })
}
