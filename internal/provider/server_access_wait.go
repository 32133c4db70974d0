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

	"github.com/oidcs3/terraform-provider-oidcs3/internal/probe"
)

// diagnoseUnproven says why it is not known that AWS honours what was given. That stands whatever the reason: nothing
// here is an error.
func diagnoseUnproven(ctx context.Context, config tfsdk.Config, id string, reason error) diag.Diagnostics {
	if reason == nil {
		return nil
	}
	attribute := path.Root("wait_for_access")
	if unreachable, ok := errors.AsType[*probe.Unreachable](reason); ok {
		var asked types.Bool // by default, the wait is for those whose network lets them
		diags := config.GetAttribute(ctx, attribute, &asked)
		if asked.ValueBool() {
			diags.AddAttributeWarning(attribute, "Access was given, and could not be tried",
				fmt.Sprintf("Access of %s stands. Whether AWS honours it already is not known: %s", id, sentence(unreachable)))
		}
		tflog.Info(ctx, "access was not tried: the token endpoint, STS or the vending service cannot be reached", map[string]any{"error": reason.Error()})
		return diags
	}
	return diag.Diagnostics{diag.NewAttributeWarningDiagnostic(attribute, "Access was given, and is not honoured yet",
		fmt.Sprintf("Access of %s stands as configured, but %s\n\nIAM may need more time. oidcs3-upload doctor on the server says what is missing if it stays so.",
			id, sentence(reason)))}
}
