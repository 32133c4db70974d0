package provider

import (
	"cmp"
	"context"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	awsbase "github.com/hashicorp/aws-sdk-go-base/v2"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// awsSettings are named as in the AWS provider, and mean what they mean there. What is not set here is found the SDK's
// usual way: AWS_* variables, shared files, web identity, instance metadata.
//
// https://registry.terraform.io/providers/hashicorp/aws/latest/docs#provider-configuration
type awsSettings struct {
	Region    types.String `tfsdk:"region"`
	STSRegion types.String `tfsdk:"sts_region"`

	AccessKey types.String `tfsdk:"access_key"`
	SecretKey types.String `tfsdk:"secret_key"`
	Token     types.String `tfsdk:"token"`

	Profile                types.String `tfsdk:"profile"`
	SharedConfigFiles      types.List   `tfsdk:"shared_config_files"`
	SharedCredentialsFiles types.List   `tfsdk:"shared_credentials_files"`

	AssumeRole                types.List   `tfsdk:"assume_role"`
	AssumeRoleWithWebIdentity types.Object `tfsdk:"assume_role_with_web_identity"`
	MetadataEndpoint          types.String `tfsdk:"ec2_metadata_service_endpoint"`
	SkipMetadata              types.Bool   `tfsdk:"skip_metadata_api_check"`

	AllowedAccountIDs   types.Set `tfsdk:"allowed_account_ids"`
	ForbiddenAccountIDs types.Set `tfsdk:"forbidden_account_ids"`

	Endpoints    types.Object `tfsdk:"endpoints"`
	UseFIPS      types.Bool   `tfsdk:"use_fips_endpoint"`
	UseDualStack types.Bool   `tfsdk:"use_dualstack_endpoint"`

	CustomCABundle types.String `tfsdk:"custom_ca_bundle"`
	HTTPProxy      types.String `tfsdk:"http_proxy"`
	HTTPSProxy     types.String `tfsdk:"https_proxy"`
	NoProxy        types.String `tfsdk:"no_proxy"`
	MaxRetries     types.Int64  `tfsdk:"max_retries"`
}

// sessionSettings are what both ways to assume a role ask for.
type sessionSettings struct {
	RoleARN     types.String `tfsdk:"role_arn"`
	SessionName types.String `tfsdk:"session_name"`
	Duration    types.String `tfsdk:"duration"`
	Policy      types.String `tfsdk:"policy"`
	PolicyARNs  types.Set    `tfsdk:"policy_arns"`
}

type assumeRoleSettings struct {
	sessionSettings
	ExternalID        types.String `tfsdk:"external_id"`
	SourceIdentity    types.String `tfsdk:"source_identity"`
	Tags              types.Map    `tfsdk:"tags"`
	TransitiveTagKeys types.Set    `tfsdk:"transitive_tag_keys"`
}

type webIdentitySettings struct {
	sessionSettings
	Token     types.String `tfsdk:"web_identity_token"`
	TokenFile types.String `tfsdk:"web_identity_token_file"`
}

type endpointSettings struct {
	IAM        types.String `tfsdk:"iam"`
	STS        types.String `tfsdk:"sts"`
	DynamoDB   types.String `tfsdk:"dynamodb"`
	CognitoIDP types.String `tfsdk:"cognitoidp"`

	SecretsManager types.String `tfsdk:"secretsmanager"`
	SSM            types.String `tfsdk:"ssm"`
}

func (s *awsSettings) read(ctx context.Context, object types.Object) diag.Diagnostics {
	return readObject(ctx, object, s)
}

// base is what the settings say to the library that sets up the AWS provider. Strings are empty where nothing is set.
func (s *awsSettings) base(ctx context.Context) (*awsbase.Config, diag.Diagnostics) {
	var endpoints endpointSettings
	var identity webIdentitySettings
	var roles []assumeRoleSettings
	diags := readObject(ctx, s.Endpoints, &endpoints)
	diags.Append(readObject(ctx, s.AssumeRoleWithWebIdentity, &identity)...)
	diags.Append(elements(ctx, s.AssumeRole, &roles)...)
	base := &awsbase.Config{
		Region:                     s.Region.ValueString(),
		StsRegion:                  s.STSRegion.ValueString(),
		AccessKey:                  s.AccessKey.ValueString(),
		SecretKey:                  s.SecretKey.ValueString(),
		Token:                      s.Token.ValueString(),
		Profile:                    s.Profile.ValueString(),
		EC2MetadataServiceEndpoint: s.MetadataEndpoint.ValueString(),
		IamEndpoint:                endpoints.IAM.ValueString(),
		StsEndpoint:                cmp.Or(endpoints.STS.ValueString(), environmentSTS()),
		UseFIPSEndpoint:            s.UseFIPS.ValueBool(),
		UseDualStackEndpoint:       s.UseDualStack.ValueBool(),
		CustomCABundle:             s.CustomCABundle.ValueString(),
		HTTPProxy:                  s.HTTPProxy.ValueStringPointer(),
		HTTPSProxy:                 s.HTTPSProxy.ValueStringPointer(),
		HTTPProxyMode:              awsbase.HTTPProxyModeLegacy, // the AWS provider's: a proxy for HTTP is one for HTTPS too
		NoProxy:                    s.NoProxy.ValueString(),
		MaxRetries:                 int(s.MaxRetries.ValueInt64()),
	}
	if !s.SkipMetadata.IsNull() {
		base.EC2MetadataServiceEnableState = imds.ClientEnabled
		if s.SkipMetadata.ValueBool() {
			base.EC2MetadataServiceEnableState = imds.ClientDisabled
		}
	}
	diags.Append(elements(ctx, s.SharedConfigFiles, &base.SharedConfigFiles)...)
	diags.Append(elements(ctx, s.SharedCredentialsFiles, &base.SharedCredentialsFiles)...)
	diags.Append(elements(ctx, s.AllowedAccountIDs, &base.AllowedAccountIds)...)
	diags.Append(elements(ctx, s.ForbiddenAccountIDs, &base.ForbiddenAccountIds)...)
	if !s.AssumeRoleWithWebIdentity.IsNull() {
		base.AssumeRoleWithWebIdentity = &awsbase.AssumeRoleWithWebIdentity{
			RoleARN: identity.RoleARN.ValueString(), SessionName: identity.SessionName.ValueString(), Duration: identity.lasts(),
			Policy: identity.Policy.ValueString(), WebIdentityToken: identity.Token.ValueString(), WebIdentityTokenFile: identity.TokenFile.ValueString(),
		}
		diags.Append(elements(ctx, identity.PolicyARNs, &base.AssumeRoleWithWebIdentity.PolicyARNs)...)
	}
	for _, role := range roles {
		assumed := awsbase.AssumeRole{
			RoleARN: role.RoleARN.ValueString(), SessionName: role.SessionName.ValueString(), Duration: role.lasts(), Policy: role.Policy.ValueString(),
			ExternalID: role.ExternalID.ValueString(), SourceIdentity: role.SourceIdentity.ValueString(),
		}
		diags.Append(elements(ctx, role.PolicyARNs, &assumed.PolicyARNs)...)
		diags.Append(elements(ctx, role.Tags, &assumed.Tags)...)
		diags.Append(elements(ctx, role.TransitiveTagKeys, &assumed.TransitiveTagKeys)...)
		base.AssumeRole = append(base.AssumeRole, assumed)
	}
	return base, diags
}

// environmentSTS is where the environment says that STS is. The library's way of resolving a profile's role does not look
// there by itself.
func environmentSTS() string {
	if ignored, err := strconv.ParseBool(os.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")); err == nil && ignored {
		return ""
	}
	return cmp.Or(os.Getenv("AWS_ENDPOINT_URL_STS"), os.Getenv("AWS_ENDPOINT_URL"))
}

// lasts is the duration of a session; 0 leaves it to the SDK. The validator has seen that it is one.
func (s sessionSettings) lasts() time.Duration {
	d, _ := time.ParseDuration(s.Duration.ValueString())
	return d
}
