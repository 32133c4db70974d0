// Package spool uploads what is put into a directory, once, and keeps, moves or deletes it then. What it has done lies in
// a ledger on the disk, so that neither a restart nor a crash loses a file or sends one again that S3 has.
//
// How a file gets to S3 comes from outside: nothing here knows S3, credentials or the command line.
package spool

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/tree"
)

// Store is where the files go. Its methods may be called from any goroutine.
type Store interface {
	// Upload stores the file under its path below the directory. One that changes meanwhile fails, and so does anything else
	// that has its name.
	Upload(ctx context.Context, path, rel string, is journal.Identity) error
	// Holds reports whether the file's bytes are stored under its path already. It fails where that cannot be known.
	Holds(ctx context.Context, path, rel string, is journal.Identity) (bool, error)
	// Where names the place that files go to. A file that was uploaded elsewhere is uploaded again.
	Where() string
}

// After is what becomes of a file that was uploaded.
type After string

// A file is kept where it is, deleted, or moved to another directory.
const (
	Keep   After = "keep"
	Delete After = "delete"
	Move   After = "move"
)

// Bounds of the loop.
const (
	failurePause  = 10 * time.Second // before a file that failed is tried again; doubles with each failure
	failureAtMost = time.Hour
	systemicPause = time.Second // before anything is tried again when all would fail; doubles too
	systemicMost  = time.Minute
	sign          = time.Second // between two signs of life
)

// Spool is a watched directory. The fields from Include to MoveTo may be left zero.
type Spool struct {
	Dir     string
	Ledger  string         // file
	Include []tree.Pattern // empty: all
	Exclude []tree.Pattern

	Settle     time.Duration // a file is complete when it has not changed for so long; 0: files are renamed into place
	Interval   time.Duration // between two looks at the directory
	Workers    int           // files at once
	Once       bool          // end when everything is uploaded, or has failed once
	After      After
	KeepAtMost int64  // bytes of uploaded files that are kept, the oldest go first; 0: all
	MoveTo     string // directory on the same file system, for Move

	Open     func() (Store, error)                // reads configuration and secret; called at the start and at each reload
	Systemic func(error) bool                     // whether every other file would fail for the same reason
	Reload   <-chan struct{}                      // asks for Open; may be nil
	Alive    func()                               // called every second or more often, also during a long look
	Ready    func()                               // called once the directory is watched
	Events   Events                               // told of what happens
	Now      func() time.Time                     // the clock
	Sleep    func(time.Duration) <-chan time.Time // time.After
	Jitter   func(time.Duration) time.Duration    // a random duration up to the given one
	Log      *slog.Logger

	ledger *ledger
	device uint64 // of the directory, when it was last known to be the one that the ledger is of
	away   bool   // it is another now
	seen   map[string]sighting
	told   map[string]bool // paths that could not be read when last looked

	mu       sync.Mutex
	store    Store
	known    map[string]entry // as in the ledger
	busy     map[string]bool  // files that a worker has
	failures map[string]failure
	restored bool      // nothing is aside but what workers have
	pause    time.Time // nothing is tried before
	systemic int       // failures in a row that were nobody's own
	lastErr  error     // the last of these
}

// failure is a file that could not be uploaded.
type failure struct {
	id    journal.Identity
	times int
	next  time.Time
}

// Events are calls that tell what happens. All are required, and may come from any goroutine.
type Events struct {
	Uploaded func(bytes int64)
	Failed   func()
	Looked   func(State)
}

// State is what a look at the directory found.
type State struct {
	Waiting      int // files that S3 does not have, those that are being written included
	WaitingBytes int64
	Oldest       time.Duration // age of the oldest of them
	Failing      int           // of these, how many have failed
	Kept         int           // files that S3 has
	KeptBytes    int64
}

// FailedError ends a run with Once of which some files failed. Each of them has been logged.
type FailedError struct{ Failed int }

func (e *FailedError) Error() string { return fmt.Sprintf("%d files of the spool failed", e.Failed) }

// Run watches until the context ends, which is no error. It fails where the ledger or Open fail at the start, and with
// Once where something could not be uploaded. From then on nothing ends it: what fails is tried again.
func (s *Spool) Run(ctx context.Context) (err error) {
	if s.ledger, err = openLedger(s.Ledger, s.Dir); err != nil {
		return err
	}
	defer func() {
		if closeErr := s.ledger.close(); err == nil {
			err = closeErr
		}
	}()
	s.busy, s.failures, s.restored = map[string]bool{}, map[string]failure{}, false
	s.device, s.away = device(s.Dir), false
	if s.known, err = s.ledger.all(); err != nil {
		return err
	}
	if s.store, err = s.Open(); err != nil {
		return err
	}
	var workers sync.WaitGroup
	defer workers.Wait() // what is on its way ends with the context, and is found in the ledger next time
	jobs := make(chan found)
	defer close(jobs)
	for range s.Workers {
		workers.Go(func() {
			for f := range jobs {
				if ctx.Err() == nil { // hand may have had the choice
					s.work(ctx, f)
				}
			}
		})
	}
	for first := true; ; first = false {
		done, err := s.round(ctx, jobs)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			if first || s.Once {
				return err
			}
			if !s.told[s.Dir] {
				s.Log.Error("the directory cannot be read", "dir", s.Dir, "error", err)
			}
			s.told = map[string]bool{s.Dir: true}
		}
		if first {
			s.Ready()
		}
		if s.Once && done {
			return s.verdict()
		}
		if s.rest(ctx) != nil {
			return nil
		}
	}
}

// verdict is how a run with Once ends.
func (s *Spool) verdict() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lastErr != nil {
		return s.lastErr
	}
	if len(s.failures) > 0 {
		return &FailedError{len(s.failures)}
	}
	return nil
}

// round looks at the directory once and hands out what there is to do. done is true when nothing is left but what failed.
func (s *Spool) round(ctx context.Context, jobs chan<- found) (done bool, err error) {
	all, trouble, err := s.look()
	if err != nil {
		return false, err
	}
	s.told = trouble
	now := s.Now()
	ripe := s.settled(all, now)
	if s.mounted(all) {
		if err := s.prune(all, trouble); err != nil {
			return false, err
		}
	}
	s.trim(all)
	s.Events.Looked(s.state(all, now))
	for _, f := range ripe {
		if !s.due(f, now) {
			continue
		}
		if !s.hand(ctx, jobs, f) {
			return false, nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(ripe) == len(all) && len(s.busy) == 0 && (s.lastErr != nil || !s.anyDue(ripe)), nil
}

// look lists the directory, and the paths that cannot be read. What an earlier process had set aside is dealt with first.
func (s *Spool) look() (all []found, trouble map[string]bool, err error) {
	for {
		trouble = map[string]bool{}
		var held []string
		all, held, err = scan(s.Dir, s.Include, s.Exclude, s.living(), func(path string, err error) {
			if trouble[path] = true; !s.told[path] {
				s.Log.Error("left out", "path", path, "error", err)
			}
		})
		s.mu.Lock()
		restored, busy := s.restored, len(s.busy) > 0
		s.mu.Unlock()
		if err != nil || restored || busy { // what a worker has is aside for a moment only
			return all, trouble, err
		}
		well := s.restore(held)
		s.mu.Lock()
		s.restored = well && len(trouble) == 0
		s.mu.Unlock()
		if len(held) == 0 || !well {
			return all, trouble, nil
		}
	}
}

// mounted reports whether the directory is on the file system of the start. Where that is unmounted, an empty directory
// shows, whose files are not gone. Mounted again it may have another number, and is known by its files then.
func (s *Spool) mounted(all []found) bool {
	now := device(s.Dir)
	if now != s.device && slices.ContainsFunc(all, s.has) {
		s.device = now
	}
	if now == s.device {
		s.away = false
		return true
	}
	if !s.away {
		s.Log.Error("the directory is on another file system than before: what is known of its files is kept", "dir", s.Dir)
	}
	s.away = true
	return false
}

// has reports whether a file is in the ledger as it is.
func (s *Spool) has(f found) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.known[f.rel]
	return ok && e.File.Same(f.id)
}

// device is the number of the file system that a directory is on; 0 where nobody knows.
func device(dir string) uint64 {
	info, err := os.Stat(dir)
	if err != nil {
		return 0
	}
	id, err := journal.Identify(dir, info)
	if err != nil {
		return 0
	}
	return id.Device
}

// living is called for each of many things that are done in turn, and gives a sign of life when it is time.
func (s *Spool) living() func() {
	last := s.Now()
	return func() {
		if now := s.Now(); now.Sub(last) >= sign {
			last = now
			s.Alive()
		}
	}
}

// hand gives a file to a worker, and shows signs of life while all are busy.
func (s *Spool) hand(ctx context.Context, jobs chan<- found, f found) bool {
	s.mu.Lock()
	s.busy[f.rel] = true
	s.mu.Unlock()
	for {
		select {
		case jobs <- f:
			return true
		case <-ctx.Done():
			return false
		case <-s.Reload:
			s.reload()
		case <-s.Sleep(sign):
			s.Alive()
		}
	}
}

// rest waits for the next look, with signs of life: an interval may be longer than a service manager waits for one.
func (s *Spool) rest(ctx context.Context) error {
	for left := s.Interval; left > 0; left -= sign {
		s.Alive()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.Reload:
			s.reload()
			return nil
		case <-s.Sleep(min(left, sign)):
		}
	}
	return nil
}

// reload opens the store again. Where that fails, the old one stays.
func (s *Spool) reload() {
	store, err := s.Open()
	if err != nil {
		s.Log.Error("reload failed, the old configuration stays", "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store, s.pause, s.systemic = store, time.Time{}, 0
	clear(s.failures)
	s.Log.Info("reloaded")
}

// due reports whether there is anything to do for a file now.
func (s *Spool) due(f found, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	failed, ok := s.failures[f.rel]
	switch {
	case s.busy[f.rel] || now.Before(s.pause):
		return false
	case ok && failed.id.Same(f.id) && now.Before(failed.next):
		return false
	}
	return s.outstanding(f)
}

// anyDue reports whether a file that has not failed still has something to be done for it; s.mu is held.
func (s *Spool) anyDue(ripe []found) bool {
	for _, f := range ripe {
		if failed, ok := s.failures[f.rel]; (!ok || !failed.id.Same(f.id)) && s.outstanding(f) {
			return true
		}
	}
	return false
}

// outstanding reports whether a file has to be uploaded, or to be taken away; s.mu is held.
func (s *Spool) outstanding(f found) bool {
	return !s.uploaded(f) || s.After != Keep
}

// uploaded reports whether S3 has a file, as far as the ledger knows; s.mu is held.
func (s *Spool) uploaded(f found) bool {
	e := s.known[f.rel]
	return e.Done && e.is(f, s.store)
}

// state sums up a look.
func (s *Spool) state(all []found, now time.Time) (st State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range all {
		if s.uploaded(f) {
			st.Kept++
			st.KeptBytes += f.id.Size
			continue
		}
		st.Waiting++
		st.WaitingBytes += f.id.Size
		st.Oldest = max(st.Oldest, now.Sub(f.id.Modified))
		if failed, ok := s.failures[f.rel]; ok && failed.id.Same(f.id) {
			st.Failing++
		}
	}
	return st
}
