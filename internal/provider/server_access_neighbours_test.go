package provider_test

import (
	"strings"
	"testing"
)

const neighbourConfiguration = `
terraform {
  required_providers {
    oidcs3 = { source = "oidcs3/oidcs3" }
  }
}

variable "server" { type = string }
variable "prefix" { type = string }
variable "auth0" { type = any }
variable "overlap" {
  type    = bool
  default = false
}

provider "oidcs3" {
  environment = "dev"
}

resource "oidcs3_server_access" "this" {
  server_name          = var.server
  bucket_name          = "oidc-s3-dev-uploads"
  s3_path_prefix       = var.prefix
  auth0                = var.auth0
  allow_prefix_overlap = var.overlap
}
`

// TestAccServerAccess_neighbours has a server that another Terraform state knows, and plans others around it.
func TestAccServerAccess_neighbours(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	plan := func(verb, server, prefix string, more ...string) string {
		t.Helper()
		dir := w.dir(neighbourConfiguration)
		args := append([]string{verb, "-input=false", "-no-color", "-var=auth0=" + identityOf(w.clouds, "auth0"), "-var=server=" + server, "-var=prefix=" + prefix}, more...)
		return strings.Join(strings.Fields(string(w.terraform(dir, args...))), " ")
	}
	plan("apply", "first", "shared/logs/", "-auto-approve")
	for _, test := range []struct {
		name, server, prefix string
		warned               bool
		more                 []string
	}{
		{"inside", "second", "shared/logs/app/", true, nil},
		{"around", "second", "shared/", true, nil},
		{"beside", "second", "shared/logs2/", false, nil},
		{"meant", "second", "shared/logs/", false, []string{"-var=overlap=true"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := plan("plan", test.server, test.prefix, test.more...)
			warned := strings.Contains(out, "Others reach this prefix") && strings.Contains(out, "oidc-s3-dev-first")
			if warned != test.warned {
				t.Errorf("warned: %t, want %t\n%s", warned, test.warned, out)
			}
		})
	}
}
