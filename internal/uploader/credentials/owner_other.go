//go:build !unix

package credentials

import "io/fs"

// Where files have no owner and mode, the user's own cache directory is what protects them.

func ownedByUs(fs.FileInfo) bool { return true }

func writableByOthers(fs.FileInfo) bool { return false }

func exposed(fs.FileInfo) bool { return false }
