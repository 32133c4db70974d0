package provider_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

func at(name string) tfjsonpath.Path { return tfjsonpath.New(name) }

func value(attribute string, check knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, at(attribute), check)
}

func exactly(s string) knownvalue.Check { return knownvalue.StringExact(s) }

func TestAccServerAccess_permissionLevels(t *testing.T) {
	t.Parallel()
	modes := map[string]string{"auth0": "plain", "entra": "plain", "cognito": "vending"}
	forEachIDP(t, func(t *testing.T, idp string) {
		for level, wanted := range map[string][]string{
			"write":      {"put"},
			"read-write": {"put", "get"},
			"full":       {"put", "get", "list", "delete"},
		} {
			t.Run(level, func(t *testing.T) {
				s := server{name: "level-" + level + "-" + idp, idp: idp, permissions: level}
				arn := "arn:aws:iam::123456789012:role/oidc-s3-dev-" + s.name
				foretold := plancheck.ExpectKnownValue(address, at("role_arn"), exactly(arn))
				if idp == "cognito" { // the vending service may be in another account
					foretold = plancheck.ExpectUnknownValue(address, at("role_arn"))
				}
				run(t, []string{s.name}, resource.TestStep{
					Config: s.hcl(),
					ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
						plancheck.ExpectResourceAction(address, plancheck.ResourceActionCreate),
						plancheck.ExpectKnownValue(address, at("role_name"), exactly("oidc-s3-dev-"+s.name)),
						foretold,
						plancheck.ExpectKnownValue(address, at("permissions_policy"), knownvalue.StringRegexp(regexp.MustCompile("s3:PutObject"))),
						plancheck.ExpectKnownValue(address, at("trust_mode"), exactly(modes[idp])),
						plancheck.ExpectKnownValue(address, at("drift"), knownvalue.ListSizeExact(0)),
						plancheck.ExpectUnknownValue(address, at("client_id")),
					}},
					ConfigStateChecks: []statecheck.StateCheck{
						value("id", exactly("dev/"+s.name)), value("role_arn", exactly(arn)),
						value("client_secret", knownvalue.StringRegexp(regexp.MustCompile(`^.{32,}$`))),
						value("server_configuration", knownvalue.StringRegexp(regexp.MustCompile(`"identity_provider":"`+idp+`"`))),
						statecheck.ExpectSensitiveValue(address, at("client_secret")),
					},
					Check: may(address, wanted...),
				})
			})
		}
	})
}

func TestAccServerAccess_changesInPlace(t *testing.T) {
	t.Parallel()
	forEachIDP(t, func(t *testing.T, idp string) {
		s := server{name: "changing-" + idp, idp: idp}
		moved := s
		moved.prefix = "t/moved-" + idp + "/"
		full := moved
		full.permissions = "full"
		long := full
		long.more = "max_session_duration = 7200\ntags = { Team = \"a\", Cost = \"1\" }"
		fewer := full
		fewer.more = `tags = { Team = "b" }`
		sameClient := statecheck.CompareValue(sameValue{})
		same := func() []statecheck.StateCheck {
			return []statecheck.StateCheck{sameClient.AddStateValue(address, at("client_id"))}
		}
		step := func(s server, levels ...string) resource.TestStep {
			return resource.TestStep{Config: s.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate),
				ConfigStateChecks: same(), Check: may(address, levels...)}
		}
		run(t, []string{s.name},
			resource.TestStep{Config: s.hcl(), ConfigStateChecks: same()},
			step(moved, "put"),
			step(full, "put", "get", "list", "delete"),
			step(long, "put", "get", "list", "delete"),
			step(fewer, "put", "get", "list", "delete"),
			step(s, "put"),
		)
	})
}

// sameValue expects that a value never changes.
type sameValue struct{}

func (sameValue) CompareValues(values ...any) error {
	for _, v := range values[1:] {
		if v != values[0] {
			return fmt.Errorf("the value changed from %v to %v", values[0], v)
		}
	}
	return nil
}

func TestAccServerAccess_namesReplace(t *testing.T) {
	t.Parallel()
	forEachIDP(t, func(t *testing.T, idp string) {
		s, renamed := server{name: "named-" + idp, idp: idp}, server{name: "renamed-" + idp, idp: idp}
		elsewhere := renamed
		elsewhere.more = `environment = "dev-2"`
		run(t, []string{s.name, renamed.name},
			resource.TestStep{Config: s.hcl()},
			resource.TestStep{Config: renamed.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionReplace), Check: may(address, "put")},
			resource.TestStep{Config: elsewhere.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionReplace),
				ConfigStateChecks: []statecheck.StateCheck{value("id", exactly("dev-2/"+renamed.name))}},
		)
	})
}

func TestAccServerAccess_identityProviderReplaces(t *testing.T) {
	s, other := server{name: "migrating"}, server{name: "migrating", idp: "cognito"}
	run(t, []string{s.name},
		resource.TestStep{Config: s.hcl()},
		resource.TestStep{Config: other.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionReplace), Check: may(address, "put")},
	)
}

func TestAccServerAccess_azpMode(t *testing.T) {
	t.Parallel()
	for _, idp := range []string{"auth0", "entra"} {
		t.Run(idp, func(t *testing.T) {
			t.Run("auto", func(t *testing.T) {
				auto := server{name: "azp-auto-" + idp, idp: idp, identity: withAZP(idp)}
				run(t, []string{auto.name}, resource.TestStep{
					Config:            auto.hcl(),
					ConfigStateChecks: []statecheck.StateCheck{value("trust_mode", exactly("azp"))},
					Check:             may(address, "put"),
				})
			})
			t.Run("switch", func(t *testing.T) {
				plain := server{name: "azp-switch-" + idp, idp: idp}
				azp := server{name: plain.name, idp: idp, identity: withAZP(idp)}
				run(t, []string{plain.name},
					resource.TestStep{Config: plain.hcl(), Check: may(address, "put")},
					resource.TestStep{Config: azp.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: may(address, "put")},
					resource.TestStep{Config: plain.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate),
						Check: resource.ComposeTestCheckFunc(may(address, "put"), unlisted(t, idp))},
				)
			})
		})
	}
}

// unlisted fails if the client of the server under test stands in the list of an OIDC provider.
func unlisted(t *testing.T, idp string) resource.TestCheckFunc {
	return func(state *terraform.State) error {
		id := state.RootModule().Resources[address].Primary.Attributes["client_id"]
		for _, suffix := range []string{"", "_AZP"} {
			arn := clouds.Env()["OIDCS3_SANDBOX_"+strings.ToUpper(idp)+"_OIDC_PROVIDER_ARN"+suffix]
			provider, err := iamClient(t).GetOpenIDConnectProvider(t.Context(), &awsiam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
			if err != nil {
				return err
			}
			if slices.Contains(provider.ClientIDList, id) {
				return fmt.Errorf("client %s is listed at %s", id, arn)
			}
		}
		return nil
	}
}

// TestAccServerAccess_vending sends an Auth0 and an Entra server through the credential vending service, and back.
func TestAccServerAccess_vending(t *testing.T) {
	t.Parallel()
	for _, idp := range []string{"auth0", "entra"} {
		t.Run(idp, func(t *testing.T) {
			direct := server{name: "vended-" + idp, idp: idp}
			vended := server{name: direct.name, idp: idp, more: `federation = "vending"`, identity: map[string]string{}}
			for _, name := range []string{"vending_role_arn", "vending_url", "client_roles_table_name"} {
				vended.identity[name] = foundation("cognito")[name]
			}
			run(t, []string{direct.name},
				resource.TestStep{Config: vended.hcl(), ConfigStateChecks: []statecheck.StateCheck{value("trust_mode", exactly("vending"))}, Check: may(address, "put")},
				resource.TestStep{Config: direct.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: may(address, "put")},
				resource.TestStep{Config: vended.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: may(address, "put")},
			)
		})
	}
}

func TestAccServerAccess_defaultTags(t *testing.T) {
	t.Parallel()
	forEachIDP(t, func(t *testing.T, idp string) {
		s := server{name: "tagged-" + idp, idp: idp, provider: "environment = \"dev\"\ndefault_tags = { Team = \"platform\", Layer = \"servers\" }",
			more: `tags = { Team = "web" }`}
		other := s
		other.provider = "environment = \"dev\"\ndefault_tags = { Team = \"platform\" }"
		run(t, []string{s.name},
			resource.TestStep{Config: s.hcl(), ConfigStateChecks: []statecheck.StateCheck{
				value("tags", knownvalue.MapExact(map[string]knownvalue.Check{"Team": exactly("web")})),
				value("tags_all", knownvalue.MapExact(map[string]knownvalue.Check{"Team": exactly("web"), "Layer": exactly("servers")})),
			}},
			resource.TestStep{Config: other.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate)},
		)
	})
}

func TestAccServerAccess_deletionProtection(t *testing.T) {
	t.Parallel()
	forEachIDP(t, func(t *testing.T, idp string) {
		s := server{name: "protected-" + idp, idp: idp, more: "deletion_protection = true"}
		free := server{name: s.name, idp: idp}
		renamed := server{name: s.name + "-2", idp: idp, more: s.more}
		refused := regexp.MustCompile("Server access is protected")
		run(t, []string{s.name},
			resource.TestStep{Config: s.hcl()},
			resource.TestStep{Config: s.hcl(), Destroy: true, ExpectError: refused},
			resource.TestStep{Config: renamed.hcl(), ExpectError: refused},
			resource.TestStep{Config: free.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate)},
		)
	})
}

func TestAccServerAccess_import(t *testing.T) {
	t.Parallel()
	forEachIDP(t, func(t *testing.T, idp string) {
		s := server{name: "imported-" + idp, idp: idp, permissions: "read-write", more: `tags = { Team = "a" }`}
		ignore := []string{"timeouts"}
		if idp == "entra" { // Microsoft Graph shows a secret once
			ignore = append(ignore, "client_secret")
		}
		step := func(id string) resource.TestStep {
			return resource.TestStep{ResourceName: address, ImportState: true, ImportStateId: id, ImportStateVerify: true, ImportStateVerifyIgnore: ignore}
		}
		role := "oidc-s3-dev-" + s.name
		run(t, []string{s.name},
			resource.TestStep{Config: s.hcl()},
			step(s.name), step("dev/"+s.name), step(role), step("arn:aws:iam::123456789012:role/"+role),
			resource.TestStep{ResourceName: address, ImportState: true, ImportStateId: "dev/nobody", ExpectError: regexp.MustCompile("here is no role oidc-s3-dev-nobody")},
		)
	})
}

// TestAccServerAccess_importBlockPlansClean takes a server over into a new state: the plan has nothing but the import.
func TestAccServerAccess_importBlockPlansClean(t *testing.T) {
	t.Parallel()
	const forget = "removed {\n from = oidcs3_server_access.this\n lifecycle {\n destroy = false\n }\n}\n"
	takeOver := func(t *testing.T, s server) {
		check := may(address, "put", "get", "list", "delete")
		if s.idp == "entra" { // Microsoft Graph shows a secret once, so the state has none
			check = nil
		}
		run(t, []string{s.name},
			resource.TestStep{Config: s.hcl()},
			resource.TestStep{Config: forget},
			resource.TestStep{
				Config:           s.hcl() + "import {\n to = oidcs3_server_access.this\n id = \"dev/" + s.name + "\"\n}\n",
				ConfigPlanChecks: in(plancheck.ResourceActionNoop),
				Check:            check,
			},
		)
	}
	forEachIDP(t, func(t *testing.T, idp string) {
		takeOver(t, server{name: "taken-over-" + idp, idp: idp, permissions: "full"})
	})
	for _, idp := range []string{"auth0", "entra"} {
		t.Run(idp+" azp", func(t *testing.T) {
			takeOver(t, server{name: "taken-over-azp-" + idp, idp: idp, permissions: "full", identity: withAZP(idp)})
		})
	}
}
