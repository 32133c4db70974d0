//go:build !windows

package daemon

import "os"

func replace(from, to string) error { return os.Rename(from, to) }
