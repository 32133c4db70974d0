package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/list/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

var _ list.ListResourceWithConfigure = (*serverAccessList)(nil)

// serverAccessList lists the servers that oidcs3 has onboarded, by the tags of their roles, for `terraform query`.
type serverAccessList struct{ of serverAccess }

func newServerAccessList() list.ListResource { return &serverAccessList{} }

func (l *serverAccessList) Metadata(ctx context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	l.of.Metadata(ctx, req, resp)
}

func (l *serverAccessList) Configure(ctx context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	l.of.Configure(ctx, req, resp)
}

type serverAccessListModel struct {
	Environment types.String `tfsdk:"environment"`
}

func (l *serverAccessList) ListResourceConfigSchema(_ context.Context, _ list.ListResourceSchemaRequest, resp *list.ListResourceSchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Lists the servers of the provider's project in the AWS account: the roles that carry oidcs3's tags.",
		Attributes: map[string]schema.Attribute{
			"environment": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Environment whose servers are listed. Defaults to the provider's, and without one to all.",
				Validators:          []validator.String{accepted("environment", access.ValidateEnvironment)},
			},
		},
	}
}

// List implements list.ListResource.
func (l *serverAccessList) List(ctx context.Context, req list.ListRequest, stream *list.ListResultsStream) {
	var model serverAccessListModel
	diags := req.Config.Get(ctx, &model)
	if l.of.clouds == nil || l.of.clouds.settings.unknown {
		diags.AddError("A query needs the provider's settings", "Some of them are not known.")
	}
	if diags.HasError() {
		stream.Results = list.ListResultsStreamDiagnostics(diags)
		return
	}
	servers, diags := l.of.clouds.servers(ctx, &model.Environment)
	if diags.HasError() {
		stream.Results = list.ListResultsStreamDiagnostics(diags)
		return
	}
	stream.Results = func(push func(list.ListResult) bool) {
		left := req.Limit
		for _, role := range servers {
			if !push(l.result(ctx, req, role, onboarding.JournalOf(role))) {
				return
			}
			if left--; left == 0 { // a limit of 0 is none
				return
			}
		}
	}
}

// result is one server of the list.
func (l *serverAccessList) result(ctx context.Context, req list.ListRequest, role iam.Role, j onboarding.Journal) list.ListResult {
	result := req.NewListResult(ctx)
	result.DisplayName = j.Environment + "/" + j.Server + " (" + string(j.Provider) + ")"
	if j.Phase == onboarding.Pending {
		result.DisplayName += ", unfinished"
	}
	result.Diagnostics.Append(identify(ctx, result.Identity, role.Name, role.ARN)...)
	if !req.IncludeResource {
		return result
	}
	model, diags := l.of.view(ctx, role, onboarding.Server{Environment: j.Environment, Name: j.Server})
	if diags.HasError() { // one that cannot be read must not hide the others
		for _, d := range diags.Errors() {
			result.Diagnostics.AddWarning(d.Summary(), d.Detail())
		}
		return result
	}
	result.Diagnostics.Append(result.Resource.Set(ctx, model)...)
	return result
}

// view is the state that an import of the role would make.
func (r *serverAccess) view(ctx context.Context, role iam.Role, server onboarding.Server) (*serverAccessModel, diag.Diagnostics) {
	model, diags := r.adopted(ctx, role, server)
	if diags.HasError() {
		return nil, diags
	}
	controller, want, i, more := r.target(ctx, model)
	diags.Append(more...)
	if diags.HasError() {
		return nil, diags
	}
	observed, err := controller.Observe(ctx, want, onboarding.Reference{ClientID: model.ClientID.ValueString(), RoleARN: role.ARN})
	if err != nil {
		return nil, append(diags, diagnose("Server access could not be read", err)...)
	}
	diags.Append(model.show(ctx, i, observed, r.clouds.settings)...)
	return model, diags
}
