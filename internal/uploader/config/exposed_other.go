//go:build !windows

package config

import "os"

// exposed reports whether every user may read or change the file, and how to mend that.
func exposed(name string) (mend string, open bool) {
	info, err := os.Stat(name)
	return "chmod 600 it", err == nil && info.Mode().Perm()&0o007 != 0
}
