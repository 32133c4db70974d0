package provider_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
)

// callsConfiguration is a servers layer: some servers, of which the levels take turns.
const callsConfiguration = `
terraform {
  required_providers {
    oidcs3 = { source = "oidcs3/oidcs3" }
  }
}

variable "auth0" {
  type    = any
  default = null
}
variable "entra" {
  type    = any
  default = null
}
variable "cognito" {
  type    = any
  default = null
}
variable "servers" { type = map(string) }
variable "wait" {
  type    = bool
  default = false
}

provider "oidcs3" {
  environment = "dev"
}

resource "oidcs3_server_access" "this" {
  for_each       = var.servers
  server_name    = each.key
  bucket_name    = "oidc-s3-dev-uploads"
  s3_path_prefix = "counted/${each.key}/"
  s3_permissions = each.value
  auth0          = var.auth0
  entra          = var.entra
  cognito        = var.cognito

  wait_for_access = var.wait
}
`

// TestAccServerAccess_calls counts the API calls of servers' lives through the real terraform binary and the real
// provider binary: they are what an identity provider and AWS make one wait for. Reads of the API and of the account are
// shared by all servers of a run, so a run of one server pays them alone. Waiting for access, which is the server's own
// first token and session, is counted by itself.
func TestAccServerAccess_calls(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	own, dir := w.clouds, w.dir(callsConfiguration)
	terraform := func(args ...string) { t.Helper(); w.terraform(dir, append(args, "-input=false", "-no-color")...) }
	// The most calls in all of a create, a plan without changes and a destroy. Each has room for two whose
	// answers are lost on a busy machine, and which the SDK makes again.
	type most struct{ apply, plan, destroy int }
	levels := map[string]string{}
	for i := range 10 {
		levels[fmt.Sprintf("web-%02d", i)] = []string{"write", "read-write", "full"}[i%3]
	}
	text, err := json.Marshal(levels)
	if err != nil {
		t.Fatal(err)
	}
	ten := string(text)
	for _, c := range []struct {
		idp      string
		one, ten most
	}{
		{"auth0", most{16, 7, 13}, most{10 * 9, 15, 60}},
		{"entra", most{28, 11, 19}, most{145, 18, 68}},
		{"cognito", most{16, 8, 15}, most{10 * 9, 25, 80}},
	} {
		for _, servers := range []struct {
			value  string
			number int
			most   most
		}{{`{"one":"write"}`, 1, c.one}, {ten, 10, c.ten}} {
			for _, step := range []struct {
				args []string
				most int
			}{{[]string{"apply", "-auto-approve"}, servers.most.apply}, {[]string{"plan", "-detailed-exitcode"}, servers.most.plan}, {[]string{"destroy", "-auto-approve"}, servers.most.destroy}} {
				own.Edge().Calls().Clear()
				terraform(append(step.args, "-var="+c.idp+"="+identityOf(own, c.idp), "-var=servers="+servers.value)...)
				count, total := counted(own)
				t.Logf("%s: terraform %s of %d servers: %d API calls, %.1f per server", c.idp, step.args[0], servers.number, total, float64(total)/float64(servers.number))
				for _, operation := range slices.Sorted(maps.Keys(count)) {
					t.Logf("    %d × %s", count[operation], operation)
				}
				if total > step.most || total == 0 {
					t.Errorf("%s: terraform %s of %d servers took %d API calls, at most %d are expected", c.idp, step.args[0], servers.number, total, step.most)
				}
			}
		}
	}
	auth0 := []string{"-auto-approve", "-var=wait=true", "-var=auth0=" + identityOf(own, "auth0"), "-var=servers=" + ten}
	own.Edge().Calls().Clear()
	terraform(append([]string{"apply"}, auth0...)...)
	count, _ := counted(own)
	if count["auth0 POST /oauth/token"] != 10 || count["sts AssumeRoleWithWebIdentity"] != 10 {
		t.Errorf("waiting for access of 10 servers took %d tokens and %d sessions, want one of each for every server",
			count["auth0 POST /oauth/token"], count["sts AssumeRoleWithWebIdentity"])
	}
	terraform(append([]string{"destroy"}, auth0...)...)
}

// counted is how often each operation was called since the journal was cleared.
func counted(s *sandbox.Sandbox) (count map[string]int, total int) {
	count = map[string]int{}
	for _, call := range s.Edge().Calls().Calls() {
		count[call.Service+" "+call.Operation]++
		total++
	}
	return count, total
}

// identityOf is the nested attribute of an identity provider, as a variable's value.
func identityOf(s *sandbox.Sandbox, idp string) string {
	env := s.Env()
	value := map[string]any{"audience": env["OIDCS3_SANDBOX_"+strings.ToUpper(idp)+"_AUDIENCE"], "oidc_provider_arn": env["OIDCS3_SANDBOX_"+strings.ToUpper(idp)+"_OIDC_PROVIDER_ARN"]}
	if idp == "cognito" {
		value = map[string]any{"user_pool_id": env["OIDCS3_SANDBOX_COGNITO_USER_POOL_ID"], "domain": env["OIDCS3_SANDBOX_COGNITO_DOMAIN"],
			"allowed_scopes": strings.Fields(env["OIDCS3_SANDBOX_COGNITO_SCOPES"]), "vending_role_arn": env["OIDCS3_SANDBOX_VENDING_ROLE_ARN"],
			"vending_url": "https://vending.example", "client_roles_table_name": env["OIDCS3_SANDBOX_CLIENT_ROLES_TABLE"]}
	}
	text, err := json.Marshal(value)
	if err != nil { // strings always marshal
		panic(err)
	}
	return string(text)
}
