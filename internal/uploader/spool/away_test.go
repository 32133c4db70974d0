package spool

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// opened is a spool that has been run once, and what it found; its ledger is open again, as it is during a run.
func opened(t *testing.T, s *Spool) []found {
	t.Helper()
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, _, err := scan(s.Dir, s.Include, s.Exclude, func() {}, func(string, error) {})
	if err != nil {
		t.Fatal(err)
	}
	if s.ledger, err = openLedger(s.Ledger, s.Dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.ledger.close() })
	return all
}

// swap renames a new file over a name, as producers do.
func swap(t *testing.T, dir, rel, text string) {
	t.Helper()
	if err := os.Rename(write(t, dir, ".next", text), filepath.Join(dir, rel)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir, rel string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, rel)) //nolint:gosec // the test's
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// TestAnotherTakesTheName has a producer rename another file into place after the last look at the one that S3 has, and
// before that is deleted.
func TestAnotherTakesTheName(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBucket()
	write(t, dir, "file", "old")
	s := watched(t, dir, b)
	f := opened(t, s)[0]
	swap(t, dir, "file", "new")
	done, err := s.takeHold(&f, os.Remove)
	if got := read(t, dir, "file"); err != nil || done || got != "new" || !slices.Equal(names(t, dir), []string{"file"}) {
		t.Errorf("taken away: %t, %v; left is %q, %v", done, err, got, names(t, dir))
	}
}

// TestTheNameIsTakenMeanwhile has yet another file take the name while one is aside: both stay.
func TestTheNameIsTakenMeanwhile(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBucket()
	write(t, dir, "file", "1")
	s := watched(t, dir, b)
	f := opened(t, s)[0]
	done, err := s.takeHold(&f, func(string) error {
		write(t, dir, "file", "2")
		return errPoison
	})
	if done || !errors.Is(err, errPoison) || read(t, dir, "file") != "2" || read(t, dir, "file.1") != "1" {
		t.Errorf("%t, %v; left are %v", done, err, names(t, dir))
	}
}

// TestCannotBeMoved uploads a file once although it cannot be moved afterwards.
func TestCannotBeMoved(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBucket()
	write(t, dir, "deep/file", "1")
	s := watched(t, dir, b)
	s.After, s.MoveTo = Move, t.TempDir()
	write(t, s.MoveTo, "deep", "a file where a directory should be")
	for range 2 {
		if err := s.Run(t.Context()); !errors.As(err, new(*FailedError)) {
			t.Errorf("got %v", err)
		}
	}
	if b.uploads("deep/file", "1") != 1 || read(t, dir, "deep/file") != "1" || !slices.Equal(names(t, dir), []string{"deep/file"}) {
		t.Errorf("uploaded %d times, left are %v", b.uploads("deep/file", "1"), names(t, dir))
	}
}

// TestCutOffWhileTakenAway ends the process while a file is aside.
func TestCutOffWhileTakenAway(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 250)
	for name, tc := range map[string]struct {
		rel     string
		after   After
		between func(t *testing.T, dir, held string)
		left    []string
		uploads map[string]int // those of the second run included
	}{
		"of a file that S3 has, to be deleted": {"file", Delete, nil, nil, map[string]int{"file=1": 1}},
		"of a file that S3 has, to be kept":    {"file", Keep, nil, []string{"file"}, map[string]int{"file=1": 1}},
		"of a file in a directory":             {"deep/file", Delete, nil, nil, map[string]int{"deep/file=1": 1}},
		"of another file": {"file", Delete, func(t *testing.T, _, held string) {
			if err := os.WriteFile(held, []byte("2"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil, map[string]int{"file=1": 1, "file=2": 1}},
		"of another file whose name a third has taken": {"file", Delete, func(t *testing.T, dir, held string) {
			write(t, dir, "file", "3")
			if err := os.WriteFile(held, []byte("2"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil, map[string]int{"file=1": 1, "file=3": 1, "file.1=2": 1}},
		"while it is put back": {"file", Keep, func(t *testing.T, dir, held string) {
			if err := os.Link(held, filepath.Join(dir, "file")); err != nil {
				t.Skip(err)
			}
		}, []string{"file"}, nil},
		"of a long name": {long, Delete, nil, nil, map[string]int{long + "=1": 1, long[:asideRest] + "=1": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, b := t.TempDir(), newBucket()
			path := write(t, dir, tc.rel, "1")
			s := watched(t, dir, b)
			if err := s.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			held, err := setAside(path)
			if err != nil {
				t.Fatal(err)
			}
			if tc.between != nil {
				tc.between(t, dir, held)
			}
			again := watched(t, dir, b)
			again.Ledger, again.After = s.Ledger, tc.after
			for range 2 {
				if err := again.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if left := names(t, dir); !slices.Equal(left, tc.left) {
				t.Errorf("left are %v", left)
			}
			for put, want := range tc.uploads {
				if b.puts[put] != want {
					t.Errorf("%s %d times of %v", put, b.puts[put], b.puts)
				}
			}
		})
	}
}
