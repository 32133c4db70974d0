//go:build unix

package disk

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

func TestSyncDir(t *testing.T) {
	t.Parallel()
	if err := SyncDir(t.TempDir()); err != nil {
		t.Error(err)
	}
	if err := SyncDir(t.TempDir() + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	// /proc is such a file system, where there is one.
	if _, err := os.Stat("/proc/self"); err == nil {
		if err := SyncDir("/proc/self"); err != nil {
			t.Errorf("a file system that cannot: %v", err)
		}
	}
	if err := able(&fs.PathError{Op: "sync", Err: syscall.EIO}); !errors.Is(err, syscall.EIO) {
		t.Errorf("a broken disk: %v", err)
	}
}
