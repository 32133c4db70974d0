//go:build !unix

package transfer

import (
	"errors"
	"os"
)

// nonblock is for FIFOs, which the system has not among its files.
const nonblock = 0

// open opens a file to read it. Where links are not followed, one that has the file's name is an error: the system cannot
// open so, and what was opened is compared with what has the name.
func open(name string, follow bool) (*os.File, error) {
	f, err := os.Open(name) // #nosec G304 -- the user names the file
	if err != nil || follow {
		return f, err
	}
	opened, err := f.Stat()
	named, lstatErr := os.Lstat(name)
	if err = errors.Join(err, lstatErr); err == nil && !os.SameFile(opened, named) {
		err = errSymlink
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
