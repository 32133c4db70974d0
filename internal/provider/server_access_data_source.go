package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-validators/datasourcevalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

var (
	_ datasource.DataSourceWithConfigure        = (*serverAccessData)(nil)
	_ datasource.DataSourceWithConfigValidators = (*serverAccessData)(nil)
)

// serverAccessData is the data source oidcs3_server_access: what there is of one server's access, without its secret.
type serverAccessData struct{ of serverAccess }

func newServerAccessData() datasource.DataSource { return &serverAccessData{} }

func (d *serverAccessData) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_server_access"
}

func (d *serverAccessData) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	clouds, diags := cloudsOf(req.ProviderData)
	resp.Diagnostics.Append(diags...)
	d.of.clouds = clouds
}

func (d *serverAccessData) ConfigValidators(context.Context) []datasource.ConfigValidator {
	return []datasource.ConfigValidator{datasourcevalidator.ExactlyOneOf(path.MatchRoot("id"), path.MatchRoot("server_name"))}
}

type serverAccessDataModel struct {
	selector

	Phase               types.String `tfsdk:"phase"`
	Enabled             types.Bool   `tfsdk:"enabled"`
	RoleName            types.String `tfsdk:"role_name"`
	RoleARN             types.String `tfsdk:"role_arn"`
	IdentityProvider    types.String `tfsdk:"identity_provider"`
	ClientID            types.String `tfsdk:"client_id"`
	Subject             types.String `tfsdk:"subject"`
	Issuer              types.String `tfsdk:"issuer"`
	TokenEndpoint       types.String `tfsdk:"token_endpoint"`
	TokenAudience       types.String `tfsdk:"token_audience"`
	TrustMode           types.String `tfsdk:"trust_mode"`
	BucketName          types.String `tfsdk:"bucket_name"`
	S3PathPrefix        types.String `tfsdk:"s3_path_prefix"`
	S3Permissions       types.String `tfsdk:"s3_permissions"`
	KMSKeyARN           types.String `tfsdk:"kms_key_arn"`
	MaxSessionDuration  types.Int64  `tfsdk:"max_session_duration"`
	PermissionsBoundary types.String `tfsdk:"permissions_boundary"`
	TrustPolicy         types.String `tfsdk:"trust_policy"`
	PermissionsPolicy   types.String `tfsdk:"permissions_policy"`
	ServerConfiguration types.String `tfsdk:"server_configuration"`
	Tags                types.Map    `tfsdk:"tags"`
	Drift               types.List   `tfsdk:"drift"`
}

func (d *serverAccessData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	computed := func(text string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: text}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "What there is of one server's access, whoever manages it, without its secret. Role and client are read, and nothing is changed. " +
			"Of an onboarding that was not finished, `phase` is `pending` and what cannot be told is null.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Optional: true, Computed: true,
				MarkdownDescription: aboutID + " Read back it is `<environment>/<server_name>` where it was left out."},
			"server_name": schema.StringAttribute{Optional: true, Computed: true,
				MarkdownDescription: aboutServerName,
				Validators:          []validator.String{accepted("server name", access.ValidateServerName)}},
			"environment": schema.StringAttribute{Optional: true, Computed: true,
				MarkdownDescription: aboutEnvironment,
				Validators:          []validator.String{accepted("environment", access.ValidateEnvironment)}},
			"phase":                computed("`ready`; `pending` where an onboarding was not finished; null where something else made the role."),
			"enabled":              schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether the server is let in, rather than shut out with `enabled = false`."},
			"role_name":            computed("Name of the IAM role."),
			"role_arn":             computed("ARN of the IAM role."),
			"identity_provider":    computed("`auth0`, `entra` or `cognito`."),
			"client_id":            computed("Client id of the server at the identity provider."),
			"subject":              computed("`sub` claim of the server's tokens."),
			"issuer":               computed("`iss` claim of the server's tokens."),
			"token_endpoint":       computed("URL at which the server gets its tokens."),
			"token_audience":       computed("`aud` claim of the server's tokens."),
			"trust_mode":           computed("How the role recognises the server: `plain`, `azp` or `vending`."),
			"bucket_name":          computed("Name of the S3 bucket."),
			"s3_path_prefix":       computed("Prefix that the server may use."),
			"s3_permissions":       computed("`write`, `read-write` or `full`."),
			"kms_key_arn":          computed("ARN of the KMS key that the server may use; null for none."),
			"max_session_duration": schema.Int64Attribute{Computed: true, MarkdownDescription: "Longest session of the role, in seconds."},
			"permissions_boundary": computed("ARN of the managed policy that bounds the role; null for none."),
			"trust_policy":         computed("Trust policy of the role, as JSON."),
			"permissions_policy":   computed("What the role may do, as one JSON policy document."),
			"server_configuration": computed("Configuration file of the server's `oidcs3-upload`, as JSON. It holds no secret."),
			"tags": schema.MapAttribute{Computed: true, ElementType: types.StringType,
				MarkdownDescription: "Tags of the role, without oidcs3's own."},
			"drift": schema.ListAttribute{Computed: true, ElementType: types.StringType,
				MarkdownDescription: "What differs from what oidcs3 writes, in words."},
		},
	}
}

// Read implements datasource.DataSource.
func (d *serverAccessData) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model serverAccessDataModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	const summary = "Server access was not read"
	role, server, err := d.of.find(ctx, model.selector)
	if err != nil {
		resp.Diagnostics.Append(diagnose(summary, err)...)
		return
	}
	journal := onboarding.JournalOf(role)
	if journal.Phase == onboarding.Pending {
		model.unfinished(role, server, journal)
	} else {
		view, diags := d.of.view(ctx, role, server)
		resp.Diagnostics.Append(diags...)
		if diags.HasError() {
			return
		}
		model.take(view, journal)
	}
	if model.ID.IsNull() {
		model.ID = types.StringValue(server.Environment + "/" + server.Name)
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
}

// unfinished writes what is sure of an onboarding that was not finished.
func (m *serverAccessDataModel) unfinished(role iam.Role, server onboarding.Server, journal onboarding.Journal) {
	*m = serverAccessDataModel{selector: selector{ID: m.ID, ServerName: types.StringValue(server.Name), Environment: types.StringValue(server.Environment)},
		Phase: types.StringValue(string(journal.Phase)), Enabled: types.BoolValue(false), RoleName: types.StringValue(role.Name), RoleARN: types.StringValue(role.ARN),
		IdentityProvider: optional(string(journal.Provider)), ClientID: optional(journal.ClientID), TrustMode: optional(string(journal.Mode)),
		PermissionsBoundary: optional(role.PermissionsBoundary), TrustPolicy: types.StringValue(role.TrustPolicy), Tags: stringMap(journal.UserTags(role.Tags)),
		Drift: stringList([]string{"onboarding of role " + role.Name + " is not finished"})}
}

// take writes what an import would find.
func (m *serverAccessDataModel) take(view *serverAccessModel, journal onboarding.Journal) {
	kind := idp.Auth0
	switch {
	case !view.Entra.IsNull():
		kind = idp.Entra
	case !view.Cognito.IsNull():
		kind = idp.Cognito
	}
	*m = serverAccessDataModel{selector: selector{ID: m.ID, ServerName: view.ServerName, Environment: view.Environment},
		Phase: optional(string(journal.Phase)), Enabled: view.Enabled, RoleName: view.RoleName, RoleARN: view.RoleARN, IdentityProvider: types.StringValue(string(kind)), ClientID: view.ClientID, Subject: view.Subject,
		Issuer: view.Issuer, TokenEndpoint: view.TokenEndpoint, TokenAudience: view.TokenAudience, TrustMode: view.TrustMode, BucketName: view.BucketName,
		S3PathPrefix: view.S3PathPrefix, S3Permissions: view.S3Permissions, KMSKeyARN: view.KMSKeyARN, MaxSessionDuration: view.MaxSessionDuration,
		PermissionsBoundary: view.PermissionsBoundary, TrustPolicy: view.TrustPolicy, PermissionsPolicy: view.PermissionsPolicy,
		ServerConfiguration: view.ServerConfiguration, Tags: view.TagsAll, Drift: view.Drift}
}
