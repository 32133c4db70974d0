package disk

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// RenameNew renames a file unless something has the new name: then the error is fs.ErrExist, and nothing is replaced.
func RenameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.EXDEV):
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return link(from, to) // not every file system can, NFS among them
}
