package tree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern, path string
		want          bool
	}{
		{"*.log", "a.log", true}, {"*.log", "deep/er/a.log", true}, {"*.log", "a.log.gz", false},
		{"logs/*.log", "logs/a.log", true}, {"logs/*.log", "logs/b/a.log", false}, {"/*.log", "b/a.log", false}, {"/*.log", "a.log", true},
		{"logs/**", "logs/b/a.log", true}, {"logs/**/a", "logs/a", true}, {"**/tmp/**", "x/tmp/y", true}, {"**/tmp/**", "x/tmpy", false},
		{"[ab]?", "a1", true}, {"[ab]?", "c1", false}, {"tmp/", "tmp", true},
	} {
		p, err := Compile(tc.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if p.Match(tc.path) != tc.want {
			t.Errorf("%s matches %s: %t", tc.pattern, tc.path, !tc.want)
		}
	}
	for _, bad := range []string{"", "a//b", "../x", "a**", "[", "./a"} {
		if _, err := Compile(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func make3(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"b.txt", "a/2.log", "a/1.log", "a/tmp/x.log", "a.txt"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func list(t *testing.T, dir string, o Options) string {
	t.Helper()
	files, err := List(dir, o)
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Rel)
	}
	return strings.Join(names, " ")
}

func patterns(t *testing.T, texts ...string) (all []Pattern) {
	t.Helper()
	for _, text := range texts {
		p, err := Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestList(t *testing.T) {
	t.Parallel()
	dir := make3(t)
	for _, tc := range []struct {
		o    Options
		want string
	}{
		{Options{}, "a/1.log a/2.log a/tmp/x.log a.txt b.txt"},
		{Options{Include: patterns(t, "*.log")}, "a/1.log a/2.log a/tmp/x.log"},
		{Options{Include: patterns(t, "*.log"), Exclude: patterns(t, "tmp", "2.*")}, "a/1.log"},
	} {
		if got := list(t, dir, tc.o); got != tc.want {
			t.Errorf("%+v: %s, want %s", tc.o, got, tc.want)
		}
	}
	if got := list(t, filepath.Join(dir, "none"), Options{}); !strings.Contains(got, "read ") {
		t.Errorf("a directory that is not there: %s", got)
	}
}

func TestSymlinks(t *testing.T) {
	t.Parallel()
	dir, other := make3(t), make3(t)
	if err := os.Symlink(other, filepath.Join(dir, "link")); err != nil {
		t.Skip(err)
	}
	skipped := ""
	if got := list(t, dir, Options{Symlinks: Skip, Skipped: func(path, _ string) { skipped = path }}); strings.Contains(got, "link") || !strings.HasSuffix(skipped, "link") {
		t.Errorf("skip: %s; told of %q", got, skipped)
	}
	if got := list(t, dir, Options{Symlinks: Follow}); !strings.Contains(got, "link/a/1.log") {
		t.Errorf("follow: %s", got)
	}
	if got := list(t, dir, Options{Symlinks: Refuse}); !strings.Contains(got, "it is a symbolic link") {
		t.Errorf("error: %s", got)
	}
	if err := os.Symlink(dir, filepath.Join(other, "back")); err != nil {
		t.Fatal(err)
	}
	if got := list(t, dir, Options{Symlinks: Follow}); !strings.Contains(got, "leads back") {
		t.Errorf("a loop: %s", got)
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("**/*.log", "a/b.log")
	f.Add("[a-", "x")
	f.Fuzz(func(t *testing.T, text, name string) {
		if p, err := Compile(text); err == nil {
			p.Match(name)
		}
		if strings.ContainsAny(name, "*?[\\") {
			return
		}
		if p, err := Compile("/" + name); err == nil && !p.Match(strings.Trim(name, "/")) {
			t.Errorf("%q does not match itself", name)
		}
	})
}
