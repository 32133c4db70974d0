package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

var _ datasource.DataSourceWithConfigure = (*serversData)(nil)

// serversData is the data source oidcs3_servers: all servers of an environment, as their roles tell.
type serversData struct{ clouds *clouds }

func newServersData() datasource.DataSource { return &serversData{} }

func (d *serversData) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_servers"
}

func (d *serversData) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	clouds, diags := cloudsOf(req.ProviderData)
	resp.Diagnostics.Append(diags...)
	d.clouds = clouds
}

type serversModel struct {
	Environment types.String  `tfsdk:"environment"`
	Servers     []serverModel `tfsdk:"servers"`
}

type serverModel struct {
	ID               types.String `tfsdk:"id"`
	ServerName       types.String `tfsdk:"server_name"`
	Environment      types.String `tfsdk:"environment"`
	Phase            types.String `tfsdk:"phase"`
	Enabled          types.Bool   `tfsdk:"enabled"`
	RoleName         types.String `tfsdk:"role_name"`
	RoleARN          types.String `tfsdk:"role_arn"`
	IdentityProvider types.String `tfsdk:"identity_provider"`
	ClientID         types.String `tfsdk:"client_id"`
	TrustMode        types.String `tfsdk:"trust_mode"`
	BucketName       types.String `tfsdk:"bucket_name"`
	S3PathPrefix     types.String `tfsdk:"s3_path_prefix"`
	S3Permissions    types.String `tfsdk:"s3_permissions"`
	Tags             types.Map    `tfsdk:"tags"`
}

func (d *serversData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	computed := func(text string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: text}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "All servers that oidcs3 has onboarded, as the tags and policies of their roles tell, in the order of their roles' names. The roles of the " +
			"account are listed once; no identity provider is asked.",
		Attributes: map[string]schema.Attribute{
			"environment": schema.StringAttribute{Optional: true, Computed: true,
				MarkdownDescription: "Environment whose servers are listed. Defaults to the provider's, and without one to all.",
				Validators:          []validator.String{accepted("environment", access.ValidateEnvironment)}},
			"servers": schema.ListNestedAttribute{Computed: true, MarkdownDescription: "The servers.", NestedObject: schema.NestedAttributeObject{
				Attributes: map[string]schema.Attribute{
					"id":                computed("`<environment>/<server_name>`."),
					"server_name":       computed("Name of the server."),
					"environment":       computed("Environment of the server."),
					"phase":             computed("`ready`, or `pending` where an onboarding was not finished: nobody can assume the role, and the next apply goes on with it."),
					"enabled":           schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether the role lets anybody in."},
					"role_name":         computed("Name of the IAM role."),
					"role_arn":          computed("ARN of the IAM role."),
					"identity_provider": computed("`auth0`, `entra` or `cognito`."),
					"client_id":         computed("Client id of the server; null where there is none yet."),
					"trust_mode":        computed("`plain`, `azp` or `vending`."),
					"bucket_name":       computed("Name of the S3 bucket; null where the role's policies are not as oidcs3 writes them."),
					"s3_path_prefix":    computed("Prefix that the server may use; null as above."),
					"s3_permissions":    computed("`write`, `read-write` or `full`; null as above."),
					"tags":              schema.MapAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "Tags of the role, without oidcs3's own."},
				},
			}},
		},
	}
}

// Read implements datasource.DataSource.
func (d *serversData) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model serversModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	all, diags := d.clouds.servers(ctx, &model.Environment)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	model.Servers = []serverModel{}
	for _, role := range all {
		model.Servers = append(model.Servers, serverOf(role))
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
}

// servers lists the roles that oidcs3 has made for servers of an environment; null stands for the provider's, and becomes
// it. Roles of another project, and those whose tags belong to another role's name, are left out; so are servers of plain
// modules, which have no such tags.
func (c *clouds) servers(ctx context.Context, environment *types.String) (servers []iam.Role, diags diag.Diagnostics) {
	if c.settings.unknown {
		diags.AddError("A list of servers needs the provider's settings", "Some of them are not known.")
		return nil, diags
	}
	if environment.IsNull() {
		*environment = optional(c.settings.environment)
	}
	roles, err := c.roles(ctx)
	var all []iam.Role
	if err == nil {
		all, err = roles.List(ctx)
	}
	if err != nil {
		return nil, diagnose("Servers were not listed", err)
	}
	for _, role := range all {
		j := onboarding.JournalOf(role)
		if j.Phase != onboarding.Unknown && role.Name == access.Name(c.settings.project, j.Environment, j.Server) &&
			(environment.IsNull() || j.Environment == environment.ValueString()) {
			servers = append(servers, role)
		}
	}
	return servers, nil
}

// serverOf is what a role tells of its server.
func serverOf(role iam.Role) serverModel {
	j := onboarding.JournalOf(role)
	found, _, err := access.ParsePermissions(ours(role.InlinePolicies))
	if err != nil {
		found = access.Permissions{}
	}
	return serverModel{ID: types.StringValue(j.Environment + "/" + j.Server), ServerName: types.StringValue(j.Server), Environment: types.StringValue(j.Environment),
		Phase: types.StringValue(string(j.Phase)), Enabled: types.BoolValue(!access.IsDenyAll(role.TrustPolicy)), RoleName: types.StringValue(role.Name),
		RoleARN: types.StringValue(role.ARN), IdentityProvider: optional(string(j.Provider)), ClientID: optional(j.ClientID), TrustMode: optional(string(j.Mode)),
		BucketName: optional(found.Bucket), S3PathPrefix: optional(found.Prefix), S3Permissions: optional(string(found.Permission)),
		Tags: stringMap(j.UserTags(role.Tags))}
}
