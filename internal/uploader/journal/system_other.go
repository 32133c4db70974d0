//go:build !unix

package journal

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

func system(fs.FileInfo) (device, inode uint64, changed time.Time) { return 0, 0, time.Time{} }

// The user's profile is private by the access rules that it inherits.
func private(fs.FileInfo) bool { return true }

// rename puts a file in the place of another. Directories cannot be synced here.
func rename(from, to string) error { return os.Rename(from, to) }

func userStateDir(getenv func(string) string) (string, error) {
	if dir := getenv("LOCALAPPDATA"); dir != "" {
		return dir, nil
	}
	return "", errors.New("LOCALAPPDATA is not set")
}
