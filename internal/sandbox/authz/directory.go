package authz

import (
	"context"
	"time"
)

// Identity is a user or a role with all that bears on what it may do.
type Identity struct {
	Name, ARN, ID string

	Policies    []string // documents of its inline and attached policies
	HasBoundary bool
	Boundary    string // document of the permissions boundary; "" where that policy is gone, which allows nothing
	Tags        map[string]string

	TrustPolicy        string        // roles: as it is in effect, with unique ids for principals that are gone
	MaxSessionDuration time.Duration // roles
	Admin              bool          // users: the sandbox's own administrator
}

// Directory is the account's IAM, as of the context's moment (see store.AsOf).
type Directory interface {
	// UserByKey returns the user of an active access key, and the key's secret.
	UserByKey(ctx context.Context, accessKeyID string) (user Identity, secret string, ok bool)
	// User returns the user of that name.
	User(ctx context.Context, name string) (Identity, bool)
	// Role returns the role of that name.
	Role(ctx context.Context, name string) (Identity, bool)
}
