package provider_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

const interruptedConfiguration = `
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
  s3_path_prefix = "interrupted/${each.key}/"
  s3_permissions = each.value
  auth0          = { audience = var.audience, oidc_provider_arn = var.provider_arn }
}
`

// start starts terraform in the directory of a state.
func (w *workplace) start(dir, server, suffix, verb string) (*exec.Cmd, *bytes.Buffer) {
	w.t.Helper()
	env := w.clouds.Env()
	cmd := exec.Command(w.program, verb, "-auto-approve", "-input=false", "-no-color", fmt.Sprintf(`-var=servers={%q:"write"}`, server),
		"-var=audience="+env["OIDCS3_SANDBOX_AUTH0_AUDIENCE"+suffix], "-var=provider_arn="+env["OIDCS3_SANDBOX_AUTH0_OIDC_PROVIDER_ARN"+suffix])
	cmd.Dir, cmd.Env = dir, w.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return cmd, &out
}

func (w *workplace) must(dir, server, suffix, verb string) {
	w.t.Helper()
	cmd, out := w.start(dir, server, suffix, verb)
	if err := cmd.Wait(); err != nil {
		w.t.Fatalf("terraform %s: %v\n%s", verb, err, out)
	}
}

// hold slows a call down that comes after the client was made; come waits until it is on its way.
func (w *workplace) hold(operation, server string) (come func()) {
	w.t.Helper()
	if err := w.clouds.Edge().Faults().Add(edge.Fault{Operation: operation, Nth: 1, Kind: edge.Slow, DelayMS: 12_000}); err != nil {
		w.t.Fatal(err)
	}
	return func() {
		for end := time.Now().Add(time.Minute); len(w.clients("oidc-s3-dev-"+server)) == 0; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				w.t.Fatal("the client was not made")
			}
		}
		time.Sleep(2 * time.Second) // the few calls between
	}
}

// clients lists the ids of the Auth0 clients of a name.
func (w *workplace) clients(name string) []string {
	w.t.Helper()
	raw, err := json.Marshal(w.clouds.State(context.Background())["auth0"])
	if err != nil {
		w.t.Fatal(err)
	}
	var tenant struct {
		Clients []struct {
			Name string `json:"name"`
			ID   string `json:"client_id"`
		} `json:"clients"`
	}
	if err := json.Unmarshal(raw, &tenant); err != nil {
		w.t.Fatal(err)
	}
	var ids []string
	for _, c := range tenant.Clients {
		if c.Name == name {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// left lists what the clouds still hold of a server.
func (w *workplace) left(server string) []string {
	w.t.Helper()
	raw, err := json.Marshal(w.clouds.State(context.Background()))
	var state any
	if err == nil {
		err = json.Unmarshal(raw, &state)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return traces(state, "", server, "oidc-s3-dev-"+server)
}

// TestAccInterrupted ends an apply in the middle of several calls, as Ctrl-C and as a power failure do. The next plain
// apply reaches the final state with the same client, and a destroy leaves nothing.
func TestAccInterrupted(t *testing.T) {
	t.Parallel()
	for i, operation := range []string{"POST /api/v2/client-grants", "UpdateAssumeRolePolicy", "AssumeRoleWithWebIdentity"} {
		for _, how := range []string{"SIGINT", "kill -9"} {
			t.Run(how+" in "+strings.ReplaceAll(operation, "/", "_"), func(t *testing.T) {
				t.Parallel()
				w := newWorkplace(t)
				dir, server := w.dir(interruptedConfiguration), fmt.Sprintf("cut-%d-%d", i, len(how))
				come := w.hold(operation, server)
				cmd, out := w.start(dir, server, "", "apply")
				come()
				if how == "SIGINT" {
					if err := cmd.Process.Signal(os.Interrupt); err != nil {
						t.Fatal(err)
					}
				} else {
					w.kill(cmd.Process.Pid)
				}
				if err := cmd.Wait(); err == nil {
					t.Fatalf("the apply was not cut off:\n%s", out)
				}
				w.clouds.Edge().Faults().Clear()
				first := w.clients("oidc-s3-dev-" + server)
				switch {
				case how == "SIGINT" && len(w.left(server)) > 0:
					t.Errorf("after Ctrl-C is left: %v\n%s", w.left(server), out)
				case how != "SIGINT" && len(first) != 1:
					t.Errorf("after kill -9 there are %d clients, want the one that was made", len(first))
				}
				w.must(dir, server, "", "apply")
				now := w.clients("oidc-s3-dev-" + server)
				if len(now) != 1 || (len(first) == 1 && now[0] != first[0]) {
					t.Errorf("after the next apply the clients are %v, before it %v", now, first)
				}
				w.must(dir, server, "", "destroy")
				if left := w.left(server); len(left) > 0 {
					t.Errorf("after destroy is left: %v", left)
				}
			})
		}
	}
}

// kill ends the provider process of a terraform, and terraform, without a chance to clean up.
func (w *workplace) kill(terraform int) {
	w.t.Helper()
	if err := syscall.Kill(-terraform, syscall.SIGKILL); err != nil { // the group that start made
		w.t.Fatal(err)
	}
}

// TestAccTwoAtOnce applies one server from two states at once: one wins, the other fails clearly and leaves nothing.
// Servers of their own do not get in each other's way, also where they share an OIDC provider's list of client IDs.
func TestAccTwoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	t.Run("one server", func(t *testing.T) {
		w := w.with(t)
		dirs := []string{w.dir(interruptedConfiguration), w.dir(interruptedConfiguration)}
		outs, errs := w.together(dirs, []string{"contested", "contested"}, "")
		winner := 0
		if errs[0] != nil {
			winner = 1
		}
		if errs[winner] != nil || errs[1-winner] == nil {
			t.Fatalf("want one winner: %v\n%s\n%s", errs, outs[0], outs[1])
		}
		text := strings.Join(strings.Fields(outs[1-winner]), " ")
		for _, said := range []string{"Server access was not created", "oidc-s3-dev-contested", "import"} {
			if !strings.Contains(text, said) {
				t.Errorf("the loser does not say %q:\n%s", said, outs[1-winner])
			}
		}
		if ids := w.clients("oidc-s3-dev-contested"); len(ids) != 1 {
			t.Errorf("there are %d clients", len(ids))
		}
		w.must(dirs[winner], "contested", "", "destroy")
		if left := w.left("contested"); len(left) > 0 {
			t.Errorf("after the winner's destroy is left: %v", left)
		}
	})
	t.Run("different servers in azp mode", func(t *testing.T) {
		w := w.with(t)
		dirs, servers := []string{w.dir(interruptedConfiguration), w.dir(interruptedConfiguration)}, []string{"apart-1", "apart-2"}
		outs, errs := w.together(dirs, servers, "_AZP")
		if errs[0] != nil || errs[1] != nil {
			t.Fatalf("%v\n%s\n%s", errs, outs[0], outs[1])
		}
		raw, err := json.Marshal(w.clouds.State(context.Background())["iam"])
		if err != nil {
			t.Fatal(err)
		}
		for _, server := range servers {
			for _, id := range w.clients("oidc-s3-dev-" + server) {
				if !strings.Contains(string(raw), `"`+id+`"`) {
					t.Errorf("the OIDC provider does not list the client of %s", server)
				}
			}
		}
		for i, dir := range dirs {
			w.must(dir, servers[i], "_AZP", "destroy")
			if left := w.left(servers[i]); len(left) > 0 {
				t.Errorf("after destroy is left: %v", left)
			}
		}
	})
}

// together applies in two states at the same time.
func (w *workplace) together(dirs, servers []string, suffix string) (outs [2]string, errs [2]error) {
	w.t.Helper()
	var wait sync.WaitGroup
	for i := range 2 {
		cmd, out := w.start(dirs[i], servers[i], suffix, "apply")
		wait.Go(func() {
			errs[i] = cmd.Wait()
			outs[i] = out.String()
		})
	}
	wait.Wait()
	return outs, errs
}
