//go:build !unix

package transfer

import "os"

// nonblock is for FIFOs, which the system has not among its files.
const nonblock = 0

// open opens a file to read it. Where links are not followed, one that has the file's name is an error: the system cannot
// open so, and what was opened is compared with what has the name.
func open(name string, follow bool) (*os.File, error) {
	f, err := os.Open(name) // #nosec G304 -- the user names the file
	if err != nil || follow {
		return f, err
	}
	return unlinked(f, name, os.Lstat)
}
