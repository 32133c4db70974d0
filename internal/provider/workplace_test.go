package provider_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/layers"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/programs"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
)

// workplace is a sandbox of its own with the binaries of the CLI and the provider: for what must not meet other tests'
// servers, or ends processes.
type workplace struct {
	t       *testing.T
	clouds  *sandbox.Sandbox
	program string
	env     []string
}

func newWorkplace(t *testing.T, change ...func(*sandbox.Options)) *workplace {
	t.Helper()
	w := &workplace{t: t, program: program(t)}
	options := sandbox.Options{Dir: t.TempDir()}
	for _, c := range change {
		c(&options)
	}
	own, err := sandbox.Start(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Close() })
	w.clouds = own
	rc, err := layers.CLIConfig(t.TempDir(), programs.For(t, programs.Provider))
	if err != nil {
		t.Fatal(err)
	}
	w.env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+rc, "CHECKPOINT_DISABLE=1")
	for name, value := range own.Env() {
		w.env = append(w.env, name+"="+value)
	}
	return w
}

// program is the CLI under test. Acceptance tests are skipped without TF_ACC.
func program(t *testing.T) string {
	t.Helper()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("acceptance tests need TF_ACC")
	}
	path, err := exec.LookPath(layers.Program())
	if err != nil {
		t.Skipf("no terraform, and no tofu: %v", err)
	}
	return path
}

// openTofu says that the CLI under test is OpenTofu.
var openTofu bool

// chooseProgram has the testing framework use the CLI under test, where it would look for terraform alone, or even fetch it.
// OpenTofu looks for providers at its own registry.
func chooseProgram() error {
	path, _ := exec.LookPath(layers.Program()) // where there is none, the tests say so
	if os.Getenv("TF_ACC") == "" || path == "" {
		return nil
	}
	version, err := exec.Command(path, "version").Output() //nolint:gosec // the CLI under test
	if err != nil {
		return fmt.Errorf("%s version: %w", path, err)
	}
	if openTofu = strings.HasPrefix(string(version), "OpenTofu"); openTofu {
		err = os.Setenv("TF_ACC_PROVIDER_HOST", "registry.opentofu.org")
	}
	return errors.Join(err, os.Setenv(layers.ProgramVariable, path))
}

// with is the workplace for a part of the test.
func (w *workplace) with(t *testing.T) *workplace {
	part := *w
	part.t = t
	return &part
}

// dir makes a directory with a configuration, and so a Terraform state.
func (w *workplace) dir(configuration string) string {
	w.t.Helper()
	dir := w.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(configuration), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return dir
}

// terraform runs the CLI in a directory, which must succeed, and returns its standard output.
func (w *workplace) terraform(dir string, args ...string) []byte {
	w.t.Helper()
	cmd := exec.Command(w.program, args...) //nolint:gosec // the CLI under test
	cmd.Dir, cmd.Env = dir, w.env
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("terraform %s: %v\n%s%s", args[0], err, out, &problems)
	}
	return out
}

// try runs the CLI in a directory, which may fail, and returns all that it said, without the lines that it draws.
func (w *workplace) try(dir string, args ...string) (string, error) {
	w.t.Helper()
	cmd := exec.Command(w.program, args...) //nolint:gosec // the CLI under test
	cmd.Dir, cmd.Env = dir, w.env
	out, err := cmd.CombinedOutput()
	return strings.Join(strings.Fields(strings.NewReplacer("│", " ", "╷", " ", "╵", " ").Replace(string(out))), " "), err
}
