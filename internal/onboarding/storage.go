package onboarding

import (
	"context"
	"fmt"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// Storage is where a client secret is kept for whoever sets up the host.
type Storage string

// The storages.
const (
	State          Storage = "" // with the caller, who gets it in the Outcome
	SecretsManager Storage = "secretsmanager"
	ParameterStore Storage = "ssm"
)

// What the journal says where it has named a storage, or a secret of several, before.
const (
	stateTag    = "state"
	noSecretTag = "none"
)

// Vault is a storage outside the caller's own. Every method fails with *apierror.Error.
type Vault interface {
	// Put writes the value of the owner's secret of that name, making it where there is none, and returns its ARN. It fails
	// with apierror.Exists where another owner's has the name.
	Put(ctx context.Context, name, owner string, value idp.Secret) (arn string, err error)
	// Read fails with apierror.NotFound where there is no such secret.
	Read(ctx context.Context, name string) (arn string, value idp.Secret, err error)
	// Delete removes the owner's secret for good. One that is gone already, or is another owner's, is no error.
	Delete(ctx context.Context, name, owner string) error
}

// SecretName is the name under which the client secret of a role's server is stored.
func SecretName(role string) string { return role + "/client-secret" }

// SecretName is the name under which the server's client secret is stored.
func (d Desired) SecretName() string { return SecretName(d.Name()) }

// storage is where the client secret shall be; State where there is none.
func (d Desired) storage() Storage {
	if d.Method != idp.ClientSecret {
		return State
	}
	return d.Storage
}

// vault returns the vault of a storage.
func (c *Controller) vault(s Storage) (Vault, error) {
	if vault := c.vaults[s]; vault != nil {
		return vault, nil
	}
	return nil, fmt.Errorf("client secrets cannot be stored in %q", s)
}

// readStored reads the stored client secret; nothing where it is not stored.
func (c *Controller) readStored(ctx context.Context, d Desired, where Storage) (arn string, value idp.Secret, err error) {
	if where == State {
		return "", "", nil
	}
	vault, err := c.vault(where)
	if err != nil {
		return "", "", err
	}
	arn, value, err = vault.Read(ctx, d.SecretName())
	if apierror.Is(err, apierror.NotFound) {
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("read the stored client secret %s: %w", d.SecretName(), err)
	}
	return arn, value, nil
}
