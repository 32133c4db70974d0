package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// selector is how data source, ephemeral resource and actions say which server is meant: by id, or by its name and, where it
// is not the provider's, its environment.
type selector struct {
	ID          types.String `tfsdk:"id"`
	ServerName  types.String `tfsdk:"server_name"`
	Environment types.String `tfsdk:"environment"`
}

// What the schemas say of a selector's attributes.
const (
	aboutID          = "Which server: `<server_name>`, `<environment>/<server_name>`, the name of its role or its ARN."
	aboutServerName  = "Name of the server, in place of `id`."
	aboutEnvironment = "Environment of the server. Defaults to the provider's."
)

// known reports whether it can be told yet which server is meant.
func (s selector) known() bool {
	return !s.ID.IsUnknown() && !s.ServerName.IsUnknown() && !s.Environment.IsUnknown()
}

// importID names the server as an import would.
func (s selector) importID() string {
	switch {
	case !s.ID.IsNull():
		return s.ID.ValueString()
	case s.Environment.ValueString() != "":
		return s.Environment.ValueString() + "/" + s.ServerName.ValueString()
	}
	return s.ServerName.ValueString()
}

// find reads the role of the server that is meant.
func (r *serverAccess) find(ctx context.Context, s selector) (iam.Role, onboarding.Server, error) {
	return r.locate(ctx, resource.ImportStateRequest{ID: s.importID()})
}
