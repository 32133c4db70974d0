package provider

import (
	"context"
	"fmt"
	"strings"

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
	role, server, err := r.locate(ctx, req.ID)
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
}

// locate reads the role that an import id means: <server_name>, <environment>/<server_name>, the role's name or its ARN.
func (r *serverAccess) locate(ctx context.Context, id string) (iam.Role, onboarding.Server, error) {
	roles, err := r.clouds.roles(ctx)
	if err != nil {
		return iam.Role{}, onboarding.Server{}, err
	}
	names, err := onboarding.RoleNames(id, r.clouds.settings.project, r.clouds.settings.environment)
	if err != nil {
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
		server, err := onboarding.ServerOf(role, r.clouds.settings.project, r.clouds.settings.environment)
		return role, server, err
	}
	return iam.Role{}, onboarding.Server{}, fmt.Errorf("there is no role %s", strings.Join(names, " or "))
}

// adopted reads a role into a model.
func (r *serverAccess) adopted(ctx context.Context, role iam.Role, server onboarding.Server) (*serverAccessModel, diag.Diagnostics) {
	trust, err := access.ParseTrust(role.TrustPolicy)
	if err != nil {
		return nil, diagnose("Trust policy of role "+role.Name+" cannot be expressed", err)
	}
	permissions, _, err := access.ParsePermissions(ours(role.InlinePolicies))
	if err != nil {
		return nil, diagnose("Permissions of role "+role.Name+" cannot be expressed", err)
	}
	kind, clientID, err := onboarding.ClientOf(trust)
	if err != nil {
		return nil, diagnose("Trust policy of role "+role.Name+" cannot be expressed", err)
	}
	model := &serverAccessModel{
		ServerName:           types.StringValue(server.Name),
		Environment:          types.StringValue(server.Environment),
		ClientAuthentication: types.ObjectNull(clientAuthenticationTypes),
		BucketName:           types.StringValue(permissions.Bucket),
		S3PathPrefix:         types.StringValue(permissions.Prefix),
		S3Permissions:        types.StringValue(string(permissions.Permission)),
		KMSKeyARN:            optional(permissions.KMSKeyARN),
		DeletionProtection:   types.BoolValue(false),
		Tags:                 types.MapNull(types.StringType),
		TagsAll:              stringMap(onboarding.Journal{}.UserTags(role.Tags)),
		Drift:                stringList(nil),
		ClientID:             types.StringValue(clientID),
		Timeouts:             noTimeouts(),
	}
	model.Auth0 = types.ObjectValueMust(auth0Types, map[string]attr.Value{
		"audience":          types.StringValue(trust.Audience),
		"oidc_provider_arn": types.StringValue(trust.ProviderARN),
		"token_profile":     types.StringValue(profileAuto),
	})
	return model, r.resolveImported(ctx, kind, trust, model)
}

// resolveImported adds what the identity provider says of the API. The mode is the one that the trust policy has.
func (r *serverAccess) resolveImported(ctx context.Context, kind idp.Kind, trust access.Trust, model *serverAccessModel) diag.Diagnostics {
	region, err := r.clouds.region(ctx)
	if err != nil {
		return diagnose("AWS cannot be used", err)
	}
	want, diags := model.desired(ctx, r.clouds.settings.project, region)
	controller, err := r.clouds.controller(ctx, kind)
	if err != nil {
		return append(diags, diagnose("The identity provider cannot be used", err)...)
	}
	want.Identity.Mode = trust.Mode
	resolved, err := controller.Resolve(ctx, want)
	if err != nil {
		i, _, _ := model.identity(ctx)
		return append(diags, diagnoseAt(i, "Server access was not imported", err)...)
	}
	model.setResolved(resolved)
	return diags
}
