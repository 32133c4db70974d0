package provider

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// identityBlocks are the nested attributes of which exactly one is set, and federation beside them.
func identityBlocks() map[string]schema.Attribute {
	provider := schema.StringAttribute{
		Optional:            true,
		MarkdownDescription: "ARN of the IAM OIDC provider that trusts the tokens' issuer. Needed unless `federation` is `vending`.",
		Validators:          []validator.String{arnOf("OIDC provider ARN", "iam", "oidc-provider/")},
	}
	audience := func(text string) schema.StringAttribute {
		return schema.StringAttribute{Required: true, MarkdownDescription: text, Validators: []validator.String{stringvalidator.LengthBetween(1, 600)}}
	}
	return map[string]schema.Attribute{
		"federation": schema.StringAttribute{
			Optional: true, Computed: true,
			MarkdownDescription: "`sts`: AWS STS checks the tokens itself (default for `auth0` and `entra`); `vending`: the credential vending service " +
				"checks them, and the role trusts the service (always, for `cognito`).",
			Validators: []validator.String{stringvalidator.OneOf(federationSTS, federationVending)},
		},
		"auth0": schema.SingleNestedAttribute{
			Optional:            true,
			MarkdownDescription: "The server gets its tokens from Auth0. Exactly one identity provider must be given.",
			Attributes: vendingAttributes(map[string]schema.Attribute{
				"audience":          audience("Identifier of the Auth0 API that tokens are for."),
				"oidc_provider_arn": provider,
				"token_profile": schema.StringAttribute{
					Optional: true, Computed: true, Default: stringdefault.StaticString(auto),
					MarkdownDescription: "Token profile of the API: `rfc9068`, whose tokens name the API in `aud` alone; `access_token`, whose tokens " +
						"name the client in `azp`, which AWS takes for the audience; or `auto` (default), which reads it from the API.",
					Validators: []validator.String{stringvalidator.OneOf(auto, profileRFC9068, profileAccessToken)},
				},
			}),
		},
		"entra": schema.SingleNestedAttribute{
			Optional:            true,
			MarkdownDescription: "The server gets its tokens from Microsoft Entra ID. Exactly one identity provider must be given.",
			Attributes: vendingAttributes(map[string]schema.Attribute{
				"audience":          audience("Identifier URI of the API's application, such as `api://s3-uploader`."),
				"oidc_provider_arn": provider,
				"api_client_id": schema.StringAttribute{
					Optional: true,
					MarkdownDescription: "Client id of the API's application, to which tokens of version 2 are addressed. It is read from the application; " +
						"where it is given here, the two must agree.",
					Validators: []validator.String{stringvalidator.RegexMatches(uuidPattern, "must be a GUID in lower case")},
				},
				"token_version": schema.StringAttribute{
					Optional: true, Computed: true, Default: stringdefault.StaticString(auto),
					MarkdownDescription: "Version of the API's tokens: `v1`, whose tokens name the API in `aud` alone; `v2`, whose tokens name the client in " +
						"`azp`, which AWS takes for the audience; or `auto` (default), which reads it from the API's application.",
					Validators: []validator.String{stringvalidator.OneOf(auto, version1, version2)},
				},
			}),
		},
		"cognito": schema.SingleNestedAttribute{
			Optional: true,
			MarkdownDescription: "The server gets its tokens from an AWS Cognito user pool, and its AWS credentials from the credential vending service. " +
				"Exactly one identity provider must be given.",
			Attributes: vendingAttributes(map[string]schema.Attribute{
				"user_pool_id": schema.StringAttribute{Required: true, MarkdownDescription: "Id of the user pool.",
					Validators: []validator.String{stringvalidator.LengthBetween(1, 55)}},
				"domain": schema.StringAttribute{Required: true,
					MarkdownDescription: "Domain of the user pool: its prefix, or a custom domain in full.", Validators: []validator.String{stringvalidator.LengthBetween(1, 253)}},
				"allowed_scopes": schema.SetAttribute{Required: true, ElementType: types.StringType,
					MarkdownDescription: "Scopes that the server may ask for, as `<resource server>/<scope>`. They must exist in the user pool.",
					Validators:          []validator.Set{setvalidator.SizeBetween(1, 50)}},
			}),
		},
	}
}

var uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// vendingAttributes adds where the credential vending service is.
func vendingAttributes(own map[string]schema.Attribute) map[string]schema.Attribute {
	maps.Copy(own, map[string]schema.Attribute{
		"vending_role_arn": schema.StringAttribute{Optional: true,
			MarkdownDescription: "ARN of the role that the credential vending service runs as. Needed with `federation = \"vending\"`.",
			Validators:          []validator.String{arnOf("role ARN", "iam", "role/")}},
		"vending_url": schema.StringAttribute{Optional: true,
			MarkdownDescription: "URL of the credential vending service, without `/credentials`. Needed with `federation = \"vending\"`.",
			Validators:          []validator.String{accepted("vending URL", validateVendingURL)}},
		"client_roles_table_name": schema.StringAttribute{Optional: true,
			MarkdownDescription: "DynamoDB table that maps clients to roles. Needed with `federation = \"vending\"`.",
			Validators:          []validator.String{stringvalidator.LengthBetween(3, 255)}},
	})
	return own
}

func validateVendingURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("%q is not an https URL of host and path alone", s)
	}
	return nil
}

// federationValidator asks for what each kind of federation needs.
type federationValidator struct{}

func (federationValidator) Description(context.Context) string {
	return "sts needs oidc_provider_arn; vending needs vending_role_arn, vending_url and client_roles_table_name"
}

func (v federationValidator) MarkdownDescription(ctx context.Context) string {
	return v.Description(ctx)
}

func (federationValidator) ValidateResource(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var model serverAccessModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	i, _, diags := model.identity(ctx)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() || i.kind == "" || i.federation.IsUnknown() {
		return
	}
	root := path.Root(string(i.kind))
	if i.kind == idp.Cognito && i.federation.ValueString() == federationSTS {
		resp.Diagnostics.AddAttributeError(path.Root("federation"), "Federation not possible",
			"Cognito's machine-to-machine tokens have no aud, so STS refuses them. Leave federation out: with cognito it is vending.")
		return
	}
	needed := map[string]types.String{"oidc_provider_arn": i.auth0.OIDCProviderARN}
	if i.kind == idp.Entra {
		needed["oidc_provider_arn"] = i.entra.OIDCProviderARN
	}
	if i.kind == idp.Cognito || i.federation.ValueString() == federationVending {
		v := i.vending()
		needed = map[string]types.String{"vending_role_arn": v.RoleARN, "vending_url": v.URL, "client_roles_table_name": v.Table}
	}
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		if needed[name].IsNull() {
			resp.Diagnostics.AddAttributeError(root.AtName(name), "Missing "+name, federationValidator{}.Description(ctx)+".")
		}
	}
	if i.kind == idp.Cognito {
		checkScopes(ctx, &model, i, resp)
	}
}

// checkScopes refuses permissions that the client's scopes would never reach: a host asks for the scopes that it was
// granted, and the vending service asks for the scope that goes with what the role may do.
func checkScopes(ctx context.Context, model *serverAccessModel, i identity, resp *resource.ValidateConfigResponse) {
	if model.S3Permissions.IsUnknown() || i.cognito.AllowedScopes.IsUnknown() {
		return
	}
	var scopes []types.String
	resp.Diagnostics.Append(i.cognito.AllowedScopes.ElementsAs(ctx, &scopes, false)...)
	level := access.Permission(model.S3Permissions.ValueString())
	wanted := []string{"write"}
	if level == access.ReadWrite || level == access.Full {
		wanted = append(wanted, "read")
	}
	for _, name := range wanted {
		granted := slices.ContainsFunc(scopes, func(s types.String) bool { return s.IsUnknown() || strings.HasSuffix(s.ValueString(), "/"+name) })
		if !granted {
			resp.Diagnostics.AddAttributeError(path.Root("cognito").AtName("allowed_scopes"), "Scope missing",
				fmt.Sprintf("The permission level needs a scope that ends in \"/%s\", and the client would be granted none.", name))
		}
	}
}
