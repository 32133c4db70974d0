package provider_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"
)

// functions runs steps where Terraform knows provider functions.
func functions(t *testing.T, steps ...resource.TestStep) {
	t.Helper()
	resource.Test(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: steps,
		TerraformVersionChecks: []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_8_0)}})
}

func output(value string) string { return "output \"it\" {\nvalue = " + value + "\n}\n" }

func TestAccParseServerID(t *testing.T) {
	t.Parallel()
	var steps []resource.TestStep
	for _, c := range []struct{ arguments, environment, server string }{
		{`"web-01", "oidc-s3"`, "", "web-01"},
		{`"dev/web-01", "oidc-s3"`, "dev", "web-01"},
		{`"oidc-s3-dev-web-01", "oidc-s3"`, "dev", "web-01"},
		{`"oidc-s3-dev-2-web-01", "oidc-s3"`, "dev", "2-web-01"},
		{`"oidc-s3-dev-2-web-01", "oidc-s3", "dev", "dev-2"`, "dev-2", "web-01"},
		{`"arn:aws-cn:iam::123456789012:role/path/oidc-s3-prod-web-01", "oidc-s3", "prod"`, "prod", "web-01"},
	} {
		environment := knownvalue.Check(knownvalue.Null())
		if c.environment != "" {
			environment = exactly(c.environment)
		}
		steps = append(steps, resource.TestStep{Config: output("provider::oidcs3::parse_server_id(" + c.arguments + ")"), ConfigStateChecks: []statecheck.StateCheck{
			statecheck.ExpectKnownOutputValue("it", knownvalue.ObjectExact(map[string]knownvalue.Check{"environment": environment, "server_name": exactly(c.server)}))}})
	}
	for arguments, problem := range map[string]string{
		`"", "oidc-s3"`:      "none of",
		`"a/b/c", "oidc-s3"`: "server name",
		`"arn:aws:iam::123456789012:user/oidc-s3-x", "oidc-s3"`:   "not the ARN of",
		`"arn:aws:iam::123456789012:role/other-dev-x", "oidc-s3"`: "not of the project",
		`"oidc-s3-dev-web-01", "oidc-s3", "prod"`:                 "is not named",
	} {
		steps = append(steps, resource.TestStep{Config: output("provider::oidcs3::parse_server_id(" + arguments + ")"), ExpectError: says(problem)})
	}
	functions(t, steps...)
}

// says matches words with line breaks anywhere between them.
func says(words string) *regexp.Regexp {
	return regexp.MustCompile(strings.Join(strings.Fields(regexp.QuoteMeta(words)), `\s+(│\s+)?`))
}

// TestAccFunctionsAgree: the functions write what the resource writes.
func TestAccFunctionsAgree(t *testing.T) {
	t.Parallel()
	const values = `
locals {
  it   = oidcs3_server_access.this
  body = jsondecode(local.it.trust_policy).Statement[0]
}
output "permissions" {
  value = local.it.permissions_policy == provider::oidcs3::permissions_policy({
    bucket_name = local.it.bucket_name, s3_path_prefix = local.it.s3_path_prefix, s3_permissions = local.it.s3_permissions, kms_key_arn = local.it.kms_key_arn })
}
output "trust" {
  value = local.it.trust_policy == provider::oidcs3::trust_policy({
    mode = local.it.trust_mode, oidc_provider_arn = try(local.body.Principal.Federated, null), vending_role_arn = try(local.body.Principal.AWS, null),
    audience = local.it.token_audience, subject = local.it.subject, client_id = local.it.client_id, server_name = local.it.server_name, enabled = local.it.enabled })
}
output "host" {
  value = local.it.server_configuration == provider::oidcs3::host_config(jsondecode(local.it.server_configuration))
}
`
	agree := []statecheck.StateCheck{}
	for _, name := range []string{"permissions", "trust", "host"} {
		agree = append(agree, statecheck.ExpectKnownOutputValue(name, knownvalue.Bool(true)))
	}
	forEachIDP(t, func(t *testing.T, idp string) {
		for _, c := range []server{
			{name: "agreeing-" + idp, idp: idp, permissions: "full"},
			{name: "agreeing-off-" + idp, idp: idp, more: "enabled = false"},
			{name: "agreeing-azp-" + idp, idp: idp, identity: withAZP(idp)},
		} {
			if idp == "cognito" && c.identity != nil {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				run(t, []string{c.name}, resource.TestStep{Config: c.hcl() + values, ConfigStateChecks: agree})
			})
		}
	})
}

func TestAccFunctionRefusals(t *testing.T) {
	t.Parallel()
	var steps []resource.TestStep
	for call, problem := range map[string]string{
		`trust_policy({ oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/t.example/", audience = "a" })`: "has no subject",
		`trust_policy({ audience = "a", subject = "s" })`:                                                            "is no ARN",
		`trust_policy({ mode = "open" })`:                                                                            "unknown trust mode",
		`trust_policy({ mode = "plain", enabled = "maybe" })`:                                                        "neither true nor false",
		`trust_policy({ role = "x" })`:                                                                               `knows no "role"`,
		`permissions_policy({ bucket_name = "bucket-one", s3_path_prefix = "a/*" })`:                                 "s3_path_prefix",
		`permissions_policy({ bucket_name = "bucket-one", s3_path_prefix = "a/", s3_permissions = "all" })`:          "all",
		`host_config({ identity_provider = "auth0" })`:                                                               "not configured: auth0_domain",
		`host_config({ client_secret = "x" })`:                                                                       `knows no "client_secret"`,
	} {
		if problem == "s3_path_prefix" {
			problem = "a/*"
		}
		steps = append(steps, resource.TestStep{Config: output("provider::oidcs3::" + call), ExpectError: says(problem)})
	}
	functions(t, steps...)
}
