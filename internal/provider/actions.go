package provider

import (
	"context"
	"maps"

	"github.com/hashicorp/terraform-plugin-framework-validators/actionvalidator"
	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/action/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

var _ provider.ProviderWithActions = (*oidcs3Provider)(nil)

// Actions implements provider.ProviderWithActions. Terraform 1.14 and later have them, OpenTofu has not.
func (p *oidcs3Provider) Actions(context.Context) []func() action.Action {
	return []func() action.Action{newRotateSecret, newDisableServer, newEnableServer}
}

// serverAction is what all actions share: each is done to one server, which it finds by its role.
type serverAction struct{ of serverAccess }

func (a *serverAction) Configure(_ context.Context, req action.ConfigureRequest, resp *action.ConfigureResponse) {
	clouds, diags := cloudsOf(req.ProviderData)
	resp.Diagnostics.Append(diags...)
	a.of.clouds = clouds
}

func (a *serverAction) ConfigValidators(context.Context) []action.ConfigValidator {
	return []action.ConfigValidator{actionvalidator.ExactlyOneOf(path.MatchRoot("id"), path.MatchRoot("server_name"))}
}

type serverActionModel struct {
	ID          types.String `tfsdk:"id"`
	ServerName  types.String `tfsdk:"server_name"`
	Environment types.String `tfsdk:"environment"`
}

// serverActionSchema says which server is meant, with what the action takes besides.
func serverActionSchema(description string, more map[string]schema.Attribute) schema.Schema {
	attributes := map[string]schema.Attribute{
		"id": schema.StringAttribute{Optional: true,
			MarkdownDescription: "Which server: `<server_name>`, `<environment>/<server_name>`, the name of its role or its ARN."},
		"server_name": schema.StringAttribute{Optional: true, MarkdownDescription: "Name of the server, in place of `id`.",
			Validators: []validator.String{accepted("server name", access.ValidateServerName)}},
		"environment": schema.StringAttribute{Optional: true, MarkdownDescription: "Environment of the server. Defaults to the provider's.",
			Validators: []validator.String{accepted("environment", access.ValidateEnvironment)}},
	}
	maps.Copy(attributes, more)
	return schema.Schema{MarkdownDescription: description, Attributes: attributes}
}

// known reports whether it can be told yet which server is meant.
func (m serverActionModel) known() bool {
	return !m.ID.IsUnknown() && !m.ServerName.IsUnknown() && !m.Environment.IsUnknown()
}

// find reads the role of the server.
func (a *serverAction) find(ctx context.Context, m serverActionModel) (iam.Role, onboarding.Server, error) {
	return a.of.locate(ctx, resource.ImportStateRequest{ID: serverID(m.ID, m.Environment, m.ServerName)})
}
