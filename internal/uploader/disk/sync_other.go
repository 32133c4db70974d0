//go:build !unix

// Package disk makes changes of directories last.
package disk

// SyncDir does nothing: directories are no files there.
func SyncDir(string) error { return nil }
