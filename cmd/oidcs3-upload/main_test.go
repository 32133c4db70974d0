package main

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The host binary is small because of what it leaves out.
func TestDependencies(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/oidcs3/terraform-provider-oidcs3/"
	found := false
	for dependency := range strings.Lines(string(out)) {
		dependency = strings.TrimSpace(dependency)
		found = found || dependency == module+"internal/uploader/cli"
		if own, ours := strings.CutPrefix(dependency, module); ours {
			others := []string{"cmd/oidcs3-upload", "internal/awsanswer", "internal/buildinfo"}
			if !strings.HasPrefix(own, "internal/uploader/") && !slices.Contains(others, own) {
				t.Errorf("links %s", dependency)
			}
			continue
		}
		for _, word := range []string{"terraform", "msgraph", "hashicorp"} {
			if strings.Contains(dependency, word) {
				t.Errorf("links %s", dependency)
			}
		}
	}
	if !found {
		t.Error("the list of dependencies is not this program's")
	}
}

// One static file, small enough to be copied to every server.
func TestStaticAndSmall(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program")
	}
	name := filepath.Join(t.TempDir(), "oidcs3-upload")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", name, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 25<<20 {
		t.Errorf("%d bytes are more than 25 MiB", info.Size())
	}
	f, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("links %v dynamically, %v", libraries, err)
	}
}

// Hosts run Windows and macOS too. `make cross` compiles the tests as well.
func TestOtherSystems(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program")
	}
	for _, target := range []string{"windows/amd64", "darwin/arm64"} {
		system, processor, _ := strings.Cut(target, "/")
		build := exec.Command("go", "build", "-o", t.TempDir(), ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+processor)
		if out, err := build.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", target, err, out)
		}
	}
}
