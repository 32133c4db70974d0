package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/uuid"
	awsbase "github.com/hashicorp/aws-sdk-go-base/v2"
	basediag "github.com/hashicorp/aws-sdk-go-base/v2/diag"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/auth0"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// clouds makes the adapters and controllers of one run, each when first needed and then once.
type clouds struct {
	settings *settings

	mu          sync.Mutex
	aws         *awsClients
	controllers map[idp.Kind]*onboarding.Controller
}

type awsClients struct {
	config aws.Config
	roles  *iam.Roles
}

func newClouds(s *settings) *clouds {
	return &clouds{settings: s, controllers: map[idp.Kind]*onboarding.Controller{}}
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

// controller is the controller of one identity provider.
func (c *clouds) controller(ctx context.Context, kind idp.Kind) (*onboarding.Controller, error) {
	roles, err := c.roles(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if controller, ok := c.controllers[kind]; ok {
		return controller, nil
	}
	clients, err := c.identityProvider(kind)
	if err != nil {
		return nil, err
	}
	controller := onboarding.New(onboarding.Config{
		Roles:   roles,
		Clients: clients,
		NewID:   uuid.NewString,
		Trace:   func(ctx context.Context, message string, fields map[string]any) { tflog.Debug(ctx, message, fields) },
	})
	c.controllers[kind] = controller
	return controller, nil
}

func (c *clouds) identityProvider(kind idp.Kind) (idp.Provider, error) {
	switch kind {
	case idp.Auth0:
		s := c.settings.auth0
		if s.Domain.ValueString() == "" {
			return nil, errors.New("the domain of the Auth0 tenant is missing: set auth0.domain in the provider block, or AUTH0_DOMAIN")
		}
		if s.APIToken.ValueString() == "" && (s.ClientID.ValueString() == "" || s.ClientSecret.ValueString() == "") {
			return nil, errors.New("credentials for Auth0 are missing: set auth0.client_id and auth0.client_secret in the provider block " +
				"(AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET), or auth0.api_token (AUTH0_API_TOKEN)")
		}
		return auth0.New(auth0.Config{
			Domain:       s.Domain.ValueString(),
			Token:        s.APIToken.ValueString(),
			ClientID:     s.ClientID.ValueString(),
			ClientSecret: s.ClientSecret.ValueString(),
			Audience:     s.Audience.ValueString(),
			UserAgent:    c.userAgent(),
		})
	}
	return nil, fmt.Errorf("the identity provider %q is not known", kind)
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
	client := awsiam.NewFromConfig(config, func(o *awsiam.Options) {
		if url := endpoints.IAM.ValueString(); url != "" {
			o.BaseEndpoint = aws.String(url)
		}
	})
	// The context of the first request must not end the client's life.
	background := context.WithoutCancel(ctx)
	c.aws = &awsClients{config: config, roles: iam.New(client, iam.WithNotice(func(message string) { tflog.Warn(background, message) }))}
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
