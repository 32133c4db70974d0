package provider

import (
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// inState is what configurations call onboarding.State.
const inState = "state"

// storage is where the client secret is kept. While it is not known yet, nothing says that the state may have it.
func (m *serverAccessModel) storage() onboarding.Storage {
	where, ok := m.ClientAuthentication.Attributes()["secret_storage"].(types.String)
	if !ok || where.IsNull() || where.ValueString() == inState || m.method() != idp.ClientSecret {
		return onboarding.State
	}
	return onboarding.Storage(where.ValueString())
}

// setSecretARN writes where the client secret is stored; nowhere but in the state, where the ARN is empty.
func (m *serverAccessModel) setSecretARN(arn string) {
	if m.ClientAuthentication.IsNull() || m.ClientAuthentication.IsUnknown() {
		return
	}
	if m.storage() == onboarding.State {
		arn = ""
	}
	m.ClientAuthentication = replaced(m.ClientAuthentication, "secret_arn", optional(arn))
}

// secretARN plans where the client secret will be stored: where it is, unless that changes.
func (p *planning) secretARN() {
	m := p.plan
	if m.ClientAuthentication.IsNull() || m.ClientAuthentication.IsUnknown() {
		return
	}
	arn := types.StringUnknown()
	switch {
	case m.ClientAuthentication.Attributes()["secret_storage"].IsUnknown():
	case m.storage() == onboarding.State:
		arn = types.StringNull()
	case p.prior != nil && !p.replaces && p.prior.storage() == m.storage():
		if was, ok := p.prior.ClientAuthentication.Attributes()["secret_arn"].(types.String); ok && !was.IsNull() {
			arn = was
		}
	}
	m.ClientAuthentication = replaced(m.ClientAuthentication, "secret_arn", arn)
}

// parameterName refuses the Parameter Store where it does not take the server's name.
func (p *planning) parameterName(diags *diag.Diagnostics) {
	if p.plan.storage() != onboarding.ParameterStore {
		return
	}
	err := access.ValidateParameterName(access.Name(p.clouds.settings.project, p.plan.Environment.ValueString(), p.plan.ServerName.ValueString()))
	if err != nil {
		diags.AddAttributeError(path.Root("client_authentication").AtName("secret_storage"), "Parameter Store takes no such name",
			sentence(err)+" Keep the client secret in secretsmanager, which does, or change the name.")
	}
}
