package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/disk"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
)

// work does what there is to do for one file.
func (s *Spool) work(ctx context.Context, f found) {
	err := s.file(ctx, &f)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, f.rel)
	switch {
	case err == nil:
		delete(s.failures, f.rel)
		s.systemic, s.lastErr, s.pause = 0, nil, time.Time{}
	case ctx.Err() != nil:
	case s.Systemic(err):
		pause := min(systemicMost, systemicPause<<min(s.systemic, 10))
		s.systemic++
		s.lastErr = err
		s.pause = s.Now().Add(pause/2 + s.Jitter(pause/2))
		s.Log.Error("nothing can be uploaded", "error", err, "next", s.pause)
		s.Events.Failed()
	default:
		times := s.failures[f.rel].times
		pause := min(failureAtMost, failurePause<<min(times, 20))
		next := s.Now().Add(pause/2 + s.Jitter(pause/2))
		s.failures[f.rel] = failure{f.id, times + 1, next}
		s.Log.Error("not uploaded", "path", f.path, "error", err, "failures", times+1, "next", next)
		s.Events.Failed()
	}
}

// file uploads a file unless S3 has it, and takes it away as asked. A file that is no longer what the scan saw is left to
// the next one.
func (s *Spool) file(ctx context.Context, f *found) error {
	if same, err := still(*f); err != nil || !same {
		return err
	}
	s.mu.Lock()
	e, store := s.known[f.rel], s.store
	s.mu.Unlock()
	begun := e.is(*f, store)
	if begun && e.Done {
		return s.finish(f)
	}
	if !begun || !s.stored(ctx, store, *f) {
		if err := s.note(f.rel, entry{File: f.id, To: store.Where()}); err != nil {
			return err
		}
		if err := store.Upload(ctx, f.path, f.rel, f.id); err != nil {
			return err
		}
		if same, err := still(*f); err != nil || !same { // another file took the name before it was opened
			return err
		}
		s.Events.Uploaded(f.id.Size)
		s.Log.Info("uploaded", "path", f.path, "bytes", f.id.Size)
	}
	if err := s.note(f.rel, entry{File: f.id, To: store.Where(), Done: true}); err != nil {
		return err
	}
	return s.finish(f)
}

// stored reports whether an upload that a crash or an error cut off has come to its end all the same.
func (s *Spool) stored(ctx context.Context, store Store, f found) bool {
	held, err := store.Holds(ctx, f.path, f.rel, f.id)
	if err != nil {
		s.Log.Info("whether S3 has it already is not known, so it is uploaded again", "path", f.path, "error", err)
	}
	return held
}

// note writes an entry to the ledger.
func (s *Spool) note(rel string, e entry) error {
	if err := s.ledger.put(rel, e); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[rel] = e
	return nil
}

// still reports whether a file is what the scan saw. One that is gone is not.
func still(f found) (bool, error) {
	info, err := os.Lstat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	id, err := journal.Identify(f.path, info)
	return err == nil && info.Mode().IsRegular() && id.Same(f.id), err
}

// prune forgets files that are gone, once their absence is on the disk: one that a crash of the machine brings back
// must not be taken for a new one. What lies below a path with trouble could not be seen, and counts as there.
func (s *Spool) prune(all []found, trouble map[string]bool) error {
	here := make(map[string]bool, len(all))
	for _, f := range all {
		here[f.rel] = true
	}
	s.mu.Lock()
	var gone []string
	dirs := map[string]bool{}
	for rel := range s.known {
		if !here[rel] && !s.busy[rel] && !s.hidden(rel, trouble) {
			gone = append(gone, rel)
			dirs[filepath.Dir(filepath.Join(s.Dir, filepath.FromSlash(rel)))] = true
		}
	}
	for rel := range s.failures {
		if !here[rel] {
			delete(s.failures, rel)
		}
	}
	s.mu.Unlock()
	if len(gone) == 0 {
		return nil
	}
	living := s.living()
	for dir := range dirs {
		living()
		if err := disk.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sync %s: %w", dir, err)
		}
	}
	if err := s.ledger.forget(gone...); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rel := range gone {
		delete(s.known, rel)
	}
	return nil
}

// hidden reports whether a file lies below one of some paths, or is one.
func (s *Spool) hidden(rel string, trouble map[string]bool) bool {
	for ; len(trouble) > 0 && rel != "."; rel = path.Dir(rel) {
		if trouble[filepath.Join(s.Dir, filepath.FromSlash(rel))] {
			return true
		}
	}
	return false
}

// trim deletes the oldest of the files that are kept, where they take more room than they may.
func (s *Spool) trim(all []found) {
	if s.After != Keep || s.KeepAtMost == 0 {
		return
	}
	var kept []found
	var total int64
	s.mu.Lock()
	for _, f := range all {
		if s.uploaded(f) {
			kept = append(kept, f)
			total += f.id.Size
		}
	}
	s.mu.Unlock()
	living := s.living()
	for _, f := range kept { // oldest first
		living()
		if total <= s.KeepAtMost {
			return
		}
		done, err := s.takeAway(&f, os.Remove)
		if err != nil {
			s.Log.Error("not deleted", "path", f.path, "error", err)
			continue
		}
		total -= f.id.Size // of one that is gone or another too
		if !done {
			continue
		}
		s.Log.Info("deleted to make room", "path", f.path, "uploaded", true, "age", s.Now().Sub(f.id.Modified).Round(time.Second))
	}
}
