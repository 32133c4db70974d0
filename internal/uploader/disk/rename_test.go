package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestRenameNew(t *testing.T) {
	t.Parallel()
	for name, rename := range map[string]func(from, to string) error{"system": RenameNew, "link": link} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			from, to, taken := filepath.Join(dir, "from"), filepath.Join(dir, "to"), filepath.Join(dir, "taken")
			if err := errors.Join(os.WriteFile(from, []byte("from"), 0o600), os.WriteFile(taken, []byte("taken"), 0o600)); err != nil {
				t.Fatal(err)
			}
			if err := rename(from, taken); !errors.Is(err, fs.ErrExist) {
				t.Errorf("a name that is taken: %v", err)
			}
			if err := rename(filepath.Join(dir, "none"), to); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("no file: %v", err)
			}
			if err := rename(from, to); err != nil {
				t.Fatal(err)
			}
			old, _ := os.ReadFile(taken) //nolint:gosec // the test's
			now, _ := os.ReadFile(to)    //nolint:gosec // the test's
			if left, _ := os.ReadDir(dir); string(old) != "taken" || string(now) != "from" || len(left) != 2 {
				t.Errorf("%q, %q, %v", old, now, left)
			}
		})
	}
}
