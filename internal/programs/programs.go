// Package programs builds this module's commands for tests, each once in a process: linking one takes seconds. Only tests
// import it.
package programs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

const module = "github.com/oidcs3/terraform-provider-oidcs3"

// The commands, by their names.
const (
	Provider = "terraform-provider-oidcs3"
	Upload   = "oidcs3-upload"
	Vending  = "oidcs3-vending"
)

var (
	made = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "oidcs3-programs-") })
	once sync.Map // of functions that build, by name
)

// Main runs a package's tests, and removes what Build has made for them. A package that uses Build calls it in TestMain.
func Main(m *testing.M) int {
	defer func() {
		if dir, err := made(); err == nil {
			_ = os.RemoveAll(dir)
		}
	}()
	return m.Run()
}

// Build returns the path of a command. The symbol table is left out, as in a release.
func Build(name string) (string, error) {
	build, _ := once.LoadOrStore(name, sync.OnceValues(func() (string, error) {
		dir, err := made()
		if err != nil {
			return "", err
		}
		source := module + "/cmd/" + name
		if name == Provider {
			source = module
		}
		path := filepath.Join(dir, name)
		if out, err := exec.CommandContext(context.Background(), "go", "build", "-ldflags", "-s -w", "-o", path, source).CombinedOutput(); err != nil { //nolint:gosec // one of ours
			return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
		return path, nil
	}))
	return build.(func() (string, error))()
}

// For is Build for a test, which fails where the command cannot be built.
func For(t testing.TB, name string) string {
	t.Helper()
	path, err := Build(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
