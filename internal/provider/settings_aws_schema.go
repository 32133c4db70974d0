package provider

import (
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/objectvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func awsSchema() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "How to reach AWS. Names, defaults and environment variables (`AWS_*`) are those of the AWS provider; " +
			"without this attribute the environment alone decides.",
		Attributes: map[string]schema.Attribute{
			"region":     text("Region of the bucket, which hosts are given as `aws_region`. Environment: `AWS_REGION`, `AWS_DEFAULT_REGION`."),
			"sts_region": text("Region of STS, where it is not `region`."),

			"access_key": secret("Access key id. Environment: `AWS_ACCESS_KEY_ID`.", with("secret_key")),
			"secret_key": secret("Secret access key. Environment: `AWS_SECRET_ACCESS_KEY`.", with("access_key")),
			"token":      secret("Session token of the keys. Environment: `AWS_SESSION_TOKEN`.", with("access_key")),

			"profile":                  text("Profile of the shared configuration files. Environment: `AWS_PROFILE`."),
			"shared_config_files":      texts("Shared configuration files, instead of `~/.aws/config`. Environment, of one: `AWS_CONFIG_FILE`."),
			"shared_credentials_files": texts("Shared credentials files, instead of `~/.aws/credentials`. Environment, of one: `AWS_SHARED_CREDENTIALS_FILE`."),

			"assume_role":                   assumeRoleSchema(),
			"assume_role_with_web_identity": webIdentitySchema(),
			"ec2_metadata_service_endpoint": text("URL of the EC2 metadata service. Environment: `AWS_EC2_METADATA_SERVICE_ENDPOINT`."),
			"skip_metadata_api_check": schema.BoolAttribute{Optional: true,
				MarkdownDescription: "Look for no credentials at the EC2 metadata service. Environment: `AWS_EC2_METADATA_DISABLED`."},

			"allowed_account_ids": accounts("Accounts that may be changed. Credentials of any other account are refused.",
				setvalidator.ConflictsWith(beside("forbidden_account_ids"))),
			"forbidden_account_ids": accounts("Accounts that must not be changed. Credentials of one of them are refused."),

			"endpoints": endpointsSchema(),
			"use_fips_endpoint": schema.BoolAttribute{Optional: true,
				MarkdownDescription: "Use FIPS endpoints, save for services that `endpoints` names. Environment: `AWS_USE_FIPS_ENDPOINT`."},
			"use_dualstack_endpoint": schema.BoolAttribute{Optional: true,
				MarkdownDescription: "Use endpoints with IPv4 and IPv6 addresses, save for services that `endpoints` names. Environment: `AWS_USE_DUALSTACK_ENDPOINT`."},

			"custom_ca_bundle": text("File of CA certificates in PEM form. Environment: `AWS_CA_BUNDLE`."),
			"http_proxy": text("URL of the proxy for AWS, over TLS too where `https_proxy` is not set. Identity providers are reached by way of the environment's " +
				"proxies alone. Environment: `HTTP_PROXY`."),
			"https_proxy": text("URL of the proxy for AWS over TLS; `\"\"` for none. Environment: `HTTPS_PROXY`."),
			"no_proxy":    text("Hosts of AWS that are reached without a proxy, with commas between them. Environment: `NO_PROXY`."),
			"max_retries": schema.Int64Attribute{Optional: true, Validators: []validator.Int64{int64validator.AtLeast(1)},
				MarkdownDescription: "How often a call of AWS is tried at most, whose failure may pass. Defaults to 10. What is refused for the rate of calls is " +
					"tried for about five minutes, whatever this says. Environment: `AWS_MAX_ATTEMPTS`."},
		},
	}
}

func assumeRoleSchema() schema.Attribute {
	attributes := sessionAttributes()
	attributes["external_id"] = text("External id that the role's trust policy asks for.", externalID)
	attributes["source_identity"] = text("Source identity of the session.", sessionName("source identity"))
	attributes["tags"] = schema.MapAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "Tags of the session."}
	attributes["transitive_tag_keys"] = schema.SetAttribute{Optional: true, ElementType: types.StringType,
		MarkdownDescription: "Keys of `tags` that sessions of the roles behind this one in the list have too."}
	return schema.ListNestedAttribute{
		Optional: true,
		MarkdownDescription: "Roles to assume before anything else, each with the credentials of the one before it. AWS gives such a chain sessions of " +
			"an hour at most.",
		Validators:   []validator.List{listvalidator.SizeAtLeast(1)},
		NestedObject: schema.NestedAttributeObject{Attributes: attributes},
	}
}

func webIdentitySchema() schema.Attribute {
	attributes := sessionAttributes()
	attributes["web_identity_token"] = secret("Token of an OIDC provider of the account.",
		stringvalidator.ExactlyOneOf(beside("web_identity_token"), beside("web_identity_token_file")))
	attributes["web_identity_token_file"] = text("File of the token. It is read again for each session.")
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "Role to assume with a token, of a CI system for example, instead of AWS keys. `assume_role` goes on from there.",
		Validators:          []validator.Object{objectvalidator.ConflictsWith(beside("access_key"))}, // which would win, without a word
		Attributes:          attributes,
	}
}

func sessionAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"role_arn": schema.StringAttribute{Required: true, MarkdownDescription: "ARN of the role.",
			Validators: []validator.String{arnOf("role ARN", "iam", "role/")}},
		"session_name": text("Name of the session.", sessionName("session name")),
		"duration":     text("How long a session lasts, 15 minutes to 12 hours, such as `1h30m`. Sessions are renewed while the run goes on.", sessionDuration),
		"policy":       text("Session policy, in JSON: the session may do no more than it says.", sessionPolicy),
		"policy_arns": schema.SetAttribute{Optional: true, ElementType: types.StringType,
			MarkdownDescription: "ARNs of managed policies as session policies.",
			Validators:          []validator.Set{setvalidator.SizeAtMost(maxSessionPolicies), setvalidator.ValueStringsAre(policyARN)}},
	}
}

func endpointsSchema() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "URLs to use instead of the services' own. Environment: `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_IAM`, `AWS_ENDPOINT_URL_STS`.",
		Attributes: map[string]schema.Attribute{
			"iam":            text("Endpoint of IAM."),
			"sts":            text("Endpoint of STS."),
			"dynamodb":       text("Endpoint of DynamoDB."),
			"secretsmanager": text("Endpoint of Secrets Manager."),
			"ssm":            text("Endpoint of Systems Manager."),
			"cognitoidp":     text("Endpoint of Cognito user pools."),
		},
	}
}

func texts(description string) schema.Attribute {
	return schema.ListAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: description}
}

func accounts(description string, more ...validator.Set) schema.Attribute {
	return schema.SetAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: description,
		Validators: append([]validator.Set{setvalidator.ValueStringsAre(accountID)}, more...)}
}

// beside is an attribute of the object that the attribute under validation belongs to.
func beside(name string) path.Expression { return path.MatchRelative().AtParent().AtName(name) }

// with asks for another attribute.
func with(name string) validator.String { return stringvalidator.AlsoRequires(beside(name)) }
