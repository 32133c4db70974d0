package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/tree"
)

var (
	errPoison = errors.New("cannot be a key")
	errAway   = errors.New("the identity provider is down")
	errDenied = errors.New("may not read")
)

// bucket is a Store of texts.
type bucket struct {
	mu      sync.Mutex
	objects map[string]string
	puts    map[string]int // successful uploads by name and content
	asked   int
	during  func(path, rel string) error // before the object is there
	after   func(rel string) error       // when it is
	blind   bool                         // Holds is refused
	where   string
}

func newBucket() *bucket { return &bucket{objects: map[string]string{}, puts: map[string]int{}} }

func (b *bucket) Upload(_ context.Context, path, rel string, _ journal.Identity) error {
	if b.during != nil {
		if err := b.during(path, rel); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(path) //nolint:gosec // a test's
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.objects[rel] = string(text)
	b.puts[rel+"="+string(text)]++
	b.mu.Unlock()
	if b.after != nil {
		return b.after(rel)
	}
	return nil
}

func (b *bucket) Holds(_ context.Context, path, rel string, _ journal.Identity) (bool, error) {
	text, err := os.ReadFile(path) //nolint:gosec // a test's
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if b.blind {
		return false, errDenied
	}
	have, ok := b.objects[rel]
	return ok && have == string(text), err
}

// holds reports whether so many files were uploaded.
func (b *bucket) holds(files int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.objects) == files
}

func (b *bucket) Where() string { return b.where }

func (b *bucket) uploads(rel, text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.puts[rel+"="+text]
}

// watched is a spool over a directory of the test's.
func watched(t *testing.T, dir string, b *bucket) *Spool {
	t.Helper()
	var exclude []tree.Pattern
	for _, text := range Unfinished {
		p, err := tree.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		exclude = append(exclude, p)
	}
	return &Spool{
		Dir: dir, Ledger: filepath.Join(t.TempDir(), "ledger"), Exclude: exclude, Interval: time.Millisecond, Workers: 4, Once: true, After: Keep,
		Open: func() (Store, error) { return b, nil }, Systemic: func(err error) bool { return errors.Is(err, errAway) },
		Alive: func() {}, Ready: func() {}, Events: Events{Uploaded: func(int64) {}, Failed: func() {}, Looked: func(State) {}},
		Now: time.Now, Sleep: time.After, Jitter: func(d time.Duration) time.Duration { return d / 2 }, Log: slog.New(slog.DiscardHandler),
	}
}

func write(t *testing.T, dir, rel, text string) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(rel))
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			all = append(all, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// TestLinkedDirectory watches a directory by a symbolic link to it, as /var/spool/outgoing may be one to a disk of its own.
func TestLinkedDirectory(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBucket()
	write(t, dir, "a", "text of a")
	write(t, dir, "b/c", "text of b/c")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	s := watched(t, link, b)
	s.After = Delete
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.uploads("a", "text of a") != 1 || b.uploads("b/c", "text of b/c") != 1 || len(names(t, dir)) > 0 {
		t.Errorf("a: %d, b/c: %d, left %v", b.uploads("a", "text of a"), b.uploads("b/c", "text of b/c"), names(t, dir))
	}
}

func TestAfterwards(t *testing.T) {
	t.Parallel()
	for after, left := range map[After]int{Keep: 3, Delete: 0, Move: 0} {
		t.Run(string(after), func(t *testing.T) {
			t.Parallel()
			dir, b := t.TempDir(), newBucket()
			for _, rel := range []string{"a", "b/c", "b/d e"} {
				write(t, dir, rel, "text of "+rel)
			}
			if err := os.Symlink(filepath.Join(dir, "a"), filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			s := watched(t, dir, b)
			s.After, s.MoveTo = after, t.TempDir()
			write(t, s.MoveTo, "a", "there already")
			for range 2 { // the second finds nothing to do
				if err := s.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for _, rel := range []string{"a", "b/c", "b/d e"} {
				if n := b.uploads(rel, "text of "+rel); n != 1 {
					t.Errorf("%s was uploaded %d times", rel, n)
				}
			}
			if files := names(t, dir); len(files) != left+1 {
				t.Errorf("in the directory are %v", files)
			}
			if moved := names(t, s.MoveTo); after == Move && !slices.Equal(moved, []string{"a", "a.1", "b/c", "b/d e"}) {
				t.Errorf("moved are %v", moved)
			}
			if len(b.objects) != 3 {
				t.Errorf("uploaded are %v", b.objects)
			}
		})
	}
}

func TestUnfinishedIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBucket()
	for _, rel := range []string{".hidden", "x.tmp", "y.part", ".git/config", "z"} {
		write(t, dir, rel, "z")
	}
	if err := watched(t, dir, b).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(b.objects) != 1 || b.uploads("z", "z") != 1 {
		t.Errorf("uploaded are %v", b.objects)
	}
}

// TestSettles has a file grow. It is uploaded once it has stopped, by the clock of the process, whatever its own time is.
func TestSettles(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBucket()
	path := write(t, dir, "growing", "1")
	s := watched(t, dir, b)
	now := time.Now()
	s.Settle, s.Now = 10*time.Second, func() time.Time { return now }
	rounds := 0
	s.Events.Looked = func(State) {
		now = now.Add(4 * time.Second)
		if rounds++; rounds < 5 {
			if len(b.objects) > 0 {
				t.Error("it was uploaded while it was written")
			}
			write(t, dir, "growing", strings.Repeat("1", rounds+1))
			if err := os.Chtimes(path, time.Time{}, time.Unix(int64(rounds), 0)); err != nil {
				t.Error(err)
			}
		}
	}
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.uploads("growing", "11111") != 1 || len(b.puts) != 1 {
		t.Errorf("uploaded are %v", b.puts)
	}
}

// TestPoison has one file that can never be uploaded, and one whose name is used again for another content.
func TestPoison(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBucket()
	b.during = func(_, rel string) error {
		if rel == "poison" {
			return errPoison
		}
		return nil
	}
	for i := range 20 {
		write(t, dir, fmt.Sprintf("file-%d", i), "1")
	}
	write(t, dir, "poison", "1")
	s := watched(t, dir, b)
	var last State
	s.Events.Looked = func(state State) { last = state }
	var failed *FailedError
	if err := s.Run(t.Context()); !errors.As(err, &failed) || failed.Failed != 1 {
		t.Fatalf("got %v", err)
	}
	if len(b.objects) != 20 || last.Failing != 1 || last.Waiting != 1 || last.Kept != 20 {
		t.Errorf("%d uploaded, state %+v", len(b.objects), last)
	}
	write(t, dir, "file-0", "another")
	b.during = nil
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.uploads("file-0", "another") != 1 || b.uploads("poison", "1") != 1 || len(b.puts) != 22 {
		t.Errorf("uploaded are %v", b.puts)
	}
}

// TestAllWouldFail has the identity provider away: no file is blamed for it.
func TestAllWouldFail(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBucket()
	b.during = func(string, string) error { return errAway }
	for i := range 20 {
		write(t, dir, fmt.Sprintf("file-%d", i), "1")
	}
	s := watched(t, dir, b)
	if err := s.Run(t.Context()); !errors.Is(err, errAway) {
		t.Fatalf("got %v", err)
	}
	if len(s.failures) != 0 {
		t.Errorf("blamed are %v", s.failures)
	}
}

// TestChangesMeanwhile writes to a file while it is being uploaded: it stays, and what it became is uploaded too.
func TestChangesMeanwhile(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBucket()
	write(t, dir, "file", "first")
	var once sync.Once
	b.after = func(string) error {
		once.Do(func() { write(t, dir, "file", "second one") })
		return nil
	}
	s := watched(t, dir, b)
	s.After = Delete
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.objects["file"] != "second one" || len(names(t, dir)) != 0 {
		t.Errorf("uploaded is %q, left are %v", b.objects["file"], names(t, dir))
	}
}

// TestCutOff ends the process between the upload and its entry in the ledger. The next one asks S3 first, and uploads
// again only where S3 does not say.
func TestCutOff(t *testing.T) {
	t.Parallel()
	for _, blind := range []bool{false, true} {
		t.Run(fmt.Sprintf("blind %t", blind), func(t *testing.T) {
			t.Parallel()
			dir, b := t.TempDir(), newBucket()
			write(t, dir, "file", "1")
			ctx, cut := context.WithCancel(t.Context())
			b.after = func(string) error { cut(); return context.Canceled }
			s := watched(t, dir, b)
			if err := s.Run(ctx); err != nil {
				t.Fatal(err)
			}
			b.after, b.blind = nil, blind
			again := watched(t, dir, b)
			again.Ledger, again.After = s.Ledger, Delete
			if err := again.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := 1
			if blind {
				want = 2
			}
			if n := b.uploads("file", "1"); n != want || b.asked != 1 || len(names(t, dir)) != 0 {
				t.Errorf("uploaded %d times, asked %d times, left %v", n, b.asked, names(t, dir))
			}
		})
	}
}

// TestElsewhere uploads what is kept again when files go to another place.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	dir, first, second := t.TempDir(), newBucket(), newBucket()
	second.where = "another bucket"
	write(t, dir, "file", "1")
	s := watched(t, dir, first)
	for _, b := range []*bucket{first, first, second, second} {
		s.Open = func() (Store, error) { return b, nil }
		if err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if first.uploads("file", "1") != 1 || second.uploads("file", "1") != 1 {
		t.Errorf("uploaded %d times to the first, %d to the second", first.uploads("file", "1"), second.uploads("file", "1"))
	}
}

// TestTroubleIsToldOnce has a directory that cannot be read: it is logged when it begins, not at every look, and what is
// known of the files below it is not forgotten.
func TestTroubleIsToldOnce(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	dir, b := t.TempDir(), newBucket()
	write(t, dir, "closed/file", "1")
	s := watched(t, dir, b)
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	s.Log, s.Once = slog.New(slog.NewTextHandler(&log, nil)), false
	if err := os.Chmod(filepath.Join(dir, "closed"), 0); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	looks := 0
	s.Events.Looked = func(State) {
		switch looks++; looks {
		case 5:
			if err := os.Chmod(filepath.Join(dir, "closed"), 0o700); err != nil { //nolint:gosec // a directory
				t.Error(err)
			}
		case 10:
			stop()
		}
	}
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "left out"); n != 1 || b.uploads("closed/file", "1") != 1 {
		t.Errorf("told %d times, uploaded %d times", n, b.uploads("closed/file", "1"))
	}
}

func TestKeepsNoMoreThanAsked(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBucket()
	for i := range 10 {
		path := write(t, dir, fmt.Sprintf("file-%d", i), strings.Repeat("x", 100))
		at := time.Now().Add(time.Duration(i-100) * time.Hour)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir, "poison", strings.Repeat("x", 1000)) // is not uploaded, so it is never deleted
	b.during = func(_, rel string) error {
		if rel == "poison" {
			return errPoison
		}
		return nil
	}
	s := watched(t, dir, b)
	s.KeepAtMost = 350
	for range 2 {
		if err := s.Run(t.Context()); err == nil {
			t.Fatal("the poison was uploaded")
		}
	}
	if left := names(t, dir); !slices.Equal(left, []string{"file-7", "file-8", "file-9", "poison"}) || len(b.puts) != 10 {
		t.Errorf("left are %v of %d", left, len(b.puts))
	}
}

func TestTwoDoNotWatchOneDirectory(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBucket()
	s := watched(t, dir, b)
	s.Once = false
	ctx, stop := context.WithCancel(t.Context())
	ready := make(chan struct{})
	s.Ready = func() { close(ready) }
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	<-ready
	other := watched(t, dir, b)
	other.Ledger = s.Ledger
	var locked *LockedError
	if err := other.Run(t.Context()); !errors.As(err, &locked) {
		t.Errorf("the second: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the first: %v", err)
	}
}

// TestLedgerIsBounded puts many files through and expects the ledger to forget them.
func TestLedgerIsBounded(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBucket()
	s := watched(t, dir, b)
	s.After = Delete
	for i := range 5 {
		for n := range 50 {
			write(t, dir, fmt.Sprintf("batch-%d/file-%d", i, n), "1")
		}
		if err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.puts) != 250 {
		t.Errorf("%d were uploaded", len(b.puts))
	}
	if len(s.known) > 50 {
		t.Errorf("the ledger knows %d files", len(s.known))
	}
}

// TestSignsOfLife has an interval far longer than a service manager waits for a sign of life, and a look that takes as long.
func TestSignsOfLife(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBucket()
	for i := range 20 {
		write(t, dir, fmt.Sprintf("file-%d", i), "1")
	}
	s := watched(t, dir, b)
	ctx, stop := context.WithCancel(t.Context())
	now := time.Now()
	last, longest, looking, signs := now, time.Duration(0), false, 0
	alive := func() {
		longest = max(longest, now.Sub(last))
		last = now
		signs++
	}
	s.Once, s.Interval, s.Alive = false, time.Hour, alive
	s.Now = func() time.Time {
		if looking {
			now = now.Add(10 * time.Second) // each name takes that long
		}
		return now
	}
	looks := 0
	s.Events.Looked = func(State) {
		if looking {
			if looks++; signs == 0 {
				t.Error("no sign of life during a look")
			}
		}
		if looking = false; looks == 3 {
			stop()
		}
	}
	s.Sleep = func(d time.Duration) <-chan time.Time {
		passed := make(chan time.Time, 1)
		if !b.holds(20) { // a worker has yet to take a file
			return time.After(time.Millisecond)
		}
		now = now.Add(d)
		looking, signs = true, 0
		passed <- now
		return passed
	}
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	alive()
	if longest > 30*time.Second {
		t.Errorf("no sign of life for %v", longest)
	}
}

// TestForgetsBesideTrouble has a file vanish beside a directory that cannot be read: it is forgotten, and what lies in the
// directory is not.
func TestForgetsBesideTrouble(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBucket()
	for _, rel := range []string{"closed/deep/file", "closed-not", "gone"} {
		write(t, dir, rel, "1")
	}
	s := watched(t, dir, b)
	opened(t, s)
	if err := s.prune(nil, map[string]bool{filepath.Join(dir, "closed"): true}); err != nil {
		t.Fatal(err)
	}
	known, err := s.ledger.all()
	if _, kept := known["closed/deep/file"]; err != nil || !kept || len(known) != 1 || len(s.known) != 1 {
		t.Errorf("known are %v, on disk %v, %v", s.known, known, err)
	}
}

// TestUnmounted has the spool's file system go away for a while: an empty directory is seen instead.
func TestUnmounted(t *testing.T) {
	t.Parallel()
	other, err := os.MkdirTemp("/dev/shm", "")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(other) })
	links, here, b := t.TempDir(), t.TempDir(), newBucket()
	mount := func(dir string) {
		next := filepath.Join(links, "next")
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, "spool"), 0o700), os.Symlink(dir, next), os.Rename(next, filepath.Join(links, "mount"))); err != nil {
			t.Error(err)
		}
	}
	mount(here)
	if device(other) == device(here) {
		t.Skip("there is no other file system")
	}
	s := watched(t, filepath.Join(links, "mount", "spool"), b)
	write(t, s.Dir, "file", "1")
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	s.Log, s.Once = slog.New(slog.NewTextHandler(&log, nil)), false
	ctx, stop := context.WithCancel(t.Context())
	looks := 0
	s.Events.Looked = func(State) {
		switch looks++; looks {
		case 2:
			mount(other)
		case 5:
			mount(here)
		case 10:
			stop()
		}
	}
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "another file system"); n != 1 || b.uploads("file", "1") != 1 {
		t.Errorf("told %d times, uploaded %d times", n, b.uploads("file", "1"))
	}
}
