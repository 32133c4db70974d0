package service

import (
	"slices"
	"strings"
	"testing"
)

func TestReady(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]bool{
		"READY=1": true, "READY=1\nSTATUS=serving": true, "STATUS=x\nREADY=1": true,
		"": false, "STOPPING=1": false, "STATUS=not READY=1": false, "READY=10": false,
	} {
		if ready(state) != want {
			t.Errorf("ready(%q) = %t", state, !want)
		}
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", longestLine+1)
	for name, tc := range map[string]struct{ writes, want []string }{
		"whole":     {[]string{"one\n", "two\r\n"}, []string{"one", "two"}},
		"in pieces": {[]string{"o", "ne\ntw", "o\n"}, []string{"one", "two"}},
		"at once":   {[]string{"one\ntwo\nthree"}, []string{"one", "two"}},
		"too long":  {[]string{long + "\nend\n"}, []string{long[1:], "x", "end"}},
	} {
		var got []string
		l := &lines{each: func(line string) { got = append(got, line) }}
		for _, w := range tc.writes {
			if n, err := l.Write([]byte(w)); n != len(w) || err != nil {
				t.Errorf("%s: wrote %d, %v", name, n, err)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %d lines, want %d", name, len(got), len(tc.want))
		}
	}
}

func TestSerious(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"error: the identity provider refused":        true,
		`time=2026-01-01T00:00:00Z level=ERROR msg=x`: true,
		`{"time":"…","level":"ERROR","msg":"x"}`:      true,
		"warning: x": false,
		`time=2026-01-01T00:00:00Z level=INFO msg=renewed`: false,
	} {
		if serious(line) != want {
			t.Errorf("serious(%q) = %t", line, !want)
		}
	}
}
