package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64default"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// IAM's bounds of a session, in seconds.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
const (
	minSessionDuration = 3600
	maxSessionDuration = 43200
)

func (r *serverAccess) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	attributes := map[string]schema.Attribute{
		"timeouts": timeouts.Attributes(ctx, timeouts.Opts{Create: true, Read: true, Update: true, Delete: true}),
	}
	for _, group := range []map[string]schema.Attribute{identityAttributes(), identityBlocks(), accessAttributes(), computedAttributes()} {
		for name, attribute := range group {
			attributes[name] = attribute
		}
	}
	resp.Schema = schema.Schema{
		Version: stateVersion,
		MarkdownDescription: "Access of one server to one prefix of an S3 bucket: the machine-to-machine client at the identity provider, " +
			"the IAM role that trusts its tokens, and the permissions of that role. All of it exists afterwards, or none.",
		Attributes: attributes,
	}
}

// identityAttributes say whose access it is and how the server proves it.
func identityAttributes() map[string]schema.Attribute {
	replace := []planmodifier.String{stringplanmodifier.RequiresReplace()}
	return map[string]schema.Attribute{
		"server_name": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: "Name of the server, unique within the environment. It names role, client and sessions. Changing it makes a new one.",
			PlanModifiers:       replace,
			Validators:          []validator.String{accepted("server name", access.ValidateServerName)},
		},
		"environment": schema.StringAttribute{
			Optional: true, Computed: true,
			MarkdownDescription: "Environment of the server. Defaults to the provider's. Changing it makes a new one.",
			PlanModifiers:       replace,
			Validators:          []validator.String{accepted("environment", access.ValidateEnvironment)},
		},
		"client_authentication": schema.SingleNestedAttribute{
			Optional:            true,
			MarkdownDescription: "How the server authenticates at the identity provider. Defaults to a client secret, kept in the state.",
			Attributes: map[string]schema.Attribute{
				"method": schema.StringAttribute{
					Optional: true, Computed: true,
					Default:             stringdefault.StaticString(string(idp.ClientSecret)),
					MarkdownDescription: "`client_secret` (default), or `private_key_jwt`: the server signs with a key that never leaves it.",
					Validators:          []validator.String{stringvalidator.OneOf(string(idp.ClientSecret), string(idp.PrivateKeyJWT))},
				},
				"public_key_pem": schema.StringAttribute{
					Optional: true,
					MarkdownDescription: "Public half of the server's key in PEM form, for `private_key_jwt`. While a key is being replaced it may hold " +
						"two, one behind the other.",
					Validators: []validator.String{accepted("public key", func(s string) error { _, err := publicKeys(s); return err })},
				},
				"secret_storage": schema.StringAttribute{
					Optional: true, Computed: true,
					Default: stringdefault.StaticString(inState),
					MarkdownDescription: "Where the client secret is kept: `state` (default), in `client_secret`; `secretsmanager`, in AWS Secrets Manager; `ssm`, in the " +
						"Parameter Store of AWS Systems Manager as a `SecureString`. With the latter two the value enters neither state nor plan; it is kept " +
						"under `<role_name>/client-secret` (`/<role_name>/client-secret` in the Parameter Store), and goes when the access goes.",
					Validators: []validator.String{stringvalidator.OneOf(inState, string(onboarding.SecretsManager), string(onboarding.ParameterStore))},
				},
				"secret_arn": schema.StringAttribute{
					Computed:            true,
					MarkdownDescription: "ARN of the secret or parameter that holds the client secret. Null where the state holds it.",
				},
				"rotation_triggers": schema.MapAttribute{
					Optional: true, ElementType: types.StringType,
					MarkdownDescription: "Whatever a new client secret is to be made for, such as a date. The first value is recorded; each change after " +
						"that makes a new secret. At Entra ID and Cognito the former one stays valid until the next change, so that the server has time to " +
						"take the new one up.",
				},
				"allow_downtime": schema.BoolAttribute{
					Optional: true,
					MarkdownDescription: "Allows a new secret where the former one ends at once, as at Auth0: the server gets no tokens until it has the new one. " +
						"Without it such a rotation is refused.",
				},
			},
		},
	}
}

// accessAttributes say what the server may do and for how long.
func accessAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"bucket_name": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: "Name of the S3 bucket.",
			Validators:          []validator.String{accepted("bucket name", access.ValidateBucket)},
		},
		"s3_path_prefix": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: "Prefix that the server may use, such as `backups/server-01/`. It ends in a slash and has no wildcards.",
			Validators:          []validator.String{accepted("prefix", access.ValidatePrefix)},
		},
		"s3_permissions": schema.StringAttribute{
			Optional: true, Computed: true,
			Default: stringdefault.StaticString(string(access.Write)),
			MarkdownDescription: "`write` (default): upload; `read-write`: upload and download; `full`: upload, download, delete and list. " +
				"All of them may abort and resume multipart uploads.",
			Validators: []validator.String{stringvalidator.OneOf(string(access.Write), string(access.ReadWrite), string(access.Full))},
		},
		"max_session_duration": schema.Int64Attribute{
			Optional: true, Computed: true,
			Default:             int64default.StaticInt64(minSessionDuration),
			MarkdownDescription: fmt.Sprintf("Longest session of the role, in seconds: %d (default) to %d.", minSessionDuration, maxSessionDuration),
			Validators:          []validator.Int64{int64validator.Between(minSessionDuration, maxSessionDuration)},
		},
		"kms_key_arn": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "ARN of the KMS key that the bucket is encrypted with, which the server must be allowed to use.",
			Validators:          []validator.String{arnOf("KMS key ARN", "kms", "key/")},
		},
		"permissions_boundary": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "ARN of the managed policy that bounds the role.",
			Validators:          []validator.String{arnOf("policy ARN", "iam", "policy/")},
		},
		"tags": schema.MapAttribute{
			Optional:            true,
			ElementType:         types.StringType,
			MarkdownDescription: "Tags of the role, over the provider's `default_tags`.",
			Validators:          []validator.Map{tagsValidator{}},
		},
		"allow_prefix_overlap": schema.BoolAttribute{
			Optional: true, Computed: true,
			Default: booldefault.StaticBool(false),
			MarkdownDescription: "Allows a prefix that is equal to another server's, or lies inside it or around it, where that server allows it " +
				"too. Defaults to `false`: servers of one run that could get at each other's objects are refused.",
		},
		"wait_for_access": schema.BoolAttribute{
			Optional: true, Computed: true,
			Default: booldefault.StaticBool(true),
			MarkdownDescription: "After access was given, wait until a token of the server really gets AWS credentials, for two minutes at most: IAM " +
				"takes a while to honour a change. It costs one token and one call of AWS STS or the vending service. Defaults to `true`, and is left " +
				"out where it cannot be done: with `private_key_jwt`, whose key only the server has, and where the token endpoint cannot be reached " +
				"from the machine that runs Terraform.",
		},
		"enabled": schema.BoolAttribute{
			Optional: true, Computed: true,
			Default: booldefault.StaticBool(true),
			MarkdownDescription: "With `false` nobody gets in: the role's trust policy denies the server's client, and every session that was given " +
				"out is denied everything, at once. Client, secret and role stay, so that `true` lets the server in again; sessions from before " +
				"stay revoked. Defaults to `true`.",
		},
		"deletion_protection": schema.BoolAttribute{
			Optional: true, Computed: true,
			Default:             booldefault.StaticBool(false),
			MarkdownDescription: "Refuses to destroy or replace the access while `true`. Defaults to `false`.",
		},
	}
}

// computedAttributes are what others need to know of the access.
func computedAttributes() map[string]schema.Attribute {
	computed := func(text string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: text}
	}
	return map[string]schema.Attribute{
		"id":             computed("`<environment>/<server_name>`."),
		"role_name":      computed("Name of the IAM role: `{project}-{environment}-{server_name}`."),
		"role_arn":       computed("ARN of the IAM role."),
		"client_id":      computed("Client id of the server at the identity provider."),
		"subject":        computed("`sub` claim of the server's tokens."),
		"issuer":         computed("`iss` claim of the server's tokens."),
		"token_endpoint": computed("URL at which the server gets its tokens."),
		"trust_mode": computed("How the role recognises the server: `plain`, by the audience in its tokens' `aud`; `azp`, by the client id in `azp`, " +
			"which AWS prefers where a token has one; `vending`, by the credential vending service."),
		"token_audience":       computed("`aud` claim of the server's tokens."),
		"trust_policy":         computed("Trust policy of the role, as JSON."),
		"permissions_policy":   computed("What the role may do, as one JSON policy document."),
		"server_configuration": computed("Configuration file of the server's `oidcs3-upload`, as JSON. It holds no secret."),
		"client_secret": schema.StringAttribute{Computed: true, Sensitive: true,
			MarkdownDescription: "Client secret of the server. Null with `private_key_jwt`."},
		"tags_all": schema.MapAttribute{Computed: true, ElementType: types.StringType,
			MarkdownDescription: "Tags of the role, the provider's `default_tags` included."},
		"drift": schema.ListAttribute{Computed: true, ElementType: types.StringType,
			MarkdownDescription: "What was found to differ from this configuration beyond the attributes above, in words. The next apply mends it; " +
				"afterwards the list is empty."},
	}
}
