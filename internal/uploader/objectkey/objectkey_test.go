package objectkey

import (
	"errors"
	"path"
	"strings"
	"testing"
)

func TestJoin(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"a": "p/a", "a/b.txt": "p/a/b.txt", "a//b": "p/a//b", "..a": "p/..a", "ключ": "p/ключ", "dir/": "p/dir/"} {
		if got, err := Join("p/", name); got != want || err != nil {
			t.Errorf("Join(%q) = %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "/a", "..", "../a", "a/../b", "a/..", "./a", "a/.", "a\nb", "a\x00", "\xff", strings.Repeat("a", 1023)} {
		var e *Error
		if got, err := Join("p/", name); !errors.As(err, &e) {
			t.Errorf("Join(%q) = %q, %v", name, got, err)
		}
	}
}

func TestRelative(t *testing.T) {
	t.Parallel()
	if name, ok := Relative("p/", "p/a/b"); name != "a/b" || !ok {
		t.Errorf("got %q, %t", name, ok)
	}
	if _, ok := Relative("p/", "p2/a"); ok {
		t.Error("another prefix's key is ours")
	}
}

func FuzzJoin(f *testing.F) {
	for _, seed := range []string{"a", "../a", "a/./b", "/", "a//..//b", "..\\a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		key, err := Join("web-01/", name)
		if err != nil {
			return
		}
		if !strings.HasPrefix(key, "web-01/") || !strings.HasPrefix(path.Clean(key)+"/", "web-01/") || len(key) > MaxLength {
			t.Errorf("Join(%q) = %q leaves the prefix", name, key)
		}
		if back, ok := Relative("web-01/", key); !ok || back != name {
			t.Errorf("Relative(Join(%q)) = %q", name, back)
		}
	})
}
