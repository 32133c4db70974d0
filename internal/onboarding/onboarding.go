// Package onboarding gives a server its access and takes it away again: one change over several clouds that share no
// transaction. It makes one of a lock (the IAM role, whose name is unique), a journal (the role's tags) and a commit
// point (the role's trust policy), and undoes what it did when a step fails.
//
// It knows neither Terraform nor an SDK: what it changes it changes through the interfaces of this file.
package onboarding

import (
	"context"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// Roles is AWS IAM. Every method fails with *apierror.Error.
type Roles interface {
	// Create fails with apierror.Exists where the name is taken, and is never repeated by itself.
	Create(ctx context.Context, spec iam.RoleSpec) (iam.Role, error)
	// Read asks IAM itself; Look may answer from a read that is shared within the run.
	Read(ctx context.Context, name string) (iam.Role, error)
	Look(ctx context.Context, name string) (iam.Role, error)
	SetTrust(ctx context.Context, name, document string) error
	SetMaxSessionDuration(ctx context.Context, name string, d time.Duration, description string) error
	SetPermissionsBoundary(ctx context.Context, name, arn string) error // empty ARN: none
	PutPolicy(ctx context.Context, name, policy, document string) error
	DeletePolicy(ctx context.Context, name, policy string) error
	Tag(ctx context.Context, name string, tags map[string]string) error
	Untag(ctx context.Context, name string, keys []string) error
	Delete(ctx context.Context, name string) error

	// OIDCProvider may be shared within the run. AddAudience and RemoveAudience are idempotent.
	OIDCProvider(ctx context.Context, arn string) (iam.OIDCProvider, error)
	AddAudience(ctx context.Context, arn, clientID string) error
	RemoveAudience(ctx context.Context, arn, clientID string) error
}

// Mappings is the table that credential vending reads. Every method fails with *apierror.Error.
type Mappings interface {
	// Put writes the row unless another server's row stands there: apierror.Exists.
	Put(ctx context.Context, table string, row rolemap.Row) error
	// Read and Look fail with apierror.NotFound where there is no row. Look may answer from a read that is shared within
	// the run.
	Read(ctx context.Context, table, key string) (rolemap.Row, error)
	Look(ctx context.Context, table, key string) (rolemap.Row, error)
	// Delete removes the row if it is that of the role; one that is gone already is no error.
	Delete(ctx context.Context, table, key, roleARN string) error
}

// Clock is time as the controller sees it, so that tests need not wait.
type Clock interface {
	Now() time.Time
	// Sleep waits for d or until the context ends, and then returns its error.
	Sleep(ctx context.Context, d time.Duration) error
}

// Probe returns nil as soon as the server with that configuration (Resolved.HostConfiguration) and secret gets AWS
// credentials. It bounds its own patience, ends early with the context, and changes nothing.
type Probe func(ctx context.Context, configuration string, secret idp.Secret) error

// Controller onboards servers that use one identity provider. It is safe for concurrent use.
type Controller struct {
	roles    Roles
	clients  idp.Provider
	mappings Mappings
	vaults   map[Storage]Vault
	ignores  func(tag string) bool
	clock    Clock
	newID    func() string
	probe    Probe
	trace    func(ctx context.Context, message string, fields map[string]any)
}

// Config is what a Controller is made of.
type Config struct {
	Roles    Roles
	Clients  idp.Provider
	Mappings Mappings          // nil where no server uses credential vending
	Vaults   map[Storage]Vault // those that servers may use for their client secrets
	Clock    Clock             // nil: the real one
	// Ignores, where set, tells the keys of tags that are somebody else's: they are never removed.
	Ignores func(tag string) bool
	// NewID returns a new onboarding id: unique, 1 to 64 characters of [0-9A-Za-z-].
	NewID func() string
	// Probe, where set, is what an onboarding whose Desired says Wait ends with.
	Probe Probe
	// Trace, where set, hears of every step. No field ever holds a secret.
	Trace func(ctx context.Context, message string, fields map[string]any)
}

// New returns a controller.
func New(c Config) *Controller {
	if c.Clock == nil {
		c.Clock = systemClock{}
	}
	if c.Ignores == nil {
		c.Ignores = func(string) bool { return false }
	}
	if c.Trace == nil {
		c.Trace = func(context.Context, string, map[string]any) {}
	}
	return &Controller{roles: c.Roles, clients: c.Clients, mappings: c.Mappings, vaults: c.Vaults, ignores: c.Ignores, clock: c.Clock, newID: c.NewID, probe: c.Probe, trace: c.Trace}
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
