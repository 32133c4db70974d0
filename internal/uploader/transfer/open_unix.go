//go:build unix

package transfer

import (
	"os"

	"golang.org/x/sys/unix"
)

// nonblock opens a FIFO without waiting for who writes to it.
const nonblock = unix.O_NONBLOCK

// open opens a file to read it; a FIFO or device that has its name does not hold it up. Where links are not followed, one
// that has the file's name is an error.
func open(name string, follow bool) (*os.File, error) {
	flags := os.O_RDONLY | nonblock
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	return os.OpenFile(name, flags, 0) // #nosec G304 -- the user names the file
}
