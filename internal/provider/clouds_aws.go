package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	awsbase "github.com/hashicorp/aws-sdk-go-base/v2"
	basediag "github.com/hashicorp/aws-sdk-go-base/v2/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror/awserror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/connect"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/probe"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/secretstore"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/awsconfig"
)

type awsClients struct {
	config   aws.Config
	roles    *iam.Roles
	mappings *rolemap.Table
	cognito  *cognitoidentityprovider.Client
	vaults   map[onboarding.Storage]onboarding.Vault
	probe    *probe.Probe
}

func (c *clouds) awsClients(ctx context.Context) (*awsClients, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aws != nil {
		return c.aws, nil
	}
	if c.settings.unknown {
		return nil, errNotKnown
	}
	config, err := c.awsConfig(ctx)
	if err != nil {
		return nil, err
	}
	var at endpointSettings
	if readObject(ctx, c.settings.aws.Endpoints, &at).HasError() {
		return nil, errUnreadable
	}
	web, err := awsconfig.HTTPClient("")
	if err != nil {
		return nil, err
	}
	web.Transport = connect.Named(web.Transport, c.userAgent())
	notice := func(message string) { tflog.Warn(c.life, message) }
	c.aws = &awsClients{
		config: config,
		probe: probe.New(sts.NewFromConfig(config, func(o *sts.Options) {
			override(at.STS, &o.BaseEndpoint, &o.EndpointOptions.UseFIPSEndpoint, &o.EndpointOptions.UseDualStackEndpoint)
			if region := c.settings.aws.STSRegion.ValueString(); region != "" {
				o.Region = region
			}
		}), web),
		roles: iam.New(awsiam.NewFromConfig(config, func(o *awsiam.Options) {
			override(at.IAM, &o.BaseEndpoint, &o.EndpointOptions.UseFIPSEndpoint, &o.EndpointOptions.UseDualStackEndpoint)
		}), iam.WithNotice(notice)),
		mappings: rolemap.New(dynamodb.NewFromConfig(config, func(o *dynamodb.Options) {
			override(at.DynamoDB, &o.BaseEndpoint, &o.EndpointOptions.UseFIPSEndpoint, &o.EndpointOptions.UseDualStackEndpoint)
		}), rolemap.WithNotice(notice)),
		vaults: map[onboarding.Storage]onboarding.Vault{
			onboarding.SecretsManager: secretstore.NewSecretsManager(secretsmanager.NewFromConfig(config, func(o *secretsmanager.Options) {
				override(at.SecretsManager, &o.BaseEndpoint, &o.EndpointOptions.UseFIPSEndpoint, &o.EndpointOptions.UseDualStackEndpoint)
			})),
			onboarding.ParameterStore: secretstore.NewParameterStore(ssm.NewFromConfig(config, func(o *ssm.Options) {
				override(at.SSM, &o.BaseEndpoint, &o.EndpointOptions.UseFIPSEndpoint, &o.EndpointOptions.UseDualStackEndpoint)
			})),
		},
		cognito: cognitoidentityprovider.NewFromConfig(config, func(o *cognitoidentityprovider.Options) {
			override(at.CognitoIDP, &o.BaseEndpoint, &o.EndpointOptions.UseFIPSEndpoint, &o.EndpointOptions.UseDualStackEndpoint)
		}),
	}
	return c.aws, nil
}

// override leads one service's client to a URL. The SDK takes none together with FIPS or dual-stack endpoints; as in the
// AWS provider, the URL wins.
func override(url types.String, endpoint **string, fips *aws.FIPSEndpointState, dual *aws.DualStackEndpointState) {
	if url.ValueString() == "" {
		return
	}
	*endpoint, *fips, *dual = aws.String(url.ValueString()), aws.FIPSEndpointStateDisabled, aws.DualStackEndpointStateDisabled
}

// defaultAttempts is how often a call is tried whose failure may pass, unless block, environment or profile say otherwise.
const defaultAttempts = 10

// awsConfig loads the AWS provider's way: the provider block first, then the SDK's own chain.
func (c *clouds) awsConfig(ctx context.Context) (aws.Config, error) {
	base, diags := c.settings.aws.base(ctx)
	if diags.HasError() {
		return aws.Config{}, errUnreadable
	}
	base.CallerName = "terraform-provider-oidcs3"
	base.CallerDocumentationURL = "https://registry.terraform.io/providers/oidcs3/oidcs3/latest/docs"
	base.SkipCredsValidation = true // the first real call says as much, and costs nothing extra
	base.SuppressDebugLog = true    // it would log request bodies
	base.UserAgent = awsbase.UserAgentProducts{
		{Name: "terraform-provider-oidcs3", Version: c.settings.version}, {Name: "Terraform", Version: c.settings.terraform},
	}
	_, config, problems := awsbase.GetAwsConfig(ctx, base)
	c.warn(problems)
	if err := firstError(problems); err != nil {
		return aws.Config{}, err
	}
	if config.Region == "" {
		return aws.Config{}, errors.New("the AWS region is missing: set aws.region in the provider block, or AWS_REGION")
	}
	config.APIOptions = append(config.APIOptions, awsanswer.Keep)
	// The retryer bounds attempts by what failed, where the SDK knows but one bound.
	retryer, attempts := config.Retryer, config.RetryMaxAttempts
	if attempts == 0 {
		attempts = defaultAttempts
	}
	config.Retryer, config.RetryMaxAttempts = func() aws.Retryer {
		return awserror.Patient(retry.AddWithMaxAttempts(retryer(), attempts))
	}, 0
	return config, verifyAccount(ctx, config, base)
}

var errUnreadable = errors.New("the aws settings of the provider block cannot be read")

// verifyAccount refuses credentials of an account that the configuration does not allow.
func verifyAccount(ctx context.Context, config aws.Config, base *awsbase.Config) error {
	if len(base.AllowedAccountIds) == 0 && len(base.ForbiddenAccountIds) == 0 {
		return nil
	}
	account, _, problems := awsbase.GetAwsAccountIDAndPartition(ctx, config, base)
	if err := firstError(problems); err != nil {
		return fmt.Errorf("find out which account the credentials belong to: %w", err)
	}
	if slices.Contains(base.ForbiddenAccountIds, account) {
		return fmt.Errorf("the credentials belong to account %s, which is one of forbidden_account_ids", account)
	}
	if len(base.AllowedAccountIds) > 0 && !slices.Contains(base.AllowedAccountIds, account) {
		return fmt.Errorf("the credentials belong to account %s, which is not one of allowed_account_ids %v", account, base.AllowedAccountIds)
	}
	return nil
}

func (c *clouds) warn(problems basediag.Diagnostics) {
	for _, p := range problems {
		if p.Severity() == basediag.SeverityWarning {
			tflog.Warn(c.life, p.Summary()+": "+p.Detail())
		}
	}
}

func firstError(problems basediag.Diagnostics) error {
	for _, p := range problems {
		if p.Severity() == basediag.SeverityError {
			return fmt.Errorf("%s: %s", p.Summary(), p.Detail())
		}
	}
	return nil
}
