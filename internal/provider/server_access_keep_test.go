package provider

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// TestFailedUpdateKeepsSecret: what a failed update leaves of a client never costs the state a secret that is valid yet.
func TestFailedUpdateKeepsSecret(t *testing.T) {
	t.Parallel()
	elsewhere := types.ObjectValueMust(clientAuthenticationTypes, map[string]attr.Value{
		"method": types.StringValue(string(idp.ClientSecret)), "public_key_pem": types.StringNull(), "secret_storage": types.StringValue("ssm"),
		"secret_arn": types.StringNull(), "rotation_triggers": types.MapNull(types.StringType), "allow_downtime": types.BoolNull(),
	})
	inTheState := types.ObjectNull(clientAuthenticationTypes)
	held := types.StringValue("held")
	for name, c := range map[string]struct {
		prior types.String
		at    types.Object
		want  onboarding.Storage
		left  idp.Client
		keeps types.String
	}{
		"another secret":                  {held, inTheState, onboarding.State, idp.Client{ID: "a", Secret: "made"}, types.StringValue("made")},
		"no secret":                       {held, inTheState, onboarding.State, idp.Client{ID: "a"}, held},
		"no secret, on the way elsewhere": {held, inTheState, onboarding.ParameterStore, idp.Client{ID: "a"}, held},
		"on the way back":                 {types.StringNull(), elsewhere, onboarding.State, idp.Client{ID: "a", Secret: "made"}, types.StringValue("made")},
		"elsewhere":                       {types.StringNull(), elsewhere, onboarding.ParameterStore, idp.Client{ID: "a", Secret: "made"}, types.StringNull()},
		"another client":                  {held, inTheState, onboarding.State, idp.Client{ID: "b", Secret: "made"}, types.StringValue("made")},
		"another client, no secret":       {held, inTheState, onboarding.State, idp.Client{ID: "b"}, types.StringNull()},
	} {
		m := serverAccessModel{ClientID: types.StringValue("a"), ClientSecret: c.prior, ClientAuthentication: c.at}
		want := onboarding.Resolved{Desired: onboarding.Desired{Storage: c.want, Method: idp.ClientSecret}}
		m.keep(idp.Entra, want, c.left)
		if !m.ClientSecret.Equal(c.keeps) || m.ClientID.ValueString() != c.left.ID {
			t.Errorf("%s: client %s with secret %s", name, m.ClientID, m.ClientSecret)
		}
	}
}
