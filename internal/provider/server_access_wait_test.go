package provider_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/programs"
)

const waitingConfiguration = `
terraform {
  required_providers {
    oidcs3 = { source = "oidcs3/oidcs3" }
  }
}

variable "wait" {
  type    = bool
  default = null
}
variable "auth0" { type = any }

provider "oidcs3" {
  environment = "dev"
}

resource "oidcs3_server_access" "this" {
  server_name     = "waiting"
  bucket_name     = "oidc-s3-dev-uploads"
  s3_path_prefix  = "waiting/"
  auth0           = var.auth0
  wait_for_access = var.wait
}

output "configuration" { value = oidcs3_server_access.this.server_configuration }
output "secret" {
  value     = oidcs3_server_access.this.client_secret
  sensitive = true
}
`

// TestAccWaitsForAccess has IAM take its time. A host that asks for credentials the moment an apply is over gets them, and
// is refused where the apply did not wait.
func TestAccWaitsForAccess(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	upload := programs.For(t, programs.Upload)
	for _, test := range []struct {
		name, wait  string
		propagation time.Duration
		code        int
	}{{"by default", "", 5 * time.Second, 0}, {"not", "-var=wait=false", time.Hour, 4}} {
		t.Run(test.name, func(t *testing.T) {
			w := w.with(t)
			w.clouds.Authorization().SetRolePropagation(test.propagation)
			dir := w.dir(waitingConfiguration)
			variables := []string{"-auto-approve", "-input=false", "-var=auth0=" + identityOf(w.clouds, "auth0")}
			if test.wait != "" {
				variables = append(variables, test.wait)
			}
			w.terraform(dir, append([]string{"apply"}, variables...)...)
			outputs := struct{ Configuration, Secret struct{ Value string } }{}
			if err := json.Unmarshal(w.terraform(dir, "output", "-json"), &outputs); err != nil {
				t.Fatal(err)
			}
			configuration := filepath.Join(dir, "config.json")
			if err := os.WriteFile(configuration, []byte(outputs.Configuration.Value), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(upload, "get-credentials", "--config", configuration)
			cmd.Env = append(w.env, "OIDCS3_CLIENT_SECRET="+outputs.Secret.Value, "XDG_CACHE_HOME="+dir, "HOME="+dir)
			var refusal strings.Builder
			cmd.Stderr = &refusal
			_ = cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != test.code {
				t.Errorf("a host right after the apply: exit code %d, want %d\n%s", code, test.code, &refusal)
			}
			w.terraform(dir, append([]string{"destroy"}, variables...)...)
		})
	}
}
