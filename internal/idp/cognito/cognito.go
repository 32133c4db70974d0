// Package cognito is the identity provider Amazon Cognito: app clients of one user pool, for the client credentials grant.
//
// It knows neither Terraform nor IAM, reads no environment variable and logs nothing. The order of changes and what to do
// about a failure are the controller's. A Provider serves one user pool; the API that tokens are for is that pool, so its
// audience is the pool's id.
//
// # Finding an app client again
//
// An app client has no tag, no metadata and no unique name: nothing can hold an onboarding id, and Client.OnboardingID is
// always empty. A client whose id is not known is searched by its name. So that such a search cannot find somebody
// else's, no client is made where one of the name exists already, and one that is older than its role is not taken.
//
// # Client secrets
//
// Cognito generates the secret and shows it to who may call DescribeUserPoolClient. A client that was made without a
// secret cannot take part in the client credentials grant and cannot be mended.
//
// Two secrets may be valid at once, and values are shown when they are made. Which one DescribeUserPoolClient shows then is
// not documented, so of a client that was given a second one, Client.SecretID says which its Secret is, and who remembers
// the secret remembers that too.
//
// # Calls
//
// There is no way to read many app clients in one call: each refresh takes one DescribeUserPoolClient. What is known of
// the pool is read once for the whole run, as is the list of names before the first create. Needed permissions:
// cognito-idp:CreateUserPoolClient, DescribeUserPoolClient, UpdateUserPoolClient, DeleteUserPoolClient,
// ListUserPoolClients, ListResourceServers, and DescribeUserPool; to rotate secrets, ListUserPoolClientSecrets,
// AddUserPoolClientSecret and DeleteUserPoolClientSecret.
package cognito

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cognitoidp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"golang.org/x/sync/singleflight"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror/awserror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/fold"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// UserPools is what the adapter calls of the SDK's client; *cognitoidentityprovider.Client implements it.
type UserPools interface {
	DescribeUserPool(context.Context, *cognitoidp.DescribeUserPoolInput, ...func(*cognitoidp.Options)) (*cognitoidp.DescribeUserPoolOutput, error)
	ListResourceServers(context.Context, *cognitoidp.ListResourceServersInput, ...func(*cognitoidp.Options)) (*cognitoidp.ListResourceServersOutput, error)
	ListUserPoolClients(context.Context, *cognitoidp.ListUserPoolClientsInput, ...func(*cognitoidp.Options)) (*cognitoidp.ListUserPoolClientsOutput, error)
	DescribeUserPoolClient(context.Context, *cognitoidp.DescribeUserPoolClientInput, ...func(*cognitoidp.Options)) (*cognitoidp.DescribeUserPoolClientOutput, error)
	CreateUserPoolClient(context.Context, *cognitoidp.CreateUserPoolClientInput, ...func(*cognitoidp.Options)) (*cognitoidp.CreateUserPoolClientOutput, error)
	UpdateUserPoolClient(context.Context, *cognitoidp.UpdateUserPoolClientInput, ...func(*cognitoidp.Options)) (*cognitoidp.UpdateUserPoolClientOutput, error)
	DeleteUserPoolClient(context.Context, *cognitoidp.DeleteUserPoolClientInput, ...func(*cognitoidp.Options)) (*cognitoidp.DeleteUserPoolClientOutput, error)
	ListUserPoolClientSecrets(context.Context, *cognitoidp.ListUserPoolClientSecretsInput, ...func(*cognitoidp.Options)) (*cognitoidp.ListUserPoolClientSecretsOutput, error)
	AddUserPoolClientSecret(context.Context, *cognitoidp.AddUserPoolClientSecretInput, ...func(*cognitoidp.Options)) (*cognitoidp.AddUserPoolClientSecretOutput, error)
	DeleteUserPoolClientSecret(context.Context, *cognitoidp.DeleteUserPoolClientSecretInput, ...func(*cognitoidp.Options)) (*cognitoidp.DeleteUserPoolClientSecretOutput, error)
}

var _ UserPools = (*cognitoidp.Client)(nil)

// Config says which user pool to manage.
type Config struct {
	Client UserPools
	PoolID string // "eu-west-1_AbCdEfGhI"
	Domain string // of the token endpoint: a domain prefix of Cognito's ("oidc-s3"), or a host, with a port if need be
	// Region is the pool's where its id names none. Calls go to the pool's own region.
	Region string
	// Issuer is the tokens' iss. Empty: as AWS forms it from the pool's ARN.
	Issuer string

	Sleep func(context.Context, time.Duration) error // nil: for real
	Now   func() time.Time                           // nil: time.Now
}

// Provider implements idp.Provider.
type Provider struct {
	client UserPools
	pool   string
	domain string
	region string
	issuer string
	sleep  func(context.Context, time.Duration) error
	now    func() time.Time

	api     fold.Read[idp.API]
	flights singleflight.Group
	names   names
}

var _ idp.Provider = (*Provider)(nil)

// New returns a Provider. It sends no request.
func New(c Config) (*Provider, error) {
	if c.Client == nil {
		return nil, errors.New("the client of Amazon Cognito is missing")
	}
	region, _, ok := strings.Cut(c.PoolID, "_")
	if !ok || region == "" || strings.ContainsAny(c.PoolID, "/?#@: ") {
		return nil, fmt.Errorf("the user pool ID must look like eu-west-1_AbCdEfGhI: %q", c.PoolID)
	}
	if !strings.Contains(region, "-") { // no region by its look
		region = c.Region
	}
	if region == "" {
		return nil, fmt.Errorf("the region of the user pool %s is missing", c.PoolID)
	}
	if c.Domain == "" || strings.ContainsAny(c.Domain, "/?#@ ") {
		return nil, fmt.Errorf("the Cognito domain must be a domain prefix or a host name, with a port if need be: %q", c.Domain)
	}
	p := &Provider{client: c.Client, pool: c.PoolID, domain: c.Domain, region: region, issuer: c.Issuer, sleep: c.Sleep, now: c.Now}
	if p.sleep == nil {
		p.sleep = sleep
	}
	if p.now == nil {
		p.now = time.Now
	}
	return p, nil
}

// Kind implements idp.Provider.
func (p *Provider) Kind() idp.Kind { return idp.Cognito }

// Delete implements idp.Provider. Tokens that the client has stay valid until they expire.
func (p *Provider) Delete(ctx context.Context, client idp.Client) error {
	if !client.Exists() {
		return nil
	}
	_, err := call(ctx, p, "DeleteUserPoolClient", object(client.ID),
		&cognitoidp.DeleteUserPoolClientInput{UserPoolId: &p.pool, ClientId: &client.ID}, p.client.DeleteUserPoolClient)
	if err == nil || apierror.Is(err, apierror.NotFound) {
		p.names.removed(client.ID)
		return nil
	}
	return err
}

const service = "cognito-idp"

func object(clientID string) string { return "app client " + clientID }

// call makes an idempotent call in the pool's region, with the SDK's retries, and describes its failure.
func call[In, Out any](ctx context.Context, p *Provider, operation, object string, input In,
	method func(context.Context, In, ...func(*cognitoidp.Options)) (Out, error),
) (Out, error) {
	var attempts awserror.Attempts
	out, err := method(ctx, input, func(o *cognitoidp.Options) { o.Region, o.Retryer = p.region, attempts.Watch(o.Retryer) })
	return out, attempts.From(service, operation, object, err)
}

// callOnce makes a call whose effect must not come twice. It is one attempt, repeated only when Cognito says that it was
// refused for its rate.
func callOnce[In, Out any](ctx context.Context, p *Provider, operation, object string, input In,
	method func(context.Context, In, ...func(*cognitoidp.Options)) (Out, error),
) (Out, error) {
	var out Out
	err := awserror.WhileThrottled(ctx, p.sleep, func() (err error) {
		out, err = method(ctx, input, func(o *cognitoidp.Options) { o.Region, o.Retryer, o.RetryMaxAttempts = p.region, aws.NopRetryer{}, 0 })
		return awserror.From(service, operation, object, err)
	})
	return out, err
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
