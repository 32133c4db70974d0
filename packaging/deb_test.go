package packaging_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// root is a directory that dpkg takes for a machine.
type root struct {
	t   *testing.T
	dir string
}

// newRoot needs root's rights: dpkg gives files to their owners, and a service runs as a user of its own in there.
func newRoot(t *testing.T) root {
	t.Helper()
	for _, program := range []string{"dpkg", "dpkg-deb", "make", "systemd-sysusers"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program + " is not installed")
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("dpkg installs as root only")
	}
	if testing.Short() {
		t.Skip("builds a package")
	}
	r := root{t, t.TempDir()}
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"} {
		if err := os.MkdirAll(r.path(dir), 0o755); err != nil { //nolint:gosec // as on a machine
			t.Fatal(err)
		}
	}
	// Where t.TempDir lies, nobody but the test may look; below it, in the root, everybody may.
	if err := os.Chmod(r.dir, 0o755); err != nil { //nolint:gosec // as on a machine
		t.Fatal(err)
	}
	r.write("var/lib/dpkg/status", "", 0o644)
	return r
}

func (r root) path(name string) string { return filepath.Join(r.dir, name) }

func (r root) write(name, text string, mode fs.FileMode) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(r.path(name)), 0o755); err != nil { //nolint:gosec // as on a machine
		r.t.Fatal(err)
	}
	if err := os.WriteFile(r.path(name), []byte(text), mode); err != nil {
		r.t.Fatal(err)
	}
}

func (r root) read(name string) string {
	r.t.Helper()
	text, err := os.ReadFile(r.path(name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// dpkg runs dpkg on the root. The package's scripts run too, told by DPKG_ROOT where.
func (r root) dpkg(args ...string) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "dpkg", append([]string{"--root=" + r.dir, "--force-script-chrootless", "--force-depends", "--log=/dev/null"}, args...)...) //nolint:gosec // a test's
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("dpkg %v: %v\n%s", args, err, out)
	}
}

// files are all but dpkg's own, and systemd's cache of users.
func (r root) files() []string {
	r.t.Helper()
	var names []string
	err := filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(r.dir, path)
		switch {
		case err != nil:
			return err
		case name == "var/lib/dpkg":
			return fs.SkipDir
		case !d.IsDir():
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return names
}

// users are the files in which the system keeps its users: a package that is gone leaves its user behind.
func users(name string) bool {
	return slices.Contains([]string{"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/.pwd.lock"}, name) ||
		slices.Contains([]string{"etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-"}, name)
}

// packages is where build leaves what it makes. It goes when the tests have ended.
var packages string

// build makes the deb and the rpm of the tree for this machine, once for all tests.
var build = sync.OnceValue(func() error {
	cmd := exec.Command("make", "-C", "..", "package", "DIST="+packages, "VERSION=v0.0.1", "ARCHES="+runtime.GOARCH) //nolint:gosec,noctx // our own target, for all tests
	for _, v := range os.Environ() {                                                                                 // a make that runs the tests says nothing to this one
		if name, _, _ := strings.Cut(v, "="); name != "MAKEFLAGS" && name != "MAKEOVERRIDES" && name != "MFLAGS" {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make package: %w\n%s", err, out)
	}
	return nil
})

func TestMain(m *testing.M) {
	if packages = os.Getenv(nested); packages != "" {
		os.Exit(m.Run())
	}
	var err error
	if packages, err = os.MkdirTemp("", "oidcs3-packages-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(packages)
	os.Exit(code)
}

// built is the package of a format, deb or rpm.
func built(t *testing.T, format string) string {
	t.Helper()
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not installed")
	}
	if os.Getenv(nested) == "" {
		if err := build(); err != nil {
			t.Fatal(err)
		}
	}
	found, err := filepath.Glob(filepath.Join(packages, "*."+format))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s packages: %v, %v", format, found, err)
	}
	return found[0]
}

// TestDebianPackage installs the package into a root of its own, runs the services there as their units say, removes it,
// and purges it.
func TestDebianPackage(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	r.dpkg("--install", built(t, "deb"))

	for _, name := range []string{"usr/bin/oidcs3-upload", "usr/share/man/man1/oidcs3-upload-serve.1.gz", "etc/oidcs3/environment",
		"usr/lib/systemd/system/oidcs3-watch@.service", "usr/share/bash-completion/completions/oidcs3-upload"} {
		if info, err := os.Stat(r.path(name)); err != nil || info.Mode().Perm()&0o444 != 0o444 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), r.path("usr/bin/oidcs3-upload"), "version").CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "oidcs3-upload v0.0.1") { //nolint:gosec // just installed
		t.Errorf("version: %q, %v", out, err)
	}
	if !strings.Contains(r.read("etc/passwd"), "\noidcs3:") && !strings.HasPrefix(r.read("etc/passwd"), "oidcs3:") {
		t.Error("there is no user oidcs3")
	}

	t.Run("services", func(t *testing.T) { runServices(root{t, r.dir}) })

	// What an administrator makes: enabled services and a drop-in, configuration and secret, and state.
	enabled := "etc/systemd/system/multi-user.target.wants/"
	dropIn := "etc/systemd/system/oidcs3-serve.service.d/proxy.conf"
	if err := os.MkdirAll(r.path(enabled), 0o755); err != nil { //nolint:gosec // as on a machine
		t.Fatal(err)
	}
	for instance, of := range map[string]string{"oidcs3-serve": "oidcs3-serve", "oidcs3-watch@var-spool-uploads": "oidcs3-watch@"} {
		if err := os.Symlink("/usr/lib/systemd/system/"+of+".service", r.path(enabled+instance+".service")); err != nil {
			t.Fatal(err)
		}
	}
	mine := map[string]string{"etc/oidcs3/config.json": "{}", "etc/oidcs3/client_secret": "hush", "etc/oidcs3/watch/var/spool/uploads/environment": "WATCH_OPTIONS=--delete\n",
		"var/lib/oidcs3/watch/var-spool-uploads/journal": "state"}
	for name, text := range mine {
		r.write(name, text, 0o600)
	}
	r.write(dropIn, "[Service]\nEnvironment=HTTPS_PROXY=http://proxy.example.com:3128\n", 0o644)
	r.write("etc/oidcs3/notes", "the administrator's own", 0o644)

	r.dpkg("--remove", "oidcs3-upload")
	want := append(slices.Collect(maps.Keys(mine)), dropIn, "etc/oidcs3/environment", "etc/oidcs3/notes")
	r.only("removal", want...)

	r.dpkg("--purge", "oidcs3-upload")
	r.only("purge", dropIn, "etc/oidcs3/notes")
	for _, gone := range []string{"var/lib/oidcs3", "usr/share/doc/oidcs3-upload", "run/oidcs3"} {
		if _, err := os.Stat(r.path(gone)); err == nil {
			t.Errorf("after the purge there is still %s", gone)
		}
	}
}

// only wants these files, the users', and no others.
func (r root) only(after string, want ...string) {
	r.t.Helper()
	got := slices.DeleteFunc(r.files(), users)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		r.t.Errorf("after the %s:\n got %v\nwant %v", after, got, want)
	}
}
