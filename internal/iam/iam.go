package iam

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror/awserror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/fold"
)

// API is what the adapter calls of the SDK's client; *awsiam.Client implements it.
type API interface {
	CreateRole(context.Context, *awsiam.CreateRoleInput, ...func(*awsiam.Options)) (*awsiam.CreateRoleOutput, error)
	GetRole(context.Context, *awsiam.GetRoleInput, ...func(*awsiam.Options)) (*awsiam.GetRoleOutput, error)
	UpdateRole(context.Context, *awsiam.UpdateRoleInput, ...func(*awsiam.Options)) (*awsiam.UpdateRoleOutput, error)
	DeleteRole(context.Context, *awsiam.DeleteRoleInput, ...func(*awsiam.Options)) (*awsiam.DeleteRoleOutput, error)
	UpdateAssumeRolePolicy(context.Context, *awsiam.UpdateAssumeRolePolicyInput, ...func(*awsiam.Options)) (*awsiam.UpdateAssumeRolePolicyOutput, error)
	PutRolePermissionsBoundary(context.Context, *awsiam.PutRolePermissionsBoundaryInput, ...func(*awsiam.Options)) (*awsiam.PutRolePermissionsBoundaryOutput, error)
	DeleteRolePermissionsBoundary(context.Context, *awsiam.DeleteRolePermissionsBoundaryInput, ...func(*awsiam.Options)) (*awsiam.DeleteRolePermissionsBoundaryOutput, error)
	ListRolePolicies(context.Context, *awsiam.ListRolePoliciesInput, ...func(*awsiam.Options)) (*awsiam.ListRolePoliciesOutput, error)
	GetRolePolicy(context.Context, *awsiam.GetRolePolicyInput, ...func(*awsiam.Options)) (*awsiam.GetRolePolicyOutput, error)
	PutRolePolicy(context.Context, *awsiam.PutRolePolicyInput, ...func(*awsiam.Options)) (*awsiam.PutRolePolicyOutput, error)
	DeleteRolePolicy(context.Context, *awsiam.DeleteRolePolicyInput, ...func(*awsiam.Options)) (*awsiam.DeleteRolePolicyOutput, error)
	ListAttachedRolePolicies(context.Context, *awsiam.ListAttachedRolePoliciesInput, ...func(*awsiam.Options)) (*awsiam.ListAttachedRolePoliciesOutput, error)
	TagRole(context.Context, *awsiam.TagRoleInput, ...func(*awsiam.Options)) (*awsiam.TagRoleOutput, error)
	UntagRole(context.Context, *awsiam.UntagRoleInput, ...func(*awsiam.Options)) (*awsiam.UntagRoleOutput, error)
	GetAccountAuthorizationDetails(context.Context, *awsiam.GetAccountAuthorizationDetailsInput, ...func(*awsiam.Options)) (*awsiam.GetAccountAuthorizationDetailsOutput, error)
	ListRoles(context.Context, *awsiam.ListRolesInput, ...func(*awsiam.Options)) (*awsiam.ListRolesOutput, error)
	GetOpenIDConnectProvider(context.Context, *awsiam.GetOpenIDConnectProviderInput, ...func(*awsiam.Options)) (*awsiam.GetOpenIDConnectProviderOutput, error)
	AddClientIDToOpenIDConnectProvider(context.Context, *awsiam.AddClientIDToOpenIDConnectProviderInput, ...func(*awsiam.Options)) (*awsiam.AddClientIDToOpenIDConnectProviderOutput, error)
	RemoveClientIDFromOpenIDConnectProvider(context.Context, *awsiam.RemoveClientIDFromOpenIDConnectProviderInput, ...func(*awsiam.Options)) (*awsiam.RemoveClientIDFromOpenIDConnectProviderOutput, error)
}

var _ API = (*awsiam.Client)(nil)

// Clock is time as the adapter sees it, so that tests need not wait.
type Clock interface {
	Now() time.Time
	// Sleep waits for d or until the context ends, and then returns its error.
	Sleep(ctx context.Context, d time.Duration) error
}

// Roles reads and changes the account's roles. It is safe for concurrent use and meant to live for one run: what it
// shares it keeps. All errors are *apierror.Error.
type Roles struct {
	api    API
	clock  Clock
	notify func(message string)
	denied sync.Once // of the report that lists are not allowed

	details   fold.Read[map[string]Role] // without what ListRoles adds
	all       fold.Read[map[string]Role]
	mu        sync.Mutex
	changed   map[string]bool                  // roles that were written to: read directly
	providers fold.Keyed[string, OIDCProvider] // by ARN
}

// Option sets up Roles.
type Option func(*Roles)

// WithClock sets the clock; the default is the real one.
func WithClock(clock Clock) Option { return func(r *Roles) { r.clock = clock } }

// WithNotice sets who hears, once, that a permission for shared reads is missing. The message is a sentence for
// people.
func WithNotice(notify func(message string)) Option { return func(r *Roles) { r.notify = notify } }

// New returns an adapter over the client.
func New(client API, opts ...Option) *Roles {
	r := &Roles{
		api:     client,
		clock:   systemClock{},
		notify:  func(string) {},
		changed: map[string]bool{},
	}
	for _, opt := range opts {
		opt(r)
	}
	return r
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

const service = "iam"

func roleObject(name string) string    { return "role " + name }
func providerObject(arn string) string { return "OIDC provider " + arn }

// call makes an idempotent call, with the SDK's retries, and describes its failure.
func call[In, Out any](ctx context.Context, operation, object string, input In,
	method func(context.Context, In, ...func(*awsiam.Options)) (Out, error),
) (Out, error) {
	var attempts awserror.Attempts
	out, err := method(ctx, input, func(o *awsiam.Options) { o.Retryer = attempts.Watch(o.Retryer) })
	return out, attempts.From(service, operation, object, err)
}

// callOnce makes a call whose effect must not come twice. It is one attempt, repeated only when IAM says that it was
// refused for its rate.
func callOnce[In, Out any](ctx context.Context, clock Clock, operation, object string, input In,
	method func(context.Context, In, ...func(*awsiam.Options)) (Out, error),
) (Out, error) {
	var out Out
	err := awserror.WhileThrottled(ctx, clock.Sleep, func() (err error) {
		out, err = method(ctx, input, func(o *awsiam.Options) { o.Retryer, o.RetryMaxAttempts = aws.NopRetryer{}, 0 })
		return awserror.From(service, operation, object, err)
	})
	return out, err
}
