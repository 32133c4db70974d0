//go:build unix

package transfer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
)

// TestFoundIsWhatIsSent has something else get a file's name after it was found: nothing of it is sent.
func TestFoundIsWhatIsSent(t *testing.T) {
	t.Parallel()
	for name, swap := range map[string]func(dir, file string) error{
		"link": func(dir, file string) error {
			secret := filepath.Join(dir, "secret")
			return errors.Join(os.WriteFile(secret, []byte("text"), 0o600), os.Symlink(secret, file))
		},
		"relative link": func(dir, file string) error {
			return errors.Join(os.WriteFile(filepath.Join(filepath.Dir(file), "secret"), []byte("text"), 0o600), os.Symlink("secret", file))
		},
		"FIFO":             func(_, file string) error { return unix.Mkfifo(file, 0o600) },
		"file":             func(_, file string) error { return os.WriteFile(file, []byte("TEXT"), 0o600) },
		"directory's link": nil,
	} {
		for _, by := range []string{"name", "identity", "tree"} {
			if (by != "identity" && name == "file") || (by == "name" && swap == nil) {
				continue // any file will do then
			}
			dir, s := t.TempDir(), newFake()
			below := filepath.Join(dir, "below")
			file := filepath.Join(below, "file")
			if err := errors.Join(os.Mkdir(below, 0o700), os.WriteFile(file, []byte("text"), 0o600)); err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(file)
			if err != nil {
				t.Fatal(err)
			}
			id, err := journal.Identify(file, info)
			if err != nil {
				t.Fatal(err)
			}
			found := Found{Name: file}
			switch by {
			case "identity":
				found.Is = &id
			case "tree":
				root, err := os.OpenRoot(dir)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = root.Close() }()
				found.Tree, found.Rel = root, "below/file"
			}
			e := engineFor(t, s, Options{Algorithm: CRC64NVME})
			if _, err := e.UploadFound(t.Context(), found, "k", ObjectOptions{}, nil); err != nil || len(s.objects) != 1 {
				t.Fatalf("%s: not uploaded while it is there: %v", name, err)
			}
			clear(s.objects)
			err = os.Rename(file, file+".old")
			if swap != nil {
				err = errors.Join(err, swap(dir, file))
			} else {
				away := filepath.Join(dir, "away")
				err = errors.Join(os.Mkdir(away, 0o700), os.WriteFile(filepath.Join(away, "file"), []byte("text"), 0o600),
					os.Rename(below, below+".old"), os.Symlink(away, below))
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.UploadFound(t.Context(), found, "k", ObjectOptions{}, nil); err == nil || len(s.objects) > 0 {
				t.Errorf("%s, found by %s: sent %d objects, %v", name, by, len(s.objects), err)
			}
		}
	}
}

// TestDownloadOver replaces a private file, and refuses to replace what is no file.
func TestDownloadOver(t *testing.T) {
	t.Parallel()
	s := newFake()
	s.objects["k"] = []byte("text")
	target := fileOf(t, []byte("old"))
	s.beforeGet = func() error {
		names, _ := filepath.Glob(filepath.Join(filepath.Dir(target), ".oidcs3-*"))
		if len(names) != 1 {
			return fmt.Errorf("files on their way: %v", names)
		}
		if info, err := os.Stat(names[0]); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		return nil
	}
	e := engineFor(t, s, Options{})
	if _, err := e.DownloadFile(t.Context(), "k", target, nil); err != nil {
		t.Fatal(err)
	}
	s.beforeGet = nil
	fifo := target + ".fifo"
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.DownloadFile(t.Context(), "k", fifo, nil); !errors.As(err, new(*LocalError)) {
		t.Errorf("over a FIFO: %v", err)
	}
	if info, err := os.Lstat(fifo); err != nil || info.Mode().IsRegular() {
		t.Errorf("the FIFO is gone: %v", err)
	}
}
