package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// triggers is what new secrets are made for; null where nothing was said.
func (m *serverAccessModel) triggers() types.Map {
	triggers, ok := m.ClientAuthentication.Attributes()["rotation_triggers"].(types.Map)
	if !ok {
		return types.MapNull(types.StringType)
	}
	return triggers
}

// rotates reports whether going from one state to the other asks for a new client secret. Triggers that come or go alone
// do not: a server that is imported, and gets them, must not lose the secret that its host has.
func (m *serverAccessModel) rotates(to *serverAccessModel) bool {
	was, is := m.triggers(), to.triggers()
	return m.method() == idp.ClientSecret && to.method() == idp.ClientSecret && !was.IsNull() && !is.IsNull() && !was.Equal(is)
}

// rotation refuses a rotation that would cut the server off, unless that is allowed.
func (p *planning) rotation(kind idp.Kind) diag.Diagnostics {
	if !p.prior.rotates(p.plan) || kind.SecretsOverlap() {
		return nil
	}
	if allowed, ok := p.plan.ClientAuthentication.Attributes()["allow_downtime"].(types.Bool); ok && (allowed.ValueBool() || allowed.IsUnknown()) {
		return nil
	}
	return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root("client_authentication").AtName("rotation_triggers"), "Rotation would cut the server off",
		"A client of "+string(kind)+" has one secret: from the moment that a new one is made, server "+p.prior.ID.ValueString()+" gets no tokens until it has "+
			"the new one. Nothing was changed. Set allow_downtime = true if the server can do without for that time, or go over to "+
			"method = \"private_key_jwt\", where two keys are valid at once.")}
}
