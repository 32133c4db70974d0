//go:build unix

// Package disk makes changes of directories last.
package disk

import (
	"errors"
	"os"
)

// SyncDir makes what was renamed or removed in a directory outlive a crash of the machine.
func SyncDir(dir string) error {
	d, err := os.Open(dir) // #nosec G304 -- the directory of a file that the user names
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
