package tree

import (
	"fmt"
	"path"
	"strings"
)

// Pattern matches paths below a directory, with slashes on every system. In it ? is one character, * any number but no
// slash, ** any number of directories, [a-z] a class. One without a slash matches a name in any directory.
type Pattern struct {
	segments []string
}

// Compile reads a pattern. The error says what is wrong with it.
func Compile(text string) (Pattern, error) {
	segments := strings.Split(strings.TrimSuffix(strings.TrimPrefix(text, "/"), "/"), "/")
	for _, s := range segments {
		if s == "" || s == "." || s == ".." {
			return Pattern{}, fmt.Errorf("%q has a segment %q", text, s)
		}
		if strings.Contains(s, "**") && s != "**" {
			return Pattern{}, fmt.Errorf("%q: ** stands for whole directories", text)
		}
		if _, err := path.Match(s, "x"); err != nil {
			return Pattern{}, fmt.Errorf("%q: %w", text, err)
		}
	}
	if !strings.Contains(text, "/") {
		segments = append([]string{"**"}, segments...)
	}
	return Pattern{segments}, nil
}

// Match reports whether the whole of rel matches.
func (p Pattern) Match(rel string) bool { return match(p.segments, strings.Split(rel, "/")) }

// match tries each segment once for each name: no pattern takes exponential time.
func match(pattern, names []string) bool {
	reach := make([]bool, len(names)+1) // reach[n]: the pattern so far matches the first n names
	reach[0] = true
	for _, segment := range pattern {
		next := make([]bool, len(names)+1)
		for n := range reach {
			switch {
			case segment == "**":
				next[n] = reach[n] || (n > 0 && next[n-1])
			case n > 0 && reach[n-1]:
				next[n], _ = path.Match(segment, names[n-1])
			}
		}
		reach = next
	}
	return reach[len(names)]
}
