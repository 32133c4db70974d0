package main

import (
	"os/exec"
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
			if !strings.HasPrefix(own, "internal/uploader/") && own != "cmd/oidcs3-upload" {
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
