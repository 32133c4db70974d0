//go:build unix

package daemon

import (
	"errors"
	"os"
)

// syncDir makes a rename last.
func syncDir(dir string) error {
	d, err := os.Open(dir) // #nosec G304 -- the directory of the file that the user names
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
