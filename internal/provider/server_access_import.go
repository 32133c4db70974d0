package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// ImportState finds everything from the role: which server it is, which client its trust policy lets in, and what its
// policies grant. Read then completes the state.
func (r *serverAccess) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	if r.clouds == nil || r.clouds.settings.unknown {
		resp.Diagnostics.AddError("Import needs the provider's settings", "Some of them are known only after apply.")
		return
	}
	role, server, err := r.locate(ctx, req)
	if err != nil {
		resp.Diagnostics.Append(diagnose("Server access was not imported", err)...)
		return
	}
	model, diags := r.adopted(ctx, role, server)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, model)...)
	if resp.Identity != nil { // what an import block left out of it is added
		resp.Diagnostics.Append(resp.Identity.Set(ctx, identityOf(role.Name, role.ARN))...)
	}
}

// locate reads the role that an import means: by its identity, or by an id, which is <server_name>,
// <environment>/<server_name>, the role's name or its ARN.
func (r *serverAccess) locate(ctx context.Context, req resource.ImportStateRequest) (iam.Role, onboarding.Server, error) {
	roles, err := r.clouds.roles(ctx)
	if err != nil {
		return iam.Role{}, onboarding.Server{}, err
	}
	var identity serverAccessIdentity
	var names []string
	if req.ID == "" && req.Identity != nil {
		if req.Identity.Get(ctx, &identity).HasError() {
			return iam.Role{}, onboarding.Server{}, errors.New("the identity cannot be read")
		}
		names = []string{identity.RoleName.ValueString()}
	} else if names, err = onboarding.RoleNames(req.ID, r.clouds.settings.project, r.clouds.settings.environment); err != nil {
		return iam.Role{}, onboarding.Server{}, err
	}
	for _, name := range names {
		role, err := roles.Read(ctx, name)
		if apierror.Is(err, apierror.NotFound) {
			continue
		}
		if err != nil {
			return iam.Role{}, onboarding.Server{}, err
		}
		if err := identity.check(role); err != nil {
			return iam.Role{}, onboarding.Server{}, err
		}
		server, err := onboarding.ServerOf(role, r.clouds.settings.project, r.clouds.settings.environment)
		return role, server, err
	}
	return iam.Role{}, onboarding.Server{}, fmt.Errorf("there is no role %s", strings.Join(names, " or "))
}

// adopted reads a role into a model.
func (r *serverAccess) adopted(ctx context.Context, role iam.Role, server onboarding.Server) (*serverAccessModel, diag.Diagnostics) {
	const summary = "Server access was not imported"
	var diags diag.Diagnostics
	trust, edited, err := access.ParseEditedTrust(role.TrustPolicy)
	if err != nil {
		return nil, diagnose(summary, trustRefusal(role, err))
	}
	if edited != "" {
		diags.AddWarning("Trust policy of role "+role.Name+" is not what oidcs3 writes",
			sentence(errors.New(edited))+" The next apply replaces the policy by the one in trust_policy of its plan.")
	}
	permissions, _, err := access.ParsePermissions(ours(role.InlinePolicies))
	if err != nil {
		return nil, diagnose(summary, permissionsRefusal(role, permissions, err))
	}
	kind, which, err := onboarding.ClientOf(role, trust)
	if err != nil {
		return nil, diagnose(summary, trustRefusal(role, err))
	}
	model := &serverAccessModel{
		ServerName:           types.StringValue(server.Name),
		Environment:          types.StringValue(server.Environment),
		RoleName:             types.StringValue(role.Name),
		RoleARN:              types.StringValue(role.ARN),
		Federation:           types.StringValue(federationSTS),
		Auth0:                types.ObjectNull(identityTypes[idp.Auth0]),
		Entra:                types.ObjectNull(identityTypes[idp.Entra]),
		Cognito:              types.ObjectNull(identityTypes[idp.Cognito]),
		ClientAuthentication: types.ObjectNull(clientAuthenticationTypes),
		BucketName:           types.StringValue(permissions.Bucket),
		S3PathPrefix:         types.StringValue(permissions.Prefix),
		S3Permissions:        types.StringValue(string(permissions.Permission)),
		KMSKeyARN:            optional(permissions.KMSKeyARN),
		MaxSessionDuration:   types.Int64Value(int64(role.MaxSessionDuration / time.Second)),
		PermissionsBoundary:  optional(role.PermissionsBoundary),
		AllowPrefixOverlap:   types.BoolValue(false),
		Enabled:              types.BoolValue(!onboarding.ShutOut(role)),
		WaitForAccess:        types.BoolValue(true),
		DeletionProtection:   types.BoolValue(false),
		Tags:                 types.MapNull(types.StringType),
		TagsAll:              stringMap(r.clouds.settings.ignoreTags.without(onboarding.Journal{}.UserTags(role.Tags))),
		Drift:                stringList(nil),
		Timeouts:             noTimeouts(),
	}
	if where := onboarding.JournalOf(role).Storage; where != onboarding.State {
		model.ClientAuthentication = authenticating(idp.ClientSecret, types.StringValue(string(where)))
	}
	diags.Append(model.adoptIdentity(kind, trust, r.clouds.settings.cognito)...)
	if diags.HasError() {
		return nil, diags
	}
	diags.Append(r.resolveImported(ctx, role, trust, which, model)...)
	return model, diags
}

// authenticating is what an import can tell of client_authentication. Identity providers do not show whole public keys.
func authenticating(method idp.Method, storage types.String) types.Object {
	return types.ObjectValueMust(clientAuthenticationTypes, map[string]attr.Value{
		"method": types.StringValue(string(method)), "public_key_pem": types.StringNull(),
		"secret_storage": storage, "secret_arn": types.StringNull(),
		"rotation_triggers": types.MapNull(types.StringType), "allow_downtime": types.BoolNull(),
	})
}

// trustRefusal says why a role's trust policy cannot be taken over.
func trustRefusal(role iam.Role, err error) error {
	return &onboarding.Refusal{
		Reason: fmt.Sprintf("the trust policy of role %s cannot be expressed: %v", role.Name, err), Err: err,
		Advice: "Give the role a trust policy that lets in the server's client and nobody else, and import again.",
	}
}

// permissionsRefusal says why a role's inline policies cannot be taken over.
func permissionsRefusal(role iam.Role, found access.Permissions, err error) error {
	refusal := &onboarding.Refusal{
		Reason: fmt.Sprintf("the permissions of role %s cannot be expressed: %v", role.Name, err), Err: err,
		Advice: "Take out of the policies what oidcs3 does not write and import again, or leave this server with the configuration that made it.",
	}
	if p := found.Prefix; p != "" && !strings.HasSuffix(p, "/") {
		refusal.Advice = fmt.Sprintf("%q also lets the server at %q and the like, so oidcs3 writes prefixes that end in a slash alone. "+
			"Where all of the server's objects lie under %q, set that prefix in the configuration that made the role and apply it; "+
			"move the others there first. Then import again.", p+"*", p+"0/", p+"/")
	}
	return refusal
}

// adoptIdentity writes the nested attribute of the identity provider, as far as role and provider settings tell.
func (m *serverAccessModel) adoptIdentity(kind idp.Kind, trust access.Trust, settings cognitoSettings) diag.Diagnostics {
	values := map[string]attr.Value{
		"vending_role_arn": types.StringNull(), "vending_url": types.StringNull(), "client_roles_table_name": types.StringNull(),
	}
	switch {
	case kind == idp.Cognito:
		for name, value := range map[string]types.String{
			"user_pool_id": settings.UserPoolID, "domain": settings.Domain, "vending_url": settings.URL, "client_roles_table_name": settings.Table,
		} {
			if value.IsNull() {
				return diag.Diagnostics{diag.NewErrorDiagnostic("Import needs the Cognito foundation",
					"A role does not tell where its user pool is. Set cognito."+name+" in the provider block.")}
			}
			values[name] = value
		}
		m.Federation = types.StringValue(federationVending)
		values["vending_role_arn"] = types.StringValue(trust.VendingRoleARN)
		values["allowed_scopes"] = types.SetNull(types.StringType) // the client tells
		m.Cognito = types.ObjectValueMust(identityTypes[kind], values)
	case trust.Mode == access.Vending:
		return diag.Diagnostics{diag.NewErrorDiagnostic("Import not possible",
			fmt.Sprintf("The role trusts the credential vending service, and its client is one of %s: neither tells which API its tokens are for.", kind))}
	case kind == idp.Auth0:
		values["audience"], values["oidc_provider_arn"] = types.StringValue(trust.Audience), types.StringValue(trust.ProviderARN)
		values["token_profile"] = types.StringValue(auto)
		m.Auth0 = types.ObjectValueMust(identityTypes[kind], values)
	case kind == idp.Entra:
		values["audience"], values["oidc_provider_arn"] = types.StringValue(trust.Audience), types.StringValue(trust.ProviderARN)
		values["token_version"], values["api_client_id"] = types.StringValue(auto), types.StringNull()
		m.Entra = types.ObjectValueMust(identityTypes[kind], values)
	}
	return nil
}

// resolveImported adds what the identity provider says of API and client. The mode is the one that the trust policy has.
func (r *serverAccess) resolveImported(ctx context.Context, role iam.Role, trust access.Trust, which idp.Lookup, model *serverAccessModel) diag.Diagnostics {
	const summary = "Server access was not imported"
	region, err := r.clouds.region(ctx)
	if err != nil {
		return diagnose("AWS cannot be used", err)
	}
	i, _, diags := model.identity(ctx)
	want, more := model.desired(ctx, r.clouds.settings.project, region)
	diags.Append(more...)
	controller, err := r.clouds.controller(ctx, i)
	if err != nil {
		return append(diags, diagnose("The identity provider cannot be used", err)...)
	}
	want.Identity.Mode = trust.Mode
	resolved, err := controller.Resolve(ctx, want)
	if err != nil {
		return append(diags, diagnoseAt(i, summary, err)...)
	}
	model.setResolved(resolved)
	if which == (idp.Lookup{}) {
		if which, err = r.mapped(ctx, role, want.Identity.Vending.Table); err != nil {
			return append(diags, diagnose(summary, err)...)
		}
	}
	client, err := controller.Client(ctx, resolved.Desired, which)
	if err != nil {
		return append(diags, diagnose(summary, err)...)
	}
	model.ClientID = types.StringValue(client.ID)
	if client.Method == idp.PrivateKeyJWT {
		model.ClientAuthentication = authenticating(client.Method, types.StringValue(inState))
	}
	switch i.kind {
	case idp.Entra: // tokens of version 2 name the API by its client id; configurations know it by its URI
		if resolved.Identity.Audience != i.entra.Audience.ValueString() {
			model.Entra = replaced(model.Entra, "audience", types.StringValue(resolved.Identity.Audience))
		}
	case idp.Cognito:
		model.Cognito = replaced(model.Cognito, "allowed_scopes", stringSet(client.Scopes))
	}
	return diags
}

// mapped looks for the client of a role in the mapping table.
func (r *serverAccess) mapped(ctx context.Context, role iam.Role, table string) (idp.Lookup, error) {
	mappings, err := r.clouds.mappings(ctx)
	if err != nil {
		return idp.Lookup{}, err
	}
	rows, err := mappings.RowsOf(ctx, table, role.ARN)
	if err != nil {
		return idp.Lookup{}, fmt.Errorf("look for the client of role %s: %w", role.Name, err)
	}
	return onboarding.ClientOfRows(role, rows)
}

// replaced is an object with one value changed.
func replaced(object types.Object, name string, value attr.Value) types.Object {
	values := object.Attributes()
	values[name] = value
	return types.ObjectValueMust(object.AttributeTypes(context.Background()), values)
}
