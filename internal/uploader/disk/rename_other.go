//go:build !linux

package disk

// RenameNew renames a file unless something has the new name: then the error is fs.ErrExist, and nothing is replaced.
func RenameNew(from, to string) error { return link(from, to) }
