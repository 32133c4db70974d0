package provider_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/provider"
)

// workspace is a directory in which the Terraform CLI runs as a person runs it, with providers that live in this process:
// for what plan files, generated configuration and the removed blocks of other providers need.
type workspace struct {
	t       *testing.T
	dir     string
	program string
	env     []string
}

// newWorkspace writes the files and serves the providers, by their addresses ("hashicorp/aws"), beside oidcs3.
func newWorkspace(t *testing.T, files map[string]string, others map[string]func() tfprotov6.ProviderServer) *workspace {
	t.Helper()
	w := &workspace{t: t, dir: t.TempDir(), program: program(t)}
	for name, text := range files {
		w.write(name, text)
	}
	reattach := map[string]any{}
	serve := func(address string, server func() tfprotov6.ProviderServer) {
		reached := serving(t, "registry.terraform.io/"+address, server)
		for _, host := range []string{"registry.terraform.io/", "registry.opentofu.org/"} {
			reattach[host+address] = reached
		}
	}
	serve("oidcs3/oidcs3", provider.Server("test"))
	for address, server := range others {
		serve(address, server)
	}
	text, err := json.Marshal(reattach)
	if err != nil {
		t.Fatal(err)
	}
	w.env = append(os.Environ(), "TF_REATTACH_PROVIDERS="+string(text), "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE="+os.DevNull)
	w.run("init", "-no-color")
	return w
}

// serving serves a provider until the test ends, and returns how the CLI reaches it.
func serving(t *testing.T, address string, server func() tfprotov6.ProviderServer) map[string]any {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	configs, closed := make(chan *plugin.ReattachConfig, 1), make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		failed <- tf6server.Serve(address, server, tf6server.WithDebug(ctx, configs, closed),
			tf6server.WithLoggingSink(t), tf6server.WithGoPluginLogger(hclog.NewNullLogger()))
	}()
	t.Cleanup(func() { cancel(); <-closed })
	select {
	case c := <-configs:
		return map[string]any{"Protocol": string(c.Protocol), "ProtocolVersion": c.ProtocolVersion, "Pid": c.Pid, "Test": c.Test,
			"Addr": map[string]string{"Network": c.Addr.Network(), "String": c.Addr.String()}}
	case err := <-failed:
		t.Fatalf("serve %s: %v", address, err)
	case <-time.After(30 * time.Second):
		t.Fatalf("serve %s: it does not start", address)
	}
	return nil
}

func (w *workspace) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workspace) read(name string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// run runs the CLI, which must succeed, and returns what it said.
func (w *workspace) run(args ...string) string {
	w.t.Helper()
	out, err := w.try(args...)
	if err != nil {
		w.t.Fatalf("terraform %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (w *workspace) try(args ...string) (string, error) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), w.program, args...) //nolint:gosec // the CLI under test
	cmd.Dir, cmd.Env = w.dir, w.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// plan plans into a file and counts what the plan would do, by action: "import", "create", "update", "delete", "forget",
// "no-op".
func (w *workspace) plan(args ...string) map[string]int {
	w.t.Helper()
	w.run(append([]string{"plan", "-no-color", "-input=false", "-out=plan.bin"}, args...)...)
	var plan struct {
		ResourceChanges []struct {
			Change struct {
				Actions   []string
				Importing any
			}
		} `json:"resource_changes"`
	}
	cmd := exec.CommandContext(w.t.Context(), w.program, "show", "-json", "plan.bin") //nolint:gosec // the CLI under test
	cmd.Dir, cmd.Env = w.dir, w.env
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("terraform show: %v", err)
	}
	if err := json.Unmarshal(out, &plan); err != nil {
		w.t.Fatal(err)
	}
	counts := map[string]int{}
	for _, one := range plan.ResourceChanges {
		counts[strings.Join(one.Change.Actions, "-")]++
		if one.Change.Importing != nil {
			counts["import"]++
		}
	}
	return counts
}

// expect plans and expects exactly these actions.
func (w *workspace) expect(want map[string]int, args ...string) {
	w.t.Helper()
	if got := w.plan(args...); fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Fatalf("the plan is %v, not %v\n%s", got, want, w.run("show", "-no-color", "plan.bin"))
	}
}

// apply applies the last plan.
func (w *workspace) apply() { w.t.Helper(); w.run("apply", "-no-color", "-input=false", "plan.bin") }

// clean expects that nothing is left to do.
func (w *workspace) clean() {
	w.t.Helper()
	for action, n := range w.plan() {
		if action != "no-op" {
			w.t.Fatalf("the plan has %d × %s\n%s", n, action, w.run("show", "-no-color", "plan.bin"))
		}
	}
}
