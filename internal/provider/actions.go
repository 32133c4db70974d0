package provider

import (
	"context"
	"maps"

	"github.com/hashicorp/terraform-plugin-framework-validators/actionvalidator"
	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/action/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
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

// serverActionSchema says which server is meant, with what the action takes besides.
func serverActionSchema(description string, more map[string]schema.Attribute) schema.Schema {
	attributes := map[string]schema.Attribute{
		"id": schema.StringAttribute{Optional: true, MarkdownDescription: aboutID},
		"server_name": schema.StringAttribute{Optional: true, MarkdownDescription: aboutServerName,
			Validators: []validator.String{accepted("server name", access.ValidateServerName)}},
		"environment": schema.StringAttribute{Optional: true, MarkdownDescription: aboutEnvironment,
			Validators: []validator.String{accepted("environment", access.ValidateEnvironment)}},
	}
	maps.Copy(attributes, more)
	return schema.Schema{MarkdownDescription: description, Attributes: attributes}
}
