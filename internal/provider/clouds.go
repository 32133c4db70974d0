package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/uuid"
	awsbase "github.com/hashicorp/aws-sdk-go-base/v2"
	basediag "github.com/hashicorp/aws-sdk-go-base/v2/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror/awserror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/cognito"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/probe"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/secretstore"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/awsconfig"
)

// clouds makes the adapters and controllers of one run, each when first needed and then once.
type clouds struct {
	settings *settings
	life     context.Context //nolint:containedctx // with the run's loggers, for clients that outlive the call that needs them first
	prefixes prefixes

	mu          sync.Mutex
	aws         *awsClients
	controllers map[controllerKey]*onboarding.Controller
}

// controllerKey tells controllers apart: a Cognito user pool is an identity provider of its own.
type controllerKey struct {
	kind         idp.Kind
	pool, domain string
}

type awsClients struct {
	config   aws.Config
	roles    *iam.Roles
	mappings *rolemap.Table
	cognito  *cognitoidentityprovider.Client
	vaults   map[onboarding.Storage]onboarding.Vault
	probe    *probe.Probe
}

func newClouds(ctx context.Context, s *settings) *clouds {
	return &clouds{settings: s, life: context.WithoutCancel(ctx), controllers: map[controllerKey]*onboarding.Controller{}}
}

// region is the region of the configured AWS client.
func (c *clouds) region(ctx context.Context) (string, error) {
	clients, err := c.awsClients(ctx)
	if err != nil {
		return "", err
	}
	return clients.config.Region, nil
}

// roles is the IAM adapter.
func (c *clouds) roles(ctx context.Context) (*iam.Roles, error) {
	clients, err := c.awsClients(ctx)
	if err != nil {
		return nil, err
	}
	return clients.roles, nil
}

// mappings is the adapter of the tables that map clients to roles.
func (c *clouds) mappings(ctx context.Context) (*rolemap.Table, error) {
	clients, err := c.awsClients(ctx)
	if err != nil {
		return nil, err
	}
	return clients.mappings, nil
}

// controller is the controller of one identity provider.
func (c *clouds) controller(ctx context.Context, i identity) (*onboarding.Controller, error) {
	amazon, err := c.awsClients(ctx)
	if err != nil {
		return nil, err
	}
	key := controllerKey{kind: i.kind, pool: i.cognito.UserPoolID.ValueString(), domain: i.cognito.Domain.ValueString()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if controller, ok := c.controllers[key]; ok {
		return controller, nil
	}
	clients, err := c.identityProvider(amazon, key)
	if err != nil {
		return nil, err
	}
	config := onboarding.Config{
		Roles:    amazon.roles,
		Clients:  clients,
		Mappings: amazon.mappings,
		Vaults:   amazon.vaults,
		Ignores:  c.settings.ignoreTags.ignores,
		NewID:    uuid.NewString,
		Probe:    amazon.probe.Wait,
		Trace:    func(ctx context.Context, message string, fields map[string]any) { tflog.Debug(ctx, message, fields) },
	}
	if !c.settings.bulkReads {
		config.Roles, config.Clients, config.Mappings = directRoles{amazon.roles}, directClients{clients}, directMappings{amazon.mappings}
	}
	controller := onboarding.New(config)
	c.controllers[key] = controller
	return controller, nil
}

func (c *clouds) identityProvider(amazon *awsClients, key controllerKey) (idp.Provider, error) {
	warn := func(message string) { tflog.Warn(c.life, message) }
	switch key.kind {
	case idp.Auth0:
		return c.settings.auth0.provider(c.userAgent(), warn)
	case idp.Entra:
		return c.settings.entra.provider(c.userAgent(), warn)
	case idp.Cognito:
		return cognito.New(cognito.Config{
			Client: amazon.cognito, PoolID: key.pool, Domain: key.domain, Region: amazon.config.Region,
		})
	}
	return nil, fmt.Errorf("the identity provider %q is not known", key.kind)
}

func (c *clouds) userAgent() string { return "terraform-provider-oidcs3/" + c.settings.version }

func (c *clouds) awsClients(ctx context.Context) (*awsClients, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aws != nil {
		return c.aws, nil
	}
	config, endpoints, err := c.awsConfig(ctx)
	if err != nil {
		return nil, err
	}
	at := func(url types.String) *string {
		if url.ValueString() == "" {
			return config.BaseEndpoint
		}
		return aws.String(url.ValueString())
	}
	notice := func(message string) { tflog.Warn(c.life, message) }
	web, err := awsconfig.HTTPClient("")
	if err != nil {
		return nil, err
	}
	c.aws = &awsClients{
		config: config,
		probe:  probe.New(sts.NewFromConfig(config, func(o *sts.Options) { o.BaseEndpoint = at(endpoints.STS) }), web),
		roles: iam.New(awsiam.NewFromConfig(config, func(o *awsiam.Options) { o.BaseEndpoint = at(endpoints.IAM) }),
			iam.WithNotice(notice)),
		mappings: rolemap.New(dynamodb.NewFromConfig(config, func(o *dynamodb.Options) { o.BaseEndpoint = at(endpoints.DynamoDB) }),
			rolemap.WithNotice(notice)),
		vaults: map[onboarding.Storage]onboarding.Vault{
			onboarding.SecretsManager: secretstore.NewSecretsManager(secretsmanager.NewFromConfig(config, func(o *secretsmanager.Options) {
				o.BaseEndpoint = at(endpoints.SecretsManager)
			})),
			onboarding.ParameterStore: secretstore.NewParameterStore(ssm.NewFromConfig(config, func(o *ssm.Options) { o.BaseEndpoint = at(endpoints.SSM) })),
		},
		cognito: cognitoidentityprovider.NewFromConfig(config, func(o *cognitoidentityprovider.Options) { o.BaseEndpoint = at(endpoints.CognitoIDP) }),
	}
	return c.aws, nil
}

// awsConfig loads the AWS provider's way: the provider block first, then the SDK's own chain.
func (c *clouds) awsConfig(ctx context.Context) (aws.Config, endpointSettings, error) {
	s := c.settings.aws
	var endpoints endpointSettings
	var role assumeRoleSettings
	var accounts []string
	diags := readObject(ctx, s.Endpoints, &endpoints)
	diags.Append(readObject(ctx, s.AssumeRole, &role)...)
	if !s.AllowedAccountIDs.IsNull() {
		diags.Append(s.AllowedAccountIDs.ElementsAs(ctx, &accounts, false)...)
	}
	if diags.HasError() {
		return aws.Config{}, endpoints, errors.New("the aws settings of the provider block cannot be read")
	}
	base := &awsbase.Config{
		AccessKey:           s.AccessKey.ValueString(),
		SecretKey:           s.SecretKey.ValueString(),
		Token:               s.Token.ValueString(),
		Profile:             s.Profile.ValueString(),
		Region:              s.Region.ValueString(),
		CustomCABundle:      s.CustomCABundle.ValueString(),
		AllowedAccountIds:   accounts,
		CallerName:          "terraform-provider-oidcs3",
		IamEndpoint:         endpoints.IAM.ValueString(),
		StsEndpoint:         endpoints.STS.ValueString(),
		MaxRetries:          10,
		SkipCredsValidation: true, // the first real call says as much, and costs nothing extra
		SuppressDebugLog:    true, // it would log request bodies
		UserAgent:           awsbase.UserAgentProducts{{Name: "terraform-provider-oidcs3", Version: c.settings.version}},
	}
	if role.RoleARN.ValueString() != "" {
		base.AssumeRole = []awsbase.AssumeRole{{
			RoleARN: role.RoleARN.ValueString(), SessionName: role.SessionName.ValueString(), ExternalID: role.ExternalID.ValueString(),
		}}
	}
	_, config, problems := awsbase.GetAwsConfig(ctx, base)
	if err := firstError(problems); err != nil {
		return aws.Config{}, endpoints, err
	}
	if config.Region == "" {
		return aws.Config{}, endpoints, errors.New("the AWS region is missing: set aws.region in the provider block, or AWS_REGION")
	}
	// The retryer bounds attempts by what failed, where the SDK knows but one bound.
	retryer := config.Retryer
	config.Retryer, config.RetryMaxAttempts = func() aws.Retryer { return awserror.Patient(retryer()) }, 0
	return config, endpoints, verifyAccount(ctx, config, base)
}

// verifyAccount refuses credentials of an account that the configuration does not allow.
func verifyAccount(ctx context.Context, config aws.Config, base *awsbase.Config) error {
	if len(base.AllowedAccountIds) == 0 {
		return nil
	}
	account, _, problems := awsbase.GetAwsAccountIDAndPartition(ctx, config, base)
	if err := firstError(problems); err != nil {
		return fmt.Errorf("find out which account the credentials belong to: %w", err)
	}
	if !slices.Contains(base.AllowedAccountIds, account) {
		return fmt.Errorf("the credentials belong to account %s, which is not one of allowed_account_ids %v", account, base.AllowedAccountIds)
	}
	return nil
}

func firstError(problems basediag.Diagnostics) error {
	for _, p := range problems {
		if p.Severity() == basediag.SeverityError {
			return fmt.Errorf("%s: %s", p.Summary(), p.Detail())
		}
	}
	return nil
}
