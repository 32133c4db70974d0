package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/probe"
)

// await waits until the server gets credentials, where it was let in just now. What was made stands whatever comes out:
// nothing here is an error.
func (r *serverAccess) await(ctx context.Context, config tfsdk.Config, model *serverAccessModel, outcome onboarding.Outcome) diag.Diagnostics {
	secret := idp.Secret(model.ClientSecret.ValueString())
	if !outcome.Opened || !model.WaitForAccess.ValueBool() || secret == "" {
		return nil
	}
	clients, err := r.clouds.awsClients(ctx)
	if err != nil {
		return diagnose("AWS cannot be used", err)
	}
	err = clients.probe.Wait(ctx, model.ServerConfiguration.ValueString(), secret)
	if err == nil {
		return nil
	}
	if unreachable, ok := errors.AsType[*probe.Unreachable](err); ok {
		var asked types.Bool
		diags := config.GetAttribute(ctx, path.Root("wait_for_access"), &asked)
		if asked.ValueBool() {
			diags.AddAttributeWarning(path.Root("wait_for_access"), "Access was given, and could not be tried",
				fmt.Sprintf("Access of %s stands. Whether AWS honours it already is not known: %s", model.ID.ValueString(), sentence(unreachable)))
		}
		tflog.Info(ctx, "access was not tried: the token endpoint, STS or the vending service cannot be reached", map[string]any{"error": err.Error()})
		return diags
	}
	return diag.Diagnostics{diag.NewAttributeWarningDiagnostic(path.Root("wait_for_access"), "Access was given, and is not honoured yet",
		fmt.Sprintf("Access of %s stands as configured, but %s\n\nIAM may need more time. oidcs3-upload doctor on the server says what is missing if it stays so.",
			model.ID.ValueString(), sentence(err)))}
}
