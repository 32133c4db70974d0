package provider_test

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/echoprovider"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"
)

// echoed is a configuration that shows an ephemeral value in the state of a provider made for that.
func echoed(config string) string {
	return config + "provider \"echo\" {\ndata = ephemeral.oidcs3_client_secret.web\n}\nresource \"echo\" \"it\" {}\n"
}

func TestAccClientSecret(t *testing.T) {
	t.Parallel()
	withEcho := map[string]func() (tfprotov6.ProviderServer, error){"echo": echoprovider.NewProviderServer()}
	maps.Copy(withEcho, factories)
	for idp, where := range map[string]string{"auth0": "", "cognito": "", "entra": "secretsmanager"} {
		t.Run(idp, func(t *testing.T) {
			s := server{name: "secret-of-" + idp, idp: idp}
			if idp == "cognito" {
				f := foundation(idp)
				s.provider = fmt.Sprintf("environment = \"dev\"\ncognito = {\nuser_pool_id = %s\ndomain = %s\nvending_url = %s\nclient_roles_table_name = %s\n}",
					f["user_pool_id"], f["domain"], f["vending_url"], f["client_roles_table_name"])
			}
			config := s.hcl()
			if where != "" {
				config = stored(s, where, "")
			}
			read := echoed(config + fmt.Sprintf("ephemeral \"oidcs3_client_secret\" \"web\" {\nserver_name = %q\n}\n", s.name))
			resource.Test(t, resource.TestCase{ProtoV6ProviderFactories: withEcho, CheckDestroy: nothingLeft(t, s.name),
				TerraformVersionChecks: []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_10_0)},
				// OpenTofu's plan has opening among its changes, which the testing framework does not know for none.
				Steps: []resource.TestStep{{Config: config}, {Config: read, ExpectNonEmptyPlan: openTofu, Check: func(state *terraform.State) error {
					h, err := hostOf(state, address)
					if err != nil {
						return err
					}
					shown := state.RootModule().Resources["echo.it"].Primary.Attributes
					if h.secret = shown["data.client_secret"]; h.secret == "" || shown["data.client_id"] != state.RootModule().Resources[address].Primary.Attributes["client_id"] {
						return fmt.Errorf("client %q, a secret of %d characters", shown["data.client_id"], len(h.secret))
					}
					return h.may(context.Background(), "put")
				}}, {Config: config}}}) // a destroy would open what is no more
		})
	}
}

func TestAccClientSecret_hidden(t *testing.T) {
	s := server{name: "secret-hidden", idp: "entra"}
	run(t, []string{s.name}, resource.TestStep{Config: s.hcl()},
		resource.TestStep{Config: s.hcl() + "ephemeral \"oidcs3_client_secret\" \"web\" {\nid = \"dev/secret-hidden\"\n}\n", ExpectError: says("Entra ID shows a secret once")})
}
