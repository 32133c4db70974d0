package spool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/disk"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
)

// aside begins the name that a file has while it is taken away; a random word, a dash and its own name follow.
const (
	aside     = ".oidcs3-aside-"
	asideWord = 13 // letters of five bits
	asideRest = 64 // bytes of the file's own name, where all of it would be too long
)

// finish deletes or moves a file that S3 has. The ledger keeps its entry until a later look has not found the file.
func (s *Spool) finish(f *found) error {
	if s.After == Keep {
		return nil
	}
	_, err := s.takeAway(f, s.end(f.rel))
	return err
}

// end deletes or moves a file, which has another name by then.
func (s *Spool) end(rel string) func(held string) error {
	if s.After == Delete {
		return os.Remove
	}
	return func(held string) error {
		target := filepath.Join(s.MoveTo, filepath.FromSlash(rel))
		err := os.MkdirAll(filepath.Dir(target), 0o750)
		if err == nil {
			_, err = place(held, target)
		}
		if err != nil {
			return fmt.Errorf("move what was uploaded: %w", err)
		}
		return nil
	}
}

// takeAway ends a file that S3 has, and reports whether it did. A name may get another file at any moment, so the file is
// given a name of our own first, and is looked at under that: another one goes back.
func (s *Spool) takeAway(f *found, end func(held string) error) (bool, error) {
	if same, err := still(*f); err != nil || !same {
		return false, err
	}
	return s.takeHold(f, end)
}

func (s *Spool) takeHold(f *found, end func(held string) error) (bool, error) {
	held, err := setAside(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	same, err := alike(held, f.id, true)
	if err == nil && same {
		if err = end(held); err == nil {
			return true, nil
		}
	}
	return false, errors.Join(err, s.putBack(held, f, same))
}

// setAside renames a file within its directory, which takes no room on a disk that is full.
func setAside(name string) (held string, err error) {
	dir, base := filepath.Split(name)
	start := aside + rand.Text()[:asideWord] + "-"
	held = filepath.Join(dir, start+base)
	if err = os.Rename(name, held); errors.Is(err, syscall.ENAMETOOLONG) {
		held = filepath.Join(dir, start+base[:min(len(base), asideRest)])
		err = os.Rename(name, held)
	}
	return held, err
}

// alike reports whether a file that was renamed is the one with an identity. A rename counts as a change of the file, so
// its time of change cannot tell.
func alike(name string, id journal.Identity, mounted bool) (bool, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return false, err
	}
	now, err := journal.Identify(name, info)
	return err == nil && info.Mode().IsRegular() && now.Inode == id.Inode && now.Size == id.Size && now.Modified.Equal(id.Modified) &&
		(now.Device == id.Device || !mounted), err
}

// putBack gives a file its name again; uploaded is whether the ledger knows it, under its identity of before.
func (s *Spool) putBack(held string, f *found, uploaded bool) error {
	name, err := place(held, f.path)
	if err != nil {
		s.mu.Lock()
		s.restored = false // another look tries again
		s.mu.Unlock()
		return fmt.Errorf("give %s its name again: %w", f.path, err)
	}
	if name != f.path {
		s.Log.Warn("another file has the name of one that was to be put back", "path", f.path, "now", name)
		return nil
	}
	if !uploaded {
		return nil
	}
	info, err := os.Lstat(name)
	if err != nil {
		return err
	}
	id, err := journal.Identify(name, info)
	if same, sameErr := alike(name, f.id, false); err != nil || sameErr != nil || !same {
		return errors.Join(err, sameErr)
	}
	s.mu.Lock()
	e := s.known[f.rel]
	s.mu.Unlock()
	f.id, e.File = id, id
	return s.note(f.rel, e)
}

// place moves a file to a name that no file has: the one that is wanted, or one with a number.
func place(from, wanted string) (name string, err error) {
	for n := 0; ; n++ {
		name = wanted
		if n > 0 {
			name = fmt.Sprintf("%s.%d", wanted, n)
		}
		if err = disk.RenameNew(from, name); !errors.Is(err, fs.ErrExist) {
			return name, err
		}
	}
}

// restore ends what a crash cut off while files were being taken away, or puts them back; rels are their paths. It
// reports whether all went well.
func (s *Spool) restore(rels []string) bool {
	well := true
	for _, rel := range rels {
		if err := s.restoreOne(rel); err != nil {
			well = false
			s.Log.Error("left aside", "path", filepath.Join(s.Dir, filepath.FromSlash(rel)), "error", err)
		}
	}
	return well
}

func (s *Spool) restoreOne(rel string) error {
	dir, base := path.Split(rel)
	f := found{rel: dir + base[len(aside)+asideWord+1:]}
	f.path = filepath.Join(s.Dir, filepath.FromSlash(f.rel))
	held := filepath.Join(s.Dir, filepath.FromSlash(rel))
	info, err := os.Lstat(held)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if now, err := os.Lstat(f.path); err == nil && os.SameFile(info, now) {
		return os.Remove(held) // it has both names: it was being put back
	}
	s.mu.Lock()
	e, known := s.known[f.rel]
	there := known && e.Done && e.To == s.store.Where()
	s.mu.Unlock()
	if there {
		if there, err = alike(held, e.File, false); err != nil {
			return err
		}
	}
	f.id = e.File
	if there && s.After != Keep {
		if err = s.end(f.rel)(held); err == nil {
			return nil
		}
	}
	return errors.Join(err, s.putBack(held, &f, there))
}

// isAside reports whether a name is that of a file that is being taken away.
func isAside(base string) bool {
	return strings.HasPrefix(base, aside) && len(base) > len(aside)+asideWord+1 && base[len(aside)+asideWord] == '-'
}
