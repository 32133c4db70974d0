package provider_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
)

// unknownSettings are provider blocks in each of which one value is known only after apply: every setting there is, by its
// path, and the objects that hold them.
func unknownSettings(attributes []*tfprotov6.SchemaAttribute) map[string]object {
	found := map[string]object{}
	for _, a := range attributes {
		found[a.Name] = object{a.Name: notKnown{}}
		if a.NestedType == nil {
			switch a.Type.(type) {
			case tftypes.List, tftypes.Set:
				found[a.Name+"[]"] = object{a.Name: []any{notKnown{}}}
			case tftypes.Map:
				found[a.Name+"{}"] = object{a.Name: object{"Key": notKnown{}}}
			}
			continue
		}
		for path, inner := range unknownSettings(a.NestedType.Attributes) {
			for _, beside := range a.NestedType.Attributes {
				if beside.Required && inner[beside.Name] == nil {
					inner[beside.Name] = "arn:aws:iam::123456789012:role/x"
				}
			}
			value := any(inner)
			if a.NestedType.Nesting == tfprotov6.SchemaObjectNestingModeList {
				value = []any{inner}
			}
			found[a.Name+"."+path] = object{a.Name: value}
		}
	}
	return found
}

// configured configures the provider behind a wire.
func (w *wire) configured(settings object, deferral bool) {
	w.t.Helper()
	configured, err := w.server.ConfigureProvider(w.t.Context(), &tfprotov6.ConfigureProviderRequest{
		Config:             w.nested(w.schemas.Provider.ValueType(), settings),
		ClientCapabilities: &tfprotov6.ConfigureProviderClientCapabilities{DeferralAllowed: deferral},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.sound(configured.Diagnostics)
}

// plan plans a server, as Terraform does: prior is nil for a new one.
func (w *wire) plan(prior *tfprotov6.DynamicValue, config object) *tfprotov6.PlanResourceChangeResponse {
	w.t.Helper()
	kind := w.stateType()
	if prior == nil {
		none, err := tfprotov6.NewDynamicValue(kind, tftypes.NewValue(kind, nil))
		if err != nil {
			w.t.Fatal(err)
		}
		prior = &none
	}
	planned, err := w.server.PlanResourceChange(w.t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName: serverAccess, PriorState: prior, Config: w.nested(kind, config), ProposedNewState: w.nested(kind, config),
		ClientCapabilities: &tfprotov6.PlanResourceChangeClientCapabilities{DeferralAllowed: true},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.sound(planned.Diagnostics)
	return planned
}

// planned are the attributes of a plan.
func (w *wire) planned(plan *tfprotov6.PlanResourceChangeResponse) map[string]tftypes.Value {
	w.t.Helper()
	value, err := plan.PlannedState.Unmarshal(w.stateType())
	if err != nil {
		w.t.Fatal(err)
	}
	attributes := map[string]tftypes.Value{}
	if err := value.As(&attributes); err != nil {
		w.t.Fatal(err)
	}
	return attributes
}

// TestUnknownSettings plans with each setting in turn known only after apply. No cloud is asked anything, and nothing is
// promised that the plan with all settings known would not keep: Terraform ends an apply for that.
func TestUnknownSettings(t *testing.T) {
	w, _, _ := validated(t, object{})
	config := object{
		"server_name": "unknown-settings", "bucket_name": "oidc-s3-dev-uploads", "s3_path_prefix": "unknown/", "s3_permissions": "write", "max_session_duration": 3600,
		"wait_for_access": true, "auth0": object{"audience": clouds.Env()["OIDCS3_SANDBOX_AUTH0_AUDIENCE"], "oidc_provider_arn": clouds.Env()["OIDCS3_SANDBOX_AUTH0_OIDC_PROVIDER_ARN"]},
	}
	// What all settings, known at last, say otherwise than by default.
	w.configured(object{"project": "other", "environment": "prod", "default_tags": object{"Team": "storage"}}, false)
	final := w.planned(w.plan(nil, config))

	cases := unknownSettings(w.schemas.Provider.Block.Attributes)
	if len(cases) < 70 {
		t.Fatalf("there are %d settings only: %v", len(cases), slices.Sorted(maps.Keys(cases)))
	}
	for path, settings := range cases {
		if settings["environment"] == nil {
			settings["environment"] = "prod"
		}
		clouds.Edge().Calls().Clear()
		w, _, problems := validated(t, settings)
		for _, p := range problems {
			if !strings.Contains(p.Detail, "No attribute specified") && !strings.Contains(p.Detail, "must be specified") { // the blocks name little else
				t.Errorf("%s: %s", path, errorsOf(problems))
			}
		}
		w.configured(settings, false)
		for name, value := range w.planned(w.plan(nil, config)) {
			mayDiffer := !strings.HasPrefix(path, "project") && (name == "id" || name == "role_name" || name == "role_arn") ||
				!strings.HasPrefix(path, "default_tags") && name == "tags_all" // of what is known here and has its default
			if value.IsFullyKnown() && !mayDiffer && !value.Equal(final[name]) {
				t.Errorf("%s: the plan promises %s = %s, and the final one has %s", path, name, value, final[name])
			}
			if (name == "client_id" || name == "trust_policy") && value.IsKnown() {
				t.Errorf("%s: the plan knows %s", path, name)
			}
		}
		if calls := clouds.Edge().Calls().Calls(); len(calls) > 0 {
			t.Errorf("%s: %s of %s was asked for", path, calls[0].Operation, calls[0].Service)
		}
	}
}

// TestUnknownSettings_refresh takes the state as it is, and refuses what cannot be told without all settings.
func TestUnknownSettings_refresh(t *testing.T) {
	made := legacy{name: "unrefreshed"}.build(t)
	known := newWire(t, development)
	imported, err := known.server.ImportResourceState(t.Context(), &tfprotov6.ImportResourceStateRequest{TypeName: serverAccess, ID: made.role()})
	if err != nil {
		t.Fatal(err)
	}
	known.sound(imported.Diagnostics)
	state := imported.ImportedResources[0].State
	clouds.Edge().Calls().Clear()

	w, _, _ := validated(t, object{})
	w.configured(object{"environment": "dev", "aws": object{"assume_role": []any{object{"role_arn": notKnown{}}}}}, false)
	read, err := w.server.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: serverAccess, CurrentState: state})
	if err != nil {
		t.Fatal(err)
	}
	w.sound(read.Diagnostics)
	if len(read.Diagnostics) != 1 || !strings.Contains(read.Diagnostics[0].Detail, "known only after apply") {
		t.Errorf("nobody is told that the state was not refreshed: %v", read.Diagnostics)
	}
	if before, after := w.strings(w.stateType(), state), w.strings(w.stateType(), read.NewState); !maps.Equal(before, after) || after["client_id"] != made.clientID {
		t.Errorf("the state was %v and is %v", before, after)
	}
	servers, err := w.server.ReadDataSource(t.Context(), &tfprotov6.ReadDataSourceRequest{
		TypeName: "oidcs3_servers", Config: w.nested(w.schemas.DataSourceSchemas["oidcs3_servers"].ValueType(), object{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, errorsOf(servers.Diagnostics), "needs the provider's settings")
	if calls := clouds.Edge().Calls().Calls(); len(calls) > 0 {
		t.Errorf("%s of %s was asked for", calls[0].Operation, calls[0].Service)
	}
}

// TestUnknownSettings_deferral puts off what a Terraform that can do so asks for.
func TestUnknownSettings_deferral(t *testing.T) {
	t.Parallel()
	for _, allowed := range []bool{true, false} {
		w, _, _ := validated(t, object{})
		w.configured(object{"environment": "dev", "aws": object{"region": notKnown{}}}, allowed)
		plan := w.plan(nil, object{"server_name": "deferred", "bucket_name": "oidc-s3-dev-uploads", "s3_path_prefix": "deferred/",
			"auth0": object{"audience": "https://a.example", "oidc_provider_arn": "arn:aws:iam::123456789012:oidc-provider/a.example/"}})
		if deferred := plan.Deferred != nil && plan.Deferred.Reason == tfprotov6.DeferredReasonProviderConfigUnknown; deferred != allowed {
			t.Errorf("deferral allowed: %t, deferred: %+v", allowed, plan.Deferred)
		}
	}
}

// TestAccUnknownSettings has a provider block of which another resource makes everything, and makes all of it again when a
// server is there already.
func TestAccUnknownSettings(t *testing.T) {
	settings := func(generation int) string {
		return fmt.Sprintf(`environment = terraform_data.settings.output.environment
project = terraform_data.settings.output.project
default_tags = { Team = terraform_data.settings.output.team }
ignore_tags = { keys = [terraform_data.settings.output.ignored] }
aws = {
  region = terraform_data.settings.output.region
  allowed_account_ids = [terraform_data.settings.output.account]
}
auth0 = { domain = terraform_data.settings.output.domain }
}

resource "terraform_data" "settings" {
  triggers_replace = %d
  input = { environment = "dev", project = "oidc-s3", team = "storage", ignored = "cost", region = %q, account = "123456789012", domain = %q }`, generation, clouds.Env()["AWS_REGION"], clouds.Env()["AUTH0_DOMAIN"])
	}
	first, again := server{name: "unknown-block", provider: settings(1)}, server{name: "unknown-block", provider: settings(2)}
	run(t, []string{first.name},
		resource.TestStep{Config: first.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionCreate), Check: may(address, "put")},
		resource.TestStep{Config: again.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: may(address, "put")},
	)
}
