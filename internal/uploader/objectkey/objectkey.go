// Package objectkey joins the names that users give to the prefix that is theirs, and takes it off again. It is pure:
// whatever it accepts lies inside the prefix.
package objectkey

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// MaxLength is the longest key that S3 takes, in bytes of UTF-8.
const MaxLength = 1024

// Error says why a name is refused as a key.
type Error struct {
	Name string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("key %q: %v", e.Name, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// Join puts name behind prefix. A name that is empty, begins with "/", has a segment "." or "..", holds control
// characters or invalid UTF-8, or makes the key longer than MaxLength is refused with an *Error.
func Join(prefix, name string) (string, error) {
	if name == "" {
		return "", &Error{name, errors.New("it is empty")}
	}
	if err := check(name); err != nil {
		return "", err
	}
	if len(prefix)+len(name) > MaxLength {
		return "", &Error{name, fmt.Errorf("with its prefix it is longer than %d bytes", MaxLength)}
	}
	return prefix + name, nil
}

// JoinPrefix puts the beginning of a name behind prefix, for listings; the empty name is the prefix itself.
func JoinPrefix(prefix, name string) (string, error) {
	if err := check(name); err != nil {
		return "", err
	}
	return prefix + name, nil
}

// Relative takes prefix off a key, and reports whether it was there.
func Relative(prefix, key string) (string, bool) { return strings.CutPrefix(key, prefix) }

// FromPath is the name for a file that lies at the relative path rel: slashes on every system.
func FromPath(dir, rel string) string {
	name := filepath.ToSlash(rel)
	if dir == "" {
		return name
	}
	return strings.TrimSuffix(dir, "/") + "/" + name
}

func check(name string) error {
	switch {
	case strings.HasPrefix(name, "/"):
		return &Error{name, errors.New("it begins with /, and keys are relative to the prefix")}
	case !utf8.ValidString(name):
		return &Error{name, errors.New("it is not valid UTF-8")}
	case strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return &Error{name, errors.New("it holds a control character")}
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "." || segment == ".." {
			return &Error{name, fmt.Errorf("a segment is %q, and keys stay inside the prefix", segment)}
		}
	}
	return nil
}
