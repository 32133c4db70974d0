package provider_test

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

func at(name string) tfjsonpath.Path { return tfjsonpath.New(name) }

func value(attribute string, check knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, at(attribute), check)
}

func exactly(s string) knownvalue.Check { return knownvalue.StringExact(s) }

func TestAccServerAccess_permissionLevels(t *testing.T) {
	for level, wanted := range map[string][]string{
		"write":      {"put"},
		"read-write": {"put", "get"},
		"full":       {"put", "get", "list", "delete"},
	} {
		t.Run(level, func(t *testing.T) {
			s := server{name: "level-" + level, permissions: level}
			run(t, []string{s.name}, resource.TestStep{
				Config: s.hcl(),
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
					plancheck.ExpectResourceAction(address, plancheck.ResourceActionCreate),
					plancheck.ExpectKnownValue(address, at("role_name"), exactly("oidc-s3-dev-"+s.name)),
					plancheck.ExpectKnownValue(address, at("role_arn"), exactly("arn:aws:iam::123456789012:role/oidc-s3-dev-"+s.name)),
					plancheck.ExpectKnownValue(address, at("permissions_policy"), knownvalue.StringRegexp(regexp.MustCompile("s3:PutObject"))),
					plancheck.ExpectKnownValue(address, at("trust_mode"), exactly("plain")),
					plancheck.ExpectKnownValue(address, at("drift"), knownvalue.ListSizeExact(0)),
					plancheck.ExpectUnknownValue(address, at("client_id")),
				}},
				ConfigStateChecks: []statecheck.StateCheck{
					value("id", exactly("dev/"+s.name)),
					value("client_secret", knownvalue.StringRegexp(regexp.MustCompile(`^.{32,}$`))),
					value("subject", knownvalue.StringRegexp(regexp.MustCompile(`^.+@clients$`))),
					value("server_configuration", knownvalue.StringRegexp(regexp.MustCompile(`"identity_provider":"auth0"`))),
					statecheck.ExpectSensitiveValue(address, at("client_secret")),
				},
				Check: may(address, wanted...),
			})
		})
	}
}

func TestAccServerAccess_changesInPlace(t *testing.T) {
	s := server{name: "changing"}
	moved := s
	moved.prefix = "t/moved/"
	full := moved
	full.permissions = "full"
	long := full
	long.more = `max_session_duration = 7200
tags = { Team = "a", Cost = "1" }`
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
	s := server{name: "named"}
	renamed := server{name: "renamed"}
	elsewhere := renamed
	elsewhere.more = `environment = "prod"`
	run(t, []string{s.name, renamed.name},
		resource.TestStep{Config: s.hcl()},
		resource.TestStep{Config: renamed.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionReplace), Check: may(address, "put")},
		resource.TestStep{Config: elsewhere.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionReplace),
			ConfigStateChecks: []statecheck.StateCheck{value("id", exactly("prod/renamed"))}},
	)
}

func TestAccServerAccess_azpMode(t *testing.T) {
	azp := map[string]string{"audience": clouds.Env()["OIDCS3_SANDBOX_AUTH0_AUDIENCE_AZP"]}
	auto := server{name: "azp-auto", auth0: azp}
	t.Run("auto", func(t *testing.T) {
		run(t, []string{auto.name}, resource.TestStep{
			Config:            auto.hcl(),
			ConfigStateChecks: []statecheck.StateCheck{value("trust_mode", exactly("azp"))},
			Check:             may(address, "put"),
		})
	})
	switching := server{name: "azp-switch"}
	switched := server{name: "azp-switch", auth0: azp}
	t.Run("switch", func(t *testing.T) {
		run(t, []string{switching.name},
			resource.TestStep{Config: switching.hcl(), Check: may(address, "put")},
			resource.TestStep{Config: switched.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: may(address, "put")},
			resource.TestStep{Config: switching.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: may(address, "put")},
		)
	})
}

func TestAccServerAccess_defaultTags(t *testing.T) {
	s := server{name: "tagged", provider: `environment = "dev"
default_tags = { Team = "platform", Layer = "servers" }`, more: `tags = { Team = "web" }`}
	other := s
	other.provider = `environment = "dev"
default_tags = { Team = "platform" }`
	run(t, []string{s.name},
		resource.TestStep{Config: s.hcl(), ConfigStateChecks: []statecheck.StateCheck{
			value("tags", knownvalue.MapExact(map[string]knownvalue.Check{"Team": exactly("web")})),
			value("tags_all", knownvalue.MapExact(map[string]knownvalue.Check{"Team": exactly("web"), "Layer": exactly("servers")})),
		}},
		resource.TestStep{Config: other.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate)},
	)
}

func TestAccServerAccess_deletionProtection(t *testing.T) {
	s := server{name: "protected", more: "deletion_protection = true"}
	free := server{name: "protected"}
	refused := regexp.MustCompile("Server access is protected")
	run(t, []string{s.name},
		resource.TestStep{Config: s.hcl()},
		resource.TestStep{Config: s.hcl(), Destroy: true, ExpectError: refused},
		resource.TestStep{Config: server{name: "protected-2", more: "deletion_protection = true"}.hcl(), ExpectError: refused},
		resource.TestStep{Config: free.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate)},
	)
}

func TestAccServerAccess_import(t *testing.T) {
	s := server{name: "imported", permissions: "read-write", more: `tags = { Team = "a" }`}
	step := func(id string) resource.TestStep {
		return resource.TestStep{ResourceName: address, ImportState: true, ImportStateId: id, ImportStateVerify: true,
			ImportStateVerifyIgnore: []string{"timeouts"}}
	}
	run(t, []string{s.name},
		resource.TestStep{Config: s.hcl()},
		step("imported"), step("dev/imported"), step("oidc-s3-dev-imported"), step("arn:aws:iam::123456789012:role/oidc-s3-dev-imported"),
		resource.TestStep{ResourceName: address, ImportState: true, ImportStateId: "dev/nobody", ExpectError: regexp.MustCompile("there is no role oidc-s3-dev-nobody|There is no role oidc-s3-dev-nobody")},
	)
}

// TestAccServerAccess_importBlockPlansClean takes a server over into a new state: the plan has nothing but the import.
func TestAccServerAccess_importBlockPlansClean(t *testing.T) {
	for mode, audience := range map[string]string{"plain": "OIDCS3_SANDBOX_AUTH0_AUDIENCE", "azp": "OIDCS3_SANDBOX_AUTH0_AUDIENCE_AZP"} {
		s := server{name: "taken-over-" + mode, permissions: "full", auth0: map[string]string{"audience": clouds.Env()[audience]}}
		forget := "removed {\n from = oidcs3_server_access.this\n lifecycle {\n destroy = false\n }\n}\n"
		t.Run(mode, func(t *testing.T) {
			run(t, []string{s.name},
				resource.TestStep{Config: s.hcl()},
				resource.TestStep{Config: forget},
				resource.TestStep{
					Config:           s.hcl() + "import {\n to = oidcs3_server_access.this\n id = \"dev/" + s.name + "\"\n}\n",
					ConfigPlanChecks: in(plancheck.ResourceActionNoop),
					Check:            may(address, "put", "get", "list", "delete"),
				},
			)
		})
	}
}
