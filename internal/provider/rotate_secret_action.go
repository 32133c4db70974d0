package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/action/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

var (
	_ action.ActionWithConfigure        = (*rotateSecret)(nil)
	_ action.ActionWithConfigValidators = (*rotateSecret)(nil)
	_ action.ActionWithModifyPlan       = (*rotateSecret)(nil)
)

// rotateSecret is the action oidcs3_rotate_secret.
type rotateSecret struct{ serverAction }

func newRotateSecret() action.Action { return &rotateSecret{} }

type rotateSecretModel struct {
	selector

	AllowDowntime types.Bool `tfsdk:"allow_downtime"`
}

const notRotated = "Client secret was not rotated"

func (a *rotateSecret) Metadata(_ context.Context, req action.MetadataRequest, resp *action.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_rotate_secret"
}

func (a *rotateSecret) Schema(_ context.Context, _ action.SchemaRequest, resp *action.SchemaResponse) {
	resp.Schema = serverActionSchema("Makes a new client secret for a server and changes nothing else. An action cannot write to the state, so the secret must be in a "+
		"storage (`secret_storage`), where the new one replaces it, or be one that Auth0 shows: the next refresh reads it. At Microsoft Entra ID and Cognito the "+
		"former secret stays valid until the next rotation.",
		map[string]schema.Attribute{
			"allow_downtime": schema.BoolAttribute{Optional: true,
				MarkdownDescription: "Whether the server may do without tokens from the moment that a new secret is made until it has that. Auth0 ends the former secret at once, " +
					"so that a rotation is refused there otherwise."},
		})
}

// ModifyPlan refuses what could not be done. A server that is not there yet may be made by the same apply.
func (a *rotateSecret) ModifyPlan(ctx context.Context, req action.ModifyPlanRequest, resp *action.ModifyPlanResponse) {
	var model rotateSecretModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() || !model.known() || model.AllowDowntime.IsUnknown() || a.of.clouds == nil || a.of.clouds.settings.unknown {
		return
	}
	if _, _, err := a.of.find(ctx, model.selector); err != nil {
		return
	}
	resp.Diagnostics.Append(a.with(ctx, model, (*onboarding.Controller).CheckRotation)...)
}

// Invoke implements action.Action.
func (a *rotateSecret) Invoke(ctx context.Context, req action.InvokeRequest, resp *action.InvokeResponse) {
	var model rotateSecretModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(a.with(ctx, model, func(c *onboarding.Controller, ctx context.Context, want onboarding.Resolved, ref onboarding.Reference) error {
		outcome, err := c.Rotate(ctx, want, ref)
		if err != nil {
			return err
		}
		message := "Client secret of " + want.ID() + " was rotated."
		if outcome.SecretARN != "" {
			message += " The new one is in " + outcome.SecretARN + "."
		}
		resp.SendProgress(action.InvokeProgressEvent{Message: message})
		if outcome.Unproven != nil {
			resp.SendProgress(action.InvokeProgressEvent{Message: "Whether it is honoured already is not known: " + outcome.Unproven.Error()})
		}
		return nil
	})...)
}

// with does something with what is known of the server from its role and the identity provider.
func (a *rotateSecret) with(ctx context.Context, model rotateSecretModel,
	do func(*onboarding.Controller, context.Context, onboarding.Resolved, onboarding.Reference) error) diag.Diagnostics {
	role, server, err := a.of.find(ctx, model.selector)
	if err != nil {
		return diagnose(notRotated, err)
	}
	view, diags := a.of.adopted(ctx, role, server)
	if diags.HasError() {
		return diags
	}
	controller, want, _, more := a.of.target(ctx, view)
	diags.Append(more...)
	ref, more := view.reference(ctx)
	diags.Append(more...)
	if diags.HasError() {
		return diags
	}
	ref.OnboardingID = onboarding.JournalOf(role).OnboardingID
	want.AllowDowntime = model.AllowDowntime.ValueBool()
	if err := do(controller, ctx, want, ref); err != nil {
		diags.Append(diagnose(notRotated, err)...)
	}
	return diags
}
