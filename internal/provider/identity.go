package provider

import (
	"context"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// Values of federation: how AWS comes to trust the server's tokens.
const (
	federationSTS     = "sts"
	federationVending = "vending"
)

// Values of auth0.token_profile and entra.token_version that let the API decide, and those that do not.
const (
	auto               = "auto"
	profileRFC9068     = "rfc9068"
	profileAccessToken = "access_token"
	version1           = "v1"
	version2           = "v2"
)

type auth0Model struct {
	Audience        types.String `tfsdk:"audience"`
	OIDCProviderARN types.String `tfsdk:"oidc_provider_arn"`
	TokenProfile    types.String `tfsdk:"token_profile"`
	vendingModel
}

type entraModel struct {
	Audience        types.String `tfsdk:"audience"`
	OIDCProviderARN types.String `tfsdk:"oidc_provider_arn"`
	APIClientID     types.String `tfsdk:"api_client_id"`
	TokenVersion    types.String `tfsdk:"token_version"`
	vendingModel
}

type cognitoModel struct {
	UserPoolID    types.String `tfsdk:"user_pool_id"`
	Domain        types.String `tfsdk:"domain"`
	AllowedScopes types.Set    `tfsdk:"allowed_scopes"`
	vendingModel
}

// vendingModel is where the credential vending service is; every identity provider may use it.
type vendingModel struct {
	RoleARN types.String `tfsdk:"vending_role_arn"`
	URL     types.String `tfsdk:"vending_url"`
	Table   types.String `tfsdk:"client_roles_table_name"`
}

var vendingTypes = map[string]attr.Type{
	"vending_role_arn": types.StringType, "vending_url": types.StringType, "client_roles_table_name": types.StringType,
}

// identityTypes are the types of the nested attributes, by identity provider.
var identityTypes = map[idp.Kind]map[string]attr.Type{
	idp.Auth0: withVending(map[string]attr.Type{
		"audience": types.StringType, "oidc_provider_arn": types.StringType, "token_profile": types.StringType,
	}),
	idp.Entra: withVending(map[string]attr.Type{
		"audience": types.StringType, "oidc_provider_arn": types.StringType, "api_client_id": types.StringType, "token_version": types.StringType,
	}),
	idp.Cognito: withVending(map[string]attr.Type{
		"user_pool_id": types.StringType, "domain": types.StringType, "allowed_scopes": types.SetType{ElemType: types.StringType},
	}),
}

func withVending(own map[string]attr.Type) map[string]attr.Type {
	for name, t := range vendingTypes {
		own[name] = t
	}
	return own
}

// identity is the one identity provider that a model names, with how AWS trusts it.
type identity struct {
	kind       idp.Kind
	federation types.String
	auth0      auth0Model
	entra      entraModel
	cognito    cognitoModel
}

// identity reads the one nested attribute that is set; ok is false where something about it is not known yet.
func (m *serverAccessModel) identity(ctx context.Context) (i identity, ok bool, diags diag.Diagnostics) {
	i.federation = m.Federation
	for _, candidate := range []struct {
		kind   idp.Kind
		object types.Object
		into   any
	}{{idp.Auth0, m.Auth0, &i.auth0}, {idp.Entra, m.Entra, &i.entra}, {idp.Cognito, m.Cognito, &i.cognito}} {
		if candidate.object.IsUnknown() {
			return i, false, diags
		}
		if candidate.object.IsNull() {
			continue
		}
		i.kind = candidate.kind
		diags.Append(candidate.object.As(ctx, candidate.into, basetypes.ObjectAsOptions{})...)
	}
	return i, i.kind != "" && i.known() && !diags.HasError(), diags
}

// values are all values of the identity.
func (i identity) values() []attr.Value {
	v := i.vending()
	own := []attr.Value{i.federation, v.RoleARN, v.URL, v.Table}
	switch i.kind {
	case idp.Auth0:
		return append(own, i.auth0.Audience, i.auth0.OIDCProviderARN, i.auth0.TokenProfile)
	case idp.Entra:
		return append(own, i.entra.Audience, i.entra.OIDCProviderARN, i.entra.APIClientID, i.entra.TokenVersion)
	case idp.Cognito:
		return append(own, i.cognito.UserPoolID, i.cognito.Domain, i.cognito.AllowedScopes)
	}
	return own
}

func (i identity) known() bool {
	return !slices.ContainsFunc(i.values(), attr.Value.IsUnknown)
}

// equal reports whether two identities ask for the same trust.
func (i identity) equal(other identity) bool {
	return i.kind == other.kind && slices.EqualFunc(i.values(), other.values(), attr.Value.Equal)
}

func (i identity) vending() vendingModel {
	switch i.kind {
	case idp.Auth0:
		return i.auth0.vendingModel
	case idp.Entra:
		return i.entra.vendingModel
	}
	return i.cognito.vendingModel
}

// providerARN is the OIDC provider that the role trusts, which is in the role's account; empty where none takes part.
func (i identity) providerARN() string {
	if i.kind == idp.Entra {
		return i.entra.OIDCProviderARN.ValueString()
	}
	return i.auth0.OIDCProviderARN.ValueString()
}

// mode is the trust mode that the configuration fixes; empty where the API decides.
func (i identity) mode() access.Mode {
	if i.federation.ValueString() == federationVending {
		return access.Vending
	}
	switch {
	case i.auth0.TokenProfile.ValueString() == profileRFC9068, i.entra.TokenVersion.ValueString() == version1:
		return access.Plain
	case i.auth0.TokenProfile.ValueString() == profileAccessToken, i.entra.TokenVersion.ValueString() == version2:
		return access.AZP
	}
	return ""
}

// desired is the identity as the controller takes it. The account's partition is that of the ARN that it trusts.
func (i identity) desired(ctx context.Context) (wanted onboarding.Identity, partition string, diags diag.Diagnostics) {
	v := i.vending()
	wanted = onboarding.Identity{
		Mode:        i.mode(),
		ProviderARN: i.providerARN(),
		Vending:     onboarding.Vending{RoleARN: v.RoleARN.ValueString(), URL: v.URL.ValueString(), Table: v.Table.ValueString()},
	}
	switch i.kind {
	case idp.Auth0:
		wanted.Audience = i.auth0.Audience.ValueString()
	case idp.Entra:
		wanted.Audience = i.entra.Audience.ValueString()
	case idp.Cognito:
		wanted.Audience, wanted.Domain = i.cognito.UserPoolID.ValueString(), i.cognito.Domain.ValueString()
		diags.Append(i.cognito.AllowedScopes.ElementsAs(ctx, &wanted.Scopes, false)...)
	}
	return wanted, i.trusted().Partition, diags
}

// trusted is the ARN that the role trusts; zero while that is not known. The partition is the role's. So is the account of an
// OIDC provider, but the credential vending service may be in another one.
func (i identity) trusted() access.ARN {
	for _, value := range []types.String{i.auth0.OIDCProviderARN, i.entra.OIDCProviderARN, i.vending().RoleARN} {
		if arn, err := access.ParseARN(value.ValueString()); err == nil {
			return arn
		}
	}
	return access.ARN{}
}
