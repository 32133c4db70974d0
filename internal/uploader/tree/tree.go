// Package tree lists the files of a directory tree that are to be uploaded, in a stable order. It reads names and
// metadata only.
package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Symlinks says what becomes of symbolic links.
type Symlinks string

// The policies. Follow takes what a link points to, directories too, under the link's name; a link to a directory that
// it lies in is an error. Refuse makes any link an error.
const (
	Skip   Symlinks = "skip"
	Follow Symlinks = "follow"
	Refuse Symlinks = "error"
)

// Options choose the files.
type Options struct {
	Include  []Pattern // empty: all
	Exclude  []Pattern // beats Include; a directory that matches is left out as a whole
	Symlinks Symlinks
	Skipped  func(path, why string) // told of what is neither file nor directory; may be nil
}

// File is one file of the tree.
type File struct {
	Path string // to open it
	Rel  string // below the tree, with slashes
	Size int64
}

// Error is a file or directory that cannot be listed.
type Error struct {
	Path string
	Err  error
}

func (e *Error) Error() string { return "read " + e.Path + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// List returns the regular files below dir, in the order of their paths' segments.
func List(dir string, o Options) ([]File, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, wrap(dir, err)
	}
	w := &walk{Options: o}
	err = w.directory(dir, "", []fs.FileInfo{info})
	return w.files, err
}

type walk struct {
	Options
	files []File
}

// directory lists one directory. above are the directories that it lies in, itself included.
func (w *walk) directory(dir, rel string, above []fs.FileInfo) error {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return wrap(dir, err)
	}
	for _, e := range entries {
		path, name := filepath.Join(dir, e.Name()), e.Name()
		if rel != "" {
			name = rel + "/" + name
		}
		if matches(w.Exclude, name) {
			continue
		}
		info, err := w.info(path, e)
		if err != nil {
			return wrap(path, err)
		}
		switch {
		case info == nil:
		case info.IsDir():
			if slices.ContainsFunc(above, func(d fs.FileInfo) bool { return os.SameFile(d, info) }) {
				return &Error{path, errors.New("the symbolic link leads back to a directory that it lies in")}
			}
			if err := w.directory(path, name, append(slices.Clip(above), info)); err != nil {
				return err
			}
		case !info.Mode().IsRegular():
			w.skip(path, "is not a regular file")
		case len(w.Include) == 0 || matches(w.Include, name):
			w.files = append(w.files, File{Path: path, Rel: name, Size: info.Size()})
		}
	}
	return nil
}

// info describes an entry, or what it points to; nil for a link that is left out.
func (w *walk) info(path string, e fs.DirEntry) (fs.FileInfo, error) {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.Info()
	}
	switch w.Symlinks {
	case Follow:
		return os.Stat(path)
	case Refuse:
		return nil, errors.New("it is a symbolic link")
	}
	w.skip(path, "is a symbolic link")
	return nil, nil
}

func (w *walk) skip(path, why string) {
	if w.Skipped != nil {
		w.Skipped(path, why)
	}
}

func matches(patterns []Pattern, rel string) bool {
	return slices.ContainsFunc(patterns, func(p Pattern) bool { return p.Match(rel) })
}

func wrap(path string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return &Error{path, err}
}

// ParseSymlinks reads a policy.
func ParseSymlinks(text string) (Symlinks, error) {
	switch s := Symlinks(text); s {
	case Skip, Follow, Refuse:
		return s, nil
	}
	return "", fmt.Errorf("%q is not skip, follow or error", text)
}
