package provider_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-version"
)

// What only newer versions of Terraform can ask a provider for, through the CLI. The tests of the protocol ask for it too,
// whatever the CLI at hand.

// since skips a test whose CLI is older than a version of Terraform, or is OpenTofu.
func (w *workplace) since(want string) {
	w.t.Helper()
	out, err := exec.CommandContext(w.t.Context(), w.program, "version", "-json").Output()
	var is struct {
		Version string `json:"terraform_version"`
	}
	if err == nil {
		err = json.Unmarshal(out, &is)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if version.Must(version.NewVersion(is.Version)).Core().LessThan(version.Must(version.NewVersion(want))) || openTofu {
		w.t.Skipf("Terraform %s or later has what is tested", want)
	}
}

// write adds a file to the configuration in a directory.
func (w *workplace) write(dir, name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func TestAccActions(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.since("1.14.0")
	configuration := strings.Replace(callsConfiguration, "wait_for_access = var.wait", "wait_for_access = var.wait\n  client_authentication = { secret_storage = \"ssm\" }", 1)
	dir := w.dir(configuration + `
action "oidcs3_rotate_secret" "it" {
  config {
    server_name    = "web-01"
    allow_downtime = true
  }
}

action "oidcs3_disable_server" "it" {
  config {
    server_name = "web-01"
  }
}

action "oidcs3_enable_server" "it" {
  config {
    id = "dev/web-01"
  }
}
`)
	variables := []string{"-input=false", "-no-color", "-var=auth0=" + identityOf(w.clouds, "auth0"), `-var=servers={"web-01":"write"}`}
	run := func(args ...string) string {
		t.Helper()
		return string(w.terraform(dir, append(args, variables...)...))
	}
	invoke := func(action, says string) {
		t.Helper()
		if out := run("apply", "-auto-approve", "-invoke=action."+action+".it"); !strings.Contains(out, says) {
			t.Errorf("%s says:\n%s", action, out)
		}
	}
	role := func() string {
		t.Helper()
		raw, err := json.Marshal(w.clouds.State(t.Context())["iam"])
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	run("apply", "-auto-approve")
	invoke("oidcs3_rotate_secret", "Client secret of dev/web-01 was rotated")
	run("plan", "-detailed-exitcode")
	invoke("oidcs3_disable_server", "is shut out")
	if !strings.Contains(role(), "revoked-sessions") {
		t.Error("no session was revoked")
	}
	if out := run("plan"); !strings.Contains(out, "1 to change") {
		t.Errorf("the plan shows nothing of it:\n%s", out)
	}
	invoke("oidcs3_enable_server", "is let in again")
	run("plan", "-detailed-exitcode")
	run("destroy", "-auto-approve")
}

func TestAccQuery(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.since("1.14.0")
	dir := w.dir(callsConfiguration)
	variables := []string{"-no-color", "-var=auth0=" + identityOf(w.clouds, "auth0"), `-var=servers={"one":"write","two":"full"}`}
	w.terraform(dir, append([]string{"apply", "-auto-approve", "-input=false"}, variables...)...)
	asking := w.dir(`
terraform {
  required_providers {
    oidcs3 = { source = "oidcs3/oidcs3" }
  }
}
provider "oidcs3" {
  environment = "dev"
}
`)
	example, err := os.ReadFile(filepath.Join("..", "..", "examples", "list-resources", serverAccess, "list-resource.tfquery.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write(asking, "servers.tfquery.hcl", string(example))
	w.terraform(asking, "init", "-input=false", "-no-color")
	out := string(w.terraform(asking, "query", "-no-color", "-generate-config-out=found.tf"))
	for _, server := range []string{"dev/one (auth0)", "dev/two (auth0)"} {
		if !strings.Contains(out, server) {
			t.Errorf("%s is not listed:\n%s", server, out)
		}
	}
	// What was generated takes the servers over.
	if out := string(w.terraform(asking, "plan", "-input=false", "-no-color")); !strings.Contains(out, "2 to import, 0 to add, 0 to change, 0 to destroy") {
		t.Errorf("the plan of what was found:\n%s", out)
	}
	w.terraform(dir, append([]string{"destroy", "-auto-approve", "-input=false"}, variables...)...)
}

func TestAccImportByIdentity(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.since("1.12.0")
	dir := w.dir(callsConfiguration)
	variables := []string{"-input=false", "-no-color", "-var=auth0=" + identityOf(w.clouds, "auth0"), `-var=servers={"one":"write"}`}
	w.terraform(dir, append([]string{"apply", "-auto-approve"}, variables...)...)
	fresh := w.dir(callsConfiguration)
	w.write(fresh, "import.tf", `
import {
  to = oidcs3_server_access.this["one"]
  identity = {
    account_id = "123456789012"
    role_name  = "oidc-s3-dev-one"
  }
}
`)
	if out := string(w.terraform(fresh, slices.Concat([]string{"apply", "-auto-approve"}, variables)...)); !strings.Contains(out, "1 imported, 0 added") {
		t.Errorf("the apply says:\n%s", out)
	}
	w.terraform(fresh, append([]string{"plan", "-detailed-exitcode"}, variables...)...)
	w.terraform(fresh, append([]string{"destroy", "-auto-approve"}, variables...)...)
	if left := w.left("one"); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}
