package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-validators/ephemeralvalidator"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

var (
	_ provider.ProviderWithEphemeralResources         = (*oidcs3Provider)(nil)
	_ ephemeral.EphemeralResourceWithConfigure        = (*clientSecret)(nil)
	_ ephemeral.EphemeralResourceWithConfigValidators = (*clientSecret)(nil)
)

// EphemeralResources implements provider.ProviderWithEphemeralResources. Terraform 1.10 and OpenTofu 1.11 have them.
func (p *oidcs3Provider) EphemeralResources(context.Context) []func() ephemeral.EphemeralResource {
	return []func() ephemeral.EphemeralResource{func() ephemeral.EphemeralResource { return &clientSecret{} }}
}

// clientSecret is the ephemeral resource oidcs3_client_secret: a server's secret, for as long as one run takes.
type clientSecret struct{ of serverAccess }

func (e *clientSecret) Metadata(_ context.Context, req ephemeral.MetadataRequest, resp *ephemeral.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_client_secret"
}

func (e *clientSecret) Configure(_ context.Context, req ephemeral.ConfigureRequest, resp *ephemeral.ConfigureResponse) {
	clouds, diags := cloudsOf(req.ProviderData)
	resp.Diagnostics.Append(diags...)
	e.of.clouds = clouds
}

func (e *clientSecret) ConfigValidators(context.Context) []ephemeral.ConfigValidator {
	return []ephemeral.ConfigValidator{ephemeralvalidator.ExactlyOneOf(path.MatchRoot("id"), path.MatchRoot("server_name"))}
}

type clientSecretModel struct {
	selector

	ClientID     types.String `tfsdk:"client_id"`
	ClientSecret types.String `tfsdk:"client_secret"`
}

func (e *clientSecret) Schema(_ context.Context, _ ephemeral.SchemaRequest, resp *ephemeral.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "The client secret of a server, read anew in each run and kept nowhere: from where `secret_storage` put it, or else from the identity " +
			"provider. Auth0 (with the scope `read:client_keys`) and Cognito show it; Microsoft Entra ID never does, so that there the secret must be in a storage. " +
			"Nothing is made or changed.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Optional: true, MarkdownDescription: aboutID},
			"server_name": schema.StringAttribute{Optional: true, MarkdownDescription: aboutServerName,
				Validators: []validator.String{accepted("server name", access.ValidateServerName)}},
			"environment": schema.StringAttribute{Optional: true, MarkdownDescription: aboutEnvironment,
				Validators: []validator.String{accepted("environment", access.ValidateEnvironment)}},
			"client_id":     schema.StringAttribute{Computed: true, MarkdownDescription: "Client id of the server."},
			"client_secret": schema.StringAttribute{Computed: true, Sensitive: true, MarkdownDescription: "Client secret of the server."},
		},
	}
}

// Open implements ephemeral.EphemeralResource.
func (e *clientSecret) Open(ctx context.Context, req ephemeral.OpenRequest, resp *ephemeral.OpenResponse) {
	var model clientSecretModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	const summary = "Client secret was not read"
	role, server, err := e.of.find(ctx, model.selector)
	if err != nil {
		resp.Diagnostics.Append(diagnose(summary, err)...)
		return
	}
	view, diags := e.of.view(ctx, role, server)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	model.ClientID, model.ClientSecret = view.ClientID, view.ClientSecret
	if where := view.storage(); where != onboarding.State {
		value, err := e.stored(ctx, where, role.Name)
		if err != nil {
			resp.Diagnostics.Append(diagnose(summary, err)...)
			return
		}
		model.ClientSecret = optional(value.Reveal())
	}
	if model.ClientSecret.IsNull() {
		resp.Diagnostics.Append(diagnose(summary, hidden(view))...)
		return
	}
	resp.Diagnostics.Append(resp.Result.Set(ctx, &model)...)
}

func (e *clientSecret) stored(ctx context.Context, where onboarding.Storage, role string) (idp.Secret, error) {
	clients, err := e.of.clouds.awsClients(ctx)
	if err != nil {
		return "", err
	}
	_, value, err := clients.vaults[where].Read(ctx, onboarding.SecretName(role))
	return value, err
}

// hidden says why a secret cannot be read.
func hidden(view *serverAccessModel) error {
	refusal := &onboarding.Refusal{Reason: fmt.Sprintf("the identity provider does not show the secret of client %s", view.ClientID.ValueString()),
		Advice: "The management token needs the scope read:client_keys, and the client must authenticate with a secret."}
	if !view.Entra.IsNull() {
		refusal.Reason = fmt.Sprintf("Microsoft Entra ID shows a secret once, when it is made, and not that of application %s", view.ClientID.ValueString())
		refusal.Advice = `Set secret_storage = "secretsmanager" or "ssm" in client_authentication of the server: its secret is read from there then.`
	}
	return refusal
}
