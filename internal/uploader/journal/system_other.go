//go:build !unix

package journal

import (
	"errors"
	"io/fs"
	"time"
)

func system(fs.FileInfo) (device, inode uint64, changed time.Time) { return 0, 0, time.Time{} }

// The user's profile is private by the access rules that it inherits.
func private(fs.FileInfo) bool { return true }

func userStateDir(getenv func(string) string) (string, error) {
	if dir := getenv("LOCALAPPDATA"); dir != "" {
		return dir, nil
	}
	return "", errors.New("LOCALAPPDATA is not set")
}
