package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror/awserror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/audit"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/cognito"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/connect"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// configure makes adapters of what the environment says, and leaves out identity providers of which it says nothing.
func (a *app) configure(ctx context.Context) (audit.Config, error) {
	o := a.options
	c := audit.Config{
		Project: o.project, Environment: o.environment, Ignored: o.ignored, Clients: map[idp.Kind]audit.Clients{}, Absent: map[idp.Kind]error{},
		Table:          cmp.Or(o.table, a.Getenv("OIDCS3_CLIENT_ROLES_TABLE")),
		Cognito:        audit.Cognito{PoolID: a.Getenv("OIDCS3_COGNITO_USER_POOL_ID"), Domain: a.Getenv("OIDCS3_COGNITO_DOMAIN")},
		VendingRoleARN: a.Getenv("OIDCS3_VENDING_ROLE_ARN"),
		Now:            a.Now(), UnusedAfter: days(o.unusedDays), ExpiresWithin: days(o.expiryDays),
	}
	amazon, err := a.aws(ctx)
	if err != nil {
		return c, err
	}
	c.Region = amazon.Region
	c.Roles = iam.New(awsiam.NewFromConfig(amazon), iam.WithNotice(a.warn))
	c.Rows = rolemap.New(dynamodb.NewFromConfig(amazon), rolemap.WithNotice(a.warn))
	for _, one := range []struct {
		kind    idp.Kind
		setting string // that says where it is
		open    func() (audit.Clients, error)
	}{
		{idp.Auth0, "AUTH0_DOMAIN", func() (audit.Clients, error) { return connect.Auth0FromEnvironment(a.Getenv).Open(a.idpOptions()) }},
		{idp.Entra, "ARM_TENANT_ID", func() (audit.Clients, error) { return connect.EntraFromEnvironment(a.Getenv).Open(a.idpOptions()) }},
		{idp.Cognito, "OIDCS3_COGNITO_USER_POOL_ID", func() (audit.Clients, error) { return a.cognito(amazon, c.Cognito) }},
	} {
		switch {
		case slices.Contains(o.ignored, one.kind):
		case a.Getenv(one.setting) == "":
			c.Absent[one.kind] = fmt.Errorf("servers use it, and nothing says where it is: set %s", one.setting)
		default:
			clients, err := one.open()
			if err != nil {
				return c, &usageError{err}
			}
			c.Clients[one.kind] = clients
		}
	}
	return c, nil
}

// aws loads the SDK's own way: AWS_* variables, shared files, web identity, instance metadata.
func (a *app) aws(ctx context.Context) (aws.Config, error) {
	loaded, err := config.LoadDefaultConfig(ctx, config.WithRegion(a.options.region), config.WithSharedConfigProfile(a.options.profile),
		config.WithAPIOptions(awsanswer.Options()))
	if err != nil {
		return loaded, &usageError{fmt.Errorf("load the AWS configuration: %w", err)}
	}
	if loaded.Region == "" {
		return loaded, &usageError{errors.New("the AWS region is missing: set AWS_REGION, or --region")}
	}
	loaded.Retryer = func() aws.Retryer { return awserror.Patient(retry.NewStandard()) }
	loaded.APIOptions = append(loaded.APIOptions, onlyReads, awsmiddleware.AddUserAgentKeyValue("oidcs3-access", a.Version))
	return loaded, nil
}

func (a *app) cognito(amazon aws.Config, where audit.Cognito) (audit.Clients, error) {
	if where.Domain == "" {
		return nil, errors.New("the domain of the user pool is missing: set OIDCS3_COGNITO_DOMAIN")
	}
	return cognito.New(cognito.Config{
		Client: cognitoidentityprovider.NewFromConfig(amazon), PoolID: where.PoolID, Domain: where.Domain, Region: amazon.Region,
	})
}

func (a *app) idpOptions() connect.Options {
	return connect.Options{
		UserAgent: "oidcs3-access/" + a.Version, Warn: a.warn, HTTPClient: &http.Client{Transport: onlyGets{a.transport()}},
	}
}

// transport is that of the process, or one that the tests' clouds are reached by.
func (a *app) transport() http.RoundTripper {
	if a.Transport != nil {
		return a.Transport
	}
	return http.DefaultTransport
}
