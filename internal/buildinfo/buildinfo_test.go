package buildinfo

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestCommit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		settings []debug.BuildSetting
		want     string
	}{
		"no checkout": {[]debug.BuildSetting{{Key: "GOOS", Value: "linux"}}, ""},
		"clean":       {[]debug.BuildSetting{{Key: "vcs.revision", Value: "0123"}, {Key: "vcs.modified", Value: "false"}}, "0123"},
		"changed":     {[]debug.BuildSetting{{Key: "vcs.modified", Value: "true"}, {Key: "vcs.revision", Value: "0123"}}, "0123-dirty"},
	} {
		if got := commit(test.settings); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestEveryBinary builds every command as a release does, and asks each for its version and commit.
func TestEveryBinary(t *testing.T) {
	t.Parallel()
	head, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		t.Skip("not a git checkout")
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-buildvcs=true", "-ldflags", "-X main.version=v9.8.7", "-o", dir, "../..", "../../cmd/...")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	programs, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(programs) != 5 {
		t.Fatalf("%d programs, want 5", len(programs))
	}
	for _, program := range programs {
		out, err := exec.Command(filepath.Join(dir, program.Name()), "--version").CombinedOutput()
		if want := program.Name() + " v9.8.7 (commit " + strings.TrimSpace(string(head)); err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s --version: %v %q, want %q…", program.Name(), err, out, want)
		}
	}
}
