package provider

import (
	"context"
	"errors"

	"github.com/hashicorp/terraform-plugin-framework-validators/float64validator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/connect"
)

// auth0Settings are named as in the Auth0 provider.
type auth0Settings struct {
	Domain       types.String `tfsdk:"domain"`
	ClientID     types.String `tfsdk:"client_id"`
	ClientSecret types.String `tfsdk:"client_secret"`
	APIToken     types.String `tfsdk:"api_token"`
	Audience     types.String `tfsdk:"audience"`

	MaxRequestsPerSecond types.Float64 `tfsdk:"max_requests_per_second"`
}

func auth0Schema() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "How to reach the Auth0 Management API. Names and environment variables (`AUTH0_*`) are those of the Auth0 " +
			"provider. Either `api_token` or `client_id` with `client_secret` is needed.",
		Attributes: map[string]schema.Attribute{
			"domain":        text("Domain of the tenant, such as `tenant.eu.auth0.com`. Environment: `AUTH0_DOMAIN`."),
			"client_id":     text("Client id of the Management API application. Environment: `AUTH0_CLIENT_ID`."),
			"client_secret": secret("Its client secret. Environment: `AUTH0_CLIENT_SECRET`."),
			"api_token":     secret("Management API token, instead of client id and secret. Environment: `AUTH0_API_TOKEN`."),
			"audience":      text("Audience of the Management API, where the tenant has a custom domain. Environment: `AUTH0_AUDIENCE`."),
			"max_requests_per_second": schema.Float64Attribute{Optional: true, Validators: []validator.Float64{float64validator.AtLeast(0.1)},
				MarkdownDescription: "Most requests a second that are sent to the Management API. Without it only the rate that its answers tell counts."},
		},
	}
}

func (s *auth0Settings) read(ctx context.Context, object types.Object) diag.Diagnostics {
	diags := readObject(ctx, object, s)
	fromEnvironment(&s.Domain, "AUTH0_DOMAIN")
	fromEnvironment(&s.ClientID, "AUTH0_CLIENT_ID")
	fromEnvironment(&s.ClientSecret, "AUTH0_CLIENT_SECRET")
	fromEnvironment(&s.APIToken, "AUTH0_API_TOKEN")
	fromEnvironment(&s.Audience, "AUTH0_AUDIENCE")
	return diags
}

func (s *auth0Settings) provider(userAgent string, warn func(string)) (idp.Provider, error) {
	if s.Domain.ValueString() == "" {
		return nil, errors.New("the domain of the Auth0 tenant is missing: set auth0.domain in the provider block, or AUTH0_DOMAIN")
	}
	if s.APIToken.ValueString() == "" && (s.ClientID.ValueString() == "" || s.ClientSecret.ValueString() == "") {
		return nil, errors.New("credentials for Auth0 are missing: set auth0.client_id and auth0.client_secret in the provider block " +
			"(AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET), or auth0.api_token (AUTH0_API_TOKEN)")
	}
	return connect.Auth0{
		Domain: s.Domain.ValueString(), ClientID: s.ClientID.ValueString(), ClientSecret: s.ClientSecret.ValueString(),
		APIToken: s.APIToken.ValueString(), Audience: s.Audience.ValueString(),
	}.Open(connect.Options{UserAgent: userAgent, Warn: warn, MaxRequestsPerSecond: s.MaxRequestsPerSecond.ValueFloat64()})
}

// entraSettings are named as in the azuread provider. Graph's URL and the login's host follow from environment, unless
// they are given.
type entraSettings struct {
	TenantID            types.String `tfsdk:"tenant_id"`
	ClientID            types.String `tfsdk:"client_id"`
	ClientSecret        types.String `tfsdk:"client_secret"`
	ClientCertificate   types.String `tfsdk:"client_certificate"`
	CertificatePassword types.String `tfsdk:"client_certificate_password"`
	UseMSI              types.Bool   `tfsdk:"use_msi"`
	UseOIDC             types.Bool   `tfsdk:"use_oidc"`
	OIDCToken           types.String `tfsdk:"oidc_token"`
	OIDCTokenFilePath   types.String `tfsdk:"oidc_token_file_path"`
	Environment         types.String `tfsdk:"environment"`
	GraphURL            types.String `tfsdk:"graph_url"`
	LoginHost           types.String `tfsdk:"login_host"`

	MaxRequestsPerSecond types.Float64 `tfsdk:"max_requests_per_second"`
}

func entraSchema() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "How to reach Microsoft Graph. Names and environment variables (`ARM_*`) are those of the azuread provider. Without " +
			"a secret, a certificate, OIDC or a managed identity, the Azure CLI's login is used.",
		Attributes: map[string]schema.Attribute{
			"tenant_id":                   text("Id of the tenant. Environment: `ARM_TENANT_ID`."),
			"client_id":                   text("Client id of the application that Terraform signs in as. Environment: `ARM_CLIENT_ID`."),
			"client_secret":               secret("Its client secret. Environment: `ARM_CLIENT_SECRET`."),
			"client_certificate":          secret("Its certificate with the private key: PKCS #12 in base64. Environment: `ARM_CLIENT_CERTIFICATE`."),
			"client_certificate_password": secret("Password of the certificate. Environment: `ARM_CLIENT_CERTIFICATE_PASSWORD`."),
			"use_msi":                     schema.BoolAttribute{Optional: true, MarkdownDescription: "Sign in as the machine's managed identity. Environment: `ARM_USE_MSI`."},
			"use_oidc":                    schema.BoolAttribute{Optional: true, MarkdownDescription: "Sign in with an OIDC token. Environment: `ARM_USE_OIDC`."},
			"oidc_token":                  secret("The OIDC token. Environment: `ARM_OIDC_TOKEN`."),
			"oidc_token_file_path":        text("File of the OIDC token. Environment: `ARM_OIDC_TOKEN_FILE_PATH`."),
			"environment":                 text("Microsoft cloud: `public` (default), `usgovernment`, `dod` or `china`. Environment: `ARM_ENVIRONMENT`."),
			"graph_url":                   text("URL of Microsoft Graph, instead of the cloud's own. Environment: `OIDCS3_ENTRA_GRAPH_URL`."),
			"login_host":                  text("Host of the login, instead of the cloud's own. Environment: `OIDCS3_ENTRA_LOGIN_HOST`."),
			"max_requests_per_second": schema.Float64Attribute{Optional: true, Validators: []validator.Float64{float64validator.AtLeast(0.1)},
				MarkdownDescription: "Most requests a second that are sent to Microsoft Graph. Without it only the rate that its answers tell counts."},
		},
	}
}

func (s *entraSettings) read(ctx context.Context, object types.Object) diag.Diagnostics {
	diags := readObject(ctx, object, s)
	fromEnvironment(&s.TenantID, "ARM_TENANT_ID")
	fromEnvironment(&s.ClientID, "ARM_CLIENT_ID")
	fromEnvironment(&s.ClientSecret, "ARM_CLIENT_SECRET")
	fromEnvironment(&s.ClientCertificate, "ARM_CLIENT_CERTIFICATE")
	fromEnvironment(&s.CertificatePassword, "ARM_CLIENT_CERTIFICATE_PASSWORD")
	fromEnvironment(&s.OIDCToken, "ARM_OIDC_TOKEN")
	fromEnvironment(&s.OIDCTokenFilePath, "ARM_OIDC_TOKEN_FILE_PATH")
	fromEnvironment(&s.Environment, "ARM_ENVIRONMENT")
	fromEnvironment(&s.GraphURL, "OIDCS3_ENTRA_GRAPH_URL")
	fromEnvironment(&s.LoginHost, "OIDCS3_ENTRA_LOGIN_HOST")
	switchFromEnvironment(&s.UseOIDC, "ARM_USE_OIDC")
	switchFromEnvironment(&s.UseMSI, "ARM_USE_MSI")
	return diags
}

func (s *entraSettings) provider(userAgent string, warn func(string)) (idp.Provider, error) {
	if s.TenantID.ValueString() == "" {
		return nil, errors.New("the Entra tenant is missing: set entra.tenant_id in the provider block, or ARM_TENANT_ID")
	}
	return connect.Entra{
		TenantID: s.TenantID.ValueString(), ClientID: s.ClientID.ValueString(), ClientSecret: s.ClientSecret.ValueString(),
		ClientCertificate: s.ClientCertificate.ValueString(), CertificatePassword: s.CertificatePassword.ValueString(),
		UseMSI: s.UseMSI.ValueBool(), UseOIDC: s.UseOIDC.ValueBool(), OIDCToken: s.OIDCToken.ValueString(),
		OIDCTokenFilePath: s.OIDCTokenFilePath.ValueString(), Environment: s.Environment.ValueString(),
		GraphURL: s.GraphURL.ValueString(), LoginHost: s.LoginHost.ValueString(),
	}.Open(connect.Options{UserAgent: userAgent, Warn: warn, MaxRequestsPerSecond: s.MaxRequestsPerSecond.ValueFloat64()})
}

// cognitoSettings say where a Cognito foundation is, for imports: the role alone does not tell.
type cognitoSettings struct {
	UserPoolID types.String `tfsdk:"user_pool_id"`
	Domain     types.String `tfsdk:"domain"`
	vendingModel
}

func cognitoSchema() schema.Attribute {
	return schema.SingleNestedAttribute{
		Optional: true,
		MarkdownDescription: "Where the Cognito foundation and the credential vending service are. Only imports need it: a role does not tell. " +
			"AWS credentials are those of `aws`.",
		Attributes: map[string]schema.Attribute{
			"user_pool_id":            text("Id of the user pool. Environment: `OIDCS3_COGNITO_USER_POOL_ID`."),
			"domain":                  text("Domain of the user pool. Environment: `OIDCS3_COGNITO_DOMAIN`."),
			"vending_role_arn":        text("ARN of the role that the credential vending service runs as. Environment: `OIDCS3_VENDING_ROLE_ARN`."),
			"vending_url":             text("URL of the credential vending service. Environment: `OIDCS3_VENDING_URL`."),
			"client_roles_table_name": text("DynamoDB table that maps clients to roles. Environment: `OIDCS3_CLIENT_ROLES_TABLE`."),
		},
	}
}

func (s *cognitoSettings) read(ctx context.Context, object types.Object) diag.Diagnostics {
	diags := readObject(ctx, object, s)
	fromEnvironment(&s.UserPoolID, "OIDCS3_COGNITO_USER_POOL_ID")
	fromEnvironment(&s.Domain, "OIDCS3_COGNITO_DOMAIN")
	fromEnvironment(&s.RoleARN, "OIDCS3_VENDING_ROLE_ARN")
	fromEnvironment(&s.URL, "OIDCS3_VENDING_URL")
	fromEnvironment(&s.Table, "OIDCS3_CLIENT_ROLES_TABLE")
	return diags
}

func text(description string, rules ...validator.String) schema.StringAttribute {
	return schema.StringAttribute{Optional: true, MarkdownDescription: description, Validators: rules}
}

func secret(description string, rules ...validator.String) schema.StringAttribute {
	return schema.StringAttribute{Optional: true, Sensitive: true, MarkdownDescription: description, Validators: rules}
}
