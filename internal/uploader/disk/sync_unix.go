//go:build unix

// Package disk makes changes of directories last.
package disk

import (
	"errors"
	"os"
	"syscall"
)

// SyncDir makes what was renamed or removed in a directory outlive a crash of the machine, as far as the file system can.
func SyncDir(dir string) error {
	d, err := os.Open(dir) // #nosec G304 -- the directory of a file that the user names
	if err != nil {
		return err
	}
	return errors.Join(able(d.Sync()), d.Close())
}

// able drops the errors of file systems that cannot sync a directory. https://man7.org/linux/man-pages/man2/fsync.2.html
func able(err error) error {
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}
