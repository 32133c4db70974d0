package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/cli"
)

// written is every file of a run.
func written(t *testing.T) (string, map[string]string) {
	t.Helper()
	dir, files := t.TempDir(), map[string]string{}
	if err := write(cli.Commands("v1.2.3"), "v1.2.3", dir); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // just written
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, files
}

func TestEveryCommandHasAPage(t *testing.T) {
	t.Parallel()
	_, files := written(t)
	for _, c := range append(cli.Commands("v1.2.3").Commands(), cli.Commands("v1.2.3")) {
		packed, there := files["man/man1/"+pageName(c)+".1.gz"]
		if !there {
			t.Errorf("%s has no page", c.CommandPath())
			continue
		}
		r, err := gzip.NewReader(strings.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(r)
		if err != nil {
			t.Errorf("%s: %v", pageName(c), err)
		}
		heading := `.TH "` + strings.ToUpper(pageName(c)) + `" "1" "" "oidcs3 v1.2.3" "oidcs3"`
		if !bytes.Contains(page, []byte(heading+"\n")) {
			t.Errorf("%s lacks %q", pageName(c), heading)
		}
	}
}

func TestPagesAreReproducible(t *testing.T) {
	t.Parallel()
	_, one := written(t)
	_, two := written(t)
	if !maps.Equal(one, two) {
		t.Error("two runs differ")
	}
}

// TestPagesParse lets groff and the shells read what is written for them, where they are installed.
func TestPagesParse(t *testing.T) {
	t.Parallel()
	dir, files := written(t)
	for _, c := range []struct{ program, file string }{
		{"bash", "bash-completion/completions/oidcs3-upload"},
		{"zsh", "zsh/vendor-completions/_oidcs3-upload"},
		{"fish", "fish/vendor_completions.d/oidcs3-upload.fish"},
	} {
		if _, there := files[c.file]; !there {
			t.Errorf("there is no %s", c.file)
		}
		if _, err := exec.LookPath(c.program); err != nil {
			t.Logf("%s is not installed", c.program)
			continue
		}
		if out, err := exec.CommandContext(t.Context(), c.program, "-n", filepath.Join(dir, c.file)).CombinedOutput(); err != nil { //nolint:gosec // a shell's name
			t.Errorf("%s: %v\n%s", c.program, err, out)
		}
	}
	if _, err := exec.LookPath("groff"); err != nil {
		t.Skip("groff is not installed")
	}
	for name := range files {
		if !strings.HasSuffix(name, ".1.gz") {
			continue
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", `gzip -dc "$1" | groff -K utf-8 -man -z -wall -Tutf8`, "sh", filepath.Join(dir, name)) //nolint:gosec // a file of ours
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("groff on %s: %v\n%s", name, err, out)
		}
	}
}
