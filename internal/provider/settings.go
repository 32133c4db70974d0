package provider

import (
	"context"
	"os"
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
)

// settings is the provider block, with the environment's values where the block has none.
type settings struct {
	version     string
	project     string
	environment string
	defaultTags map[string]string
	ignoreTags  tagFilter
	bulkReads   bool
	unknown     bool // some value is known only after apply
	aws         awsSettings
	auth0       auth0Settings
	entra       entraSettings
	cognito     cognitoSettings
}

// awsSettings are named as in the AWS provider. What is not set here is found the SDK's usual way: AWS_* variables,
// shared files, web identity, instance metadata.
type awsSettings struct {
	Region            types.String `tfsdk:"region"`
	Profile           types.String `tfsdk:"profile"`
	AccessKey         types.String `tfsdk:"access_key"`
	SecretKey         types.String `tfsdk:"secret_key"`
	Token             types.String `tfsdk:"token"`
	CustomCABundle    types.String `tfsdk:"custom_ca_bundle"`
	AllowedAccountIDs types.List   `tfsdk:"allowed_account_ids"`
	AssumeRole        types.Object `tfsdk:"assume_role"`
	Endpoints         types.Object `tfsdk:"endpoints"`
}

type assumeRoleSettings struct {
	RoleARN     types.String `tfsdk:"role_arn"`
	SessionName types.String `tfsdk:"session_name"`
	ExternalID  types.String `tfsdk:"external_id"`
}

type endpointSettings struct {
	IAM        types.String `tfsdk:"iam"`
	STS        types.String `tfsdk:"sts"`
	DynamoDB   types.String `tfsdk:"dynamodb"`
	CognitoIDP types.String `tfsdk:"cognitoidp"`

	SecretsManager types.String `tfsdk:"secretsmanager"`
	SSM            types.String `tfsdk:"ssm"`
}

func awsSchema() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "How to reach AWS. Names, defaults and environment variables (`AWS_*`) are those of the AWS provider; " +
			"without this attribute the environment alone decides.",
		Attributes: map[string]schema.Attribute{
			"region": schema.StringAttribute{Optional: true,
				MarkdownDescription: "Region of the bucket, which hosts are given as `aws_region`. Environment: `AWS_REGION`, `AWS_DEFAULT_REGION`."},
			"profile":          schema.StringAttribute{Optional: true, MarkdownDescription: "Profile of the shared configuration files. Environment: `AWS_PROFILE`."},
			"access_key":       schema.StringAttribute{Optional: true, Sensitive: true, MarkdownDescription: "Access key id. Environment: `AWS_ACCESS_KEY_ID`."},
			"secret_key":       schema.StringAttribute{Optional: true, Sensitive: true, MarkdownDescription: "Secret access key. Environment: `AWS_SECRET_ACCESS_KEY`."},
			"token":            schema.StringAttribute{Optional: true, Sensitive: true, MarkdownDescription: "Session token. Environment: `AWS_SESSION_TOKEN`."},
			"custom_ca_bundle": schema.StringAttribute{Optional: true, MarkdownDescription: "File of CA certificates in PEM form. Environment: `AWS_CA_BUNDLE`."},
			"allowed_account_ids": schema.ListAttribute{Optional: true, ElementType: types.StringType,
				MarkdownDescription: "Accounts that may be changed. Credentials of any other account are refused."},
			"assume_role": schema.SingleNestedAttribute{Optional: true, MarkdownDescription: "Role to assume before anything else.",
				Attributes: map[string]schema.Attribute{
					"role_arn":     schema.StringAttribute{Required: true, MarkdownDescription: "ARN of the role."},
					"session_name": schema.StringAttribute{Optional: true, MarkdownDescription: "Name of the session."},
					"external_id":  schema.StringAttribute{Optional: true, MarkdownDescription: "External id that the role's trust policy asks for."},
				}},
			"endpoints": schema.SingleNestedAttribute{Optional: true, MarkdownDescription: "URLs to use instead of the services' own. Environment: `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_IAM`, `AWS_ENDPOINT_URL_STS`.",
				Attributes: map[string]schema.Attribute{
					"iam":            schema.StringAttribute{Optional: true, MarkdownDescription: "Endpoint of IAM."},
					"sts":            schema.StringAttribute{Optional: true, MarkdownDescription: "Endpoint of STS."},
					"dynamodb":       schema.StringAttribute{Optional: true, MarkdownDescription: "Endpoint of DynamoDB."},
					"secretsmanager": schema.StringAttribute{Optional: true, MarkdownDescription: "Endpoint of Secrets Manager."},
					"ssm":            schema.StringAttribute{Optional: true, MarkdownDescription: "Endpoint of Systems Manager."},
					"cognitoidp":     schema.StringAttribute{Optional: true, MarkdownDescription: "Endpoint of Cognito user pools."},
				}},
		},
	}
}

func (s *awsSettings) read(ctx context.Context, object types.Object) diag.Diagnostics {
	return readObject(ctx, object, s)
}

// readObject reads a nested attribute into its struct. One that is absent or not known yet leaves the struct as it is.
func readObject(ctx context.Context, object types.Object, into any) diag.Diagnostics {
	if object.IsNull() || object.IsUnknown() {
		return nil
	}
	return object.As(ctx, into, basetypes.ObjectAsOptions{})
}

func fromEnvironment(value *types.String, name string) {
	if value.IsNull() {
		if found := os.Getenv(name); found != "" {
			*value = types.StringValue(found)
		}
	}
}

func switchFromEnvironment(value *types.Bool, name string) {
	if found, err := strconv.ParseBool(os.Getenv(name)); err == nil && value.IsNull() {
		*value = types.BoolValue(found)
	}
}
