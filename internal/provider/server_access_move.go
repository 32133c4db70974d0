package provider

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

var (
	_ resource.ResourceWithMoveState    = (*serverAccess)(nil)
	_ resource.ResourceWithUpgradeState = (*serverAccess)(nil)
)

// stateVersion is the version of the state's schema. Attributes may come without a new one. Whoever takes one away, or
// changes its type, raises it, adds an upgrader to UpgradeState, and keeps testdata/state of the version before.
const stateVersion = 0

// UpgradeState implements resource.ResourceWithUpgradeState. There is no earlier version yet.
func (r *serverAccess) UpgradeState(context.Context) map[int64]resource.StateUpgrader {
	return map[int64]resource.StateUpgrader{}
}

// MoveState implements resource.ResourceWithMoveState: a moved block makes the role of a plain module into the server's
// access. Terraform asks before the provider is configured, so nothing can be looked up here: the state names the role
// alone, and the Read that follows takes the rest from it, as an import does.
func (r *serverAccess) MoveState(context.Context) []resource.StateMover {
	return []resource.StateMover{{StateMover: moveRole}}
}

// movedRole is what is read of the state of an aws_iam_role. name and arn have been in it, as strings, in every version.
type movedRole struct {
	Name string `json:"name"`
	ARN  string `json:"arn"`
}

func moveRole(ctx context.Context, req resource.MoveStateRequest, resp *resource.MoveStateResponse) {
	// OpenTofu 1.11 tells the provider that the type's name implies, "aws", where Terraform tells the address.
	address := req.SourceProviderAddress
	if req.SourceTypeName != "aws_iam_role" || address != "aws" && !strings.HasSuffix(address, "/hashicorp/aws") {
		return
	}
	var role movedRole
	if err := json.Unmarshal(req.SourceRawState.JSON, &role); err != nil || role.Name == "" || role.ARN == "" {
		resp.Diagnostics.AddError("Role cannot be moved", "The state of the aws_iam_role names no role. Import the server's access instead.")
		return
	}
	model := blankModel()
	model.RoleName, model.RoleARN = types.StringValue(role.Name), types.StringValue(role.ARN)
	resp.Diagnostics.Append(resp.TargetState.Set(ctx, &model)...)
	resp.Diagnostics.Append(identify(ctx, resp.TargetIdentity, role.Name, role.ARN)...)
}

// blankModel is a model with nothing in it.
func blankModel() serverAccessModel {
	return serverAccessModel{
		Auth0:                types.ObjectNull(identityTypes[idp.Auth0]),
		Entra:                types.ObjectNull(identityTypes[idp.Entra]),
		Cognito:              types.ObjectNull(identityTypes[idp.Cognito]),
		ClientAuthentication: types.ObjectNull(clientAuthenticationTypes),
		Tags:                 types.MapNull(types.StringType),
		TagsAll:              types.MapNull(types.StringType),
		Drift:                types.ListNull(types.StringType),
		Timeouts:             noTimeouts(),
	}
}

// unread reports whether the state names a role and nothing else: one that was moved and not read yet.
func (m *serverAccessModel) unread() bool {
	return m.ServerName.IsNull() && !m.RoleName.IsNull()
}

// complete reads into the model what a move has left out. gone: the role does not exist.
func (r *serverAccess) complete(ctx context.Context, model *serverAccessModel) (gone bool, diags diag.Diagnostics) {
	const summary = "Server access was not moved"
	roles, err := r.clouds.roles(ctx)
	if err != nil {
		return false, diagnose(summary, err)
	}
	role, err := roles.Read(ctx, model.RoleName.ValueString())
	if apierror.Is(err, apierror.NotFound) {
		return true, nil
	}
	if err != nil {
		return false, diagnose(summary, err)
	}
	server, err := onboarding.ServerOf(role, r.clouds.settings.project, r.clouds.settings.environment)
	if err != nil {
		return false, diagnose(summary, err)
	}
	adopted, diags := r.adopted(ctx, role, server)
	if !diags.HasError() {
		*model = *adopted
	}
	return false, diags
}
