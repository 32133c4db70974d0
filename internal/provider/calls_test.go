package provider_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

variable "audience" { type = string }
variable "provider_arn" { type = string }
variable "servers" { type = map(string) }

provider "oidcs3" {
  environment = "dev"
}

resource "oidcs3_server_access" "this" {
  for_each       = var.servers
  server_name    = each.key
  bucket_name    = "oidc-s3-dev-uploads"
  s3_path_prefix = "counted/${each.key}/"
  s3_permissions = each.value
  auth0          = { audience = var.audience, oidc_provider_arn = var.provider_arn }
}
`

// TestAccServerAccess_calls counts the API calls of servers' lives through the real terraform binary and the real
// provider binary: they are what an identity provider and AWS make one wait for. Reads of the API and of the account are
// shared by all servers of a run, so a run of one server pays them alone.
func TestAccServerAccess_calls(t *testing.T) {
	if os.Getenv("TF_ACC") == "" {
		t.Skip("TF_ACC is not set")
	}
	own, err := sandbox.Start(context.Background(), sandbox.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Close() })
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(callsConfiguration), 0o600); err != nil {
		t.Fatal(err)
	}
	terraform := terraformIn(t, dir, own.Env())
	for _, c := range []struct {
		servers string
		number  int
		most    map[string]int // calls in all
	}{
		{`{"one":"write"}`, 1, map[string]int{"apply": 11, "plan": 5, "destroy": 9}},
		{`{"one":"write","two":"read-write","three":"full"}`, 3, map[string]int{"apply": 3 * 9, "plan": 3 * 5, "destroy": 3 * 8}},
	} {
		for _, args := range [][]string{{"apply", "-auto-approve"}, {"plan", "-detailed-exitcode"}, {"destroy", "-auto-approve"}} {
			own.Edge().Calls().Clear()
			terraform(append(args, "-var=audience="+own.Env()["OIDCS3_SANDBOX_AUTH0_AUDIENCE"],
				"-var=provider_arn="+own.Env()["OIDCS3_SANDBOX_AUTH0_OIDC_PROVIDER_ARN"], "-var=servers="+c.servers)...)
			count := map[string]int{}
			total := 0
			for _, call := range own.Edge().Calls().Calls() {
				count[call.Service+" "+call.Operation]++
				total++
			}
			t.Logf("terraform %s of %d servers: %d API calls, %.1f per server", args[0], c.number, total, float64(total)/float64(c.number))
			for _, operation := range slices.Sorted(maps.Keys(count)) {
				t.Logf("    %d × %s", count[operation], operation)
			}
			if total > c.most[args[0]] || total == 0 {
				t.Errorf("terraform %s of %d servers took %d API calls, at most %d are expected", args[0], c.number, total, c.most[args[0]])
			}
		}
	}
}

// terraformIn returns how to run terraform in a directory, with the provider built from this tree.
func terraformIn(t *testing.T, dir string, env map[string]string) func(args ...string) {
	t.Helper()
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "terraform-provider-oidcs3"), "../..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the provider: %v\n%s", err, out)
	}
	rc := filepath.Join(bin, "terraformrc")
	overrides := fmt.Sprintf("provider_installation {\n dev_overrides {\n \"registry.terraform.io/oidcs3/oidcs3\" = %q\n }\n direct {}\n}\n", bin)
	if err := os.WriteFile(rc, []byte(overrides), 0o600); err != nil {
		t.Fatal(err)
	}
	environment := append(os.Environ(), "TF_CLI_CONFIG_FILE="+rc, "CHECKPOINT_DISABLE=1")
	for name, value := range env {
		environment = append(environment, name+"="+value)
	}
	return func(args ...string) {
		t.Helper()
		cmd := exec.Command("terraform", append(args, "-input=false", "-no-color")...)
		cmd.Dir, cmd.Env = dir, environment
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("terraform %s: %v\n%s", args[0], err, out)
		}
	}
}
