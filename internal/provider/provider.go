// Package provider is the Terraform surface of oidcs3: schemas, models, plans, diagnostics and import. What happens in
// the clouds is package onboarding's; no other package knows Terraform's types.
package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/list"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
)

var (
	_ provider.Provider                  = (*oidcs3Provider)(nil)
	_ provider.ProviderWithListResources = (*oidcs3Provider)(nil)
)

type oidcs3Provider struct{ version string }

// New returns a constructor of the provider. version goes into the User-Agent.
func New(version string) func() provider.Provider {
	return func() provider.Provider { return &oidcs3Provider{version: version} }
}

type providerModel struct {
	Project     types.String `tfsdk:"project"`
	Environment types.String `tfsdk:"environment"`
	DefaultTags types.Map    `tfsdk:"default_tags"`
	IgnoreTags  types.Object `tfsdk:"ignore_tags"`
	BulkReads   types.Bool   `tfsdk:"bulk_reads"`
	AWS         types.Object `tfsdk:"aws"`
	Auth0       types.Object `tfsdk:"auth0"`
	Entra       types.Object `tfsdk:"entra"`
	Cognito     types.Object `tfsdk:"cognito"`
}

const defaultProject = "oidc-s3"

func (p *oidcs3Provider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "oidcs3"
	resp.Version = p.version
}

func (p *oidcs3Provider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Gives on-premises servers access to one prefix of an S3 bucket, with no AWS key on the host. " +
			"Each cloud is contacted only when a resource needs it.",
		Attributes: map[string]schema.Attribute{
			"project": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "First part of the name of every role and client: `{project}-{environment}-{server_name}`. " +
					"Defaults to `" + defaultProject + "`.",
				Validators: []validator.String{accepted("project", access.ValidateProject)},
			},
			"environment": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Environment of resources that do not name their own, such as `dev` or `prod`.",
				Validators:          []validator.String{accepted("environment", access.ValidateEnvironment)},
			},
			"default_tags": schema.MapAttribute{
				Optional:            true,
				ElementType:         types.StringType,
				MarkdownDescription: "Tags of every role. A resource's own `tags` override those of the same key.",
				Validators:          []validator.Map{tagsValidator{}},
			},
			"ignore_tags": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Tags of roles that others keep, such as those of a cost report: they are neither shown nor removed, and no configuration may set them.",
				Attributes: map[string]schema.Attribute{
					"keys":         schema.SetAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "Keys of tags to leave alone."},
					"key_prefixes": schema.SetAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: "What the keys of tags to leave alone begin with."},
				},
			},
			"bulk_reads": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "Read roles, clients and mapping rows of all servers in pages that the run shares, rather than each server's by " +
					"themselves. Defaults to `true`. With `false`, a run for few servers in an account with thousands of roles takes fewer calls, and " +
					"nothing is listed: no plan warns about other roles that reach a prefix. Environment: `OIDCS3_BULK_READS`.",
			},
			"aws":     awsSchema(),
			"auth0":   auth0Schema(),
			"entra":   entraSchema(),
			"cognito": cognitoSchema(),
		},
	}
}

// Configure keeps the settings; clients are made when first needed, so that a run without Auth0 servers needs no Auth0
// settings.
func (p *oidcs3Provider) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var model providerModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	settings := &settings{version: p.version, terraform: req.TerraformVersion, project: model.Project.ValueString(), environment: model.Environment.ValueString()}
	if model.Project.IsNull() || model.Project.Equal(types.StringValue("")) {
		settings.project = defaultProject
	}
	settings.unknown = !req.Config.Raw.IsFullyKnown()
	settings.unknownTags = !fullyKnown(ctx, model.DefaultTags) || !fullyKnown(ctx, model.IgnoreTags)
	if !settings.unknownTags {
		resp.Diagnostics.Append(elements(ctx, model.DefaultTags, &settings.defaultTags)...)
		resp.Diagnostics.Append(readObject(ctx, model.IgnoreTags, &settings.ignoreTags)...)
	}
	switchFromEnvironment(&model.BulkReads, "OIDCS3_BULK_READS")
	settings.bulkReads = model.BulkReads.IsNull() || model.BulkReads.ValueBool()
	resp.Diagnostics.Append(settings.aws.read(ctx, model.AWS)...)
	resp.Diagnostics.Append(settings.auth0.read(ctx, model.Auth0)...)
	resp.Diagnostics.Append(settings.entra.read(ctx, model.Entra)...)
	resp.Diagnostics.Append(settings.cognito.read(ctx, model.Cognito)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if settings.unknown && req.ClientCapabilities.DeferralAllowed {
		resp.Deferred = &provider.Deferred{Reason: provider.DeferredReasonProviderConfigUnknown}
	}
	clouds := newClouds(ctx, settings)
	resp.ResourceData = clouds
	resp.DataSourceData = clouds
	resp.ListResourceData = clouds
	resp.EphemeralResourceData = clouds
	resp.ActionData = clouds
}

func (p *oidcs3Provider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{newServerAccess}
}

// ListResources implements provider.ProviderWithListResources.
func (p *oidcs3Provider) ListResources(context.Context) []func() list.ListResource {
	return []func() list.ListResource{newServerAccessList}
}

func (p *oidcs3Provider) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{newServerAccessData, newServersData}
}

// cloudsOf takes the provider's data out of a Configure request. It is nil before the provider is configured.
func cloudsOf(data any) (*clouds, diag.Diagnostics) {
	var diags diag.Diagnostics
	if data == nil {
		return nil, diags
	}
	c, ok := data.(*clouds)
	if !ok {
		diags.AddAttributeError(path.Empty(), "unexpected provider data", "This is a bug of the provider; please report it.")
	}
	return c, diags
}
