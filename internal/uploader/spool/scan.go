package spool

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/tree"
)

// Unfinished are the names that programs give to files that they have not finished, and names that are hidden.
var Unfinished = []string{".*", "*.tmp", "*.part", "*.partial", "*.swp", "*~"}

// found is a file of the directory.
type found struct {
	rel  string // below the directory, with slashes
	path string
	id   journal.Identity
}

// scan lists the regular files, oldest first, and the paths of those that are aside. What cannot be read is reported and
// left out: it does not hide the rest. each is called for each name.
func scan(dir string, include, exclude []tree.Pattern, each func(), trouble func(path string, err error)) (all []found, held []string, err error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, nil, err
	} else if !info.IsDir() {
		return nil, nil, errors.New("it is not a directory")
	}
	root, err := filepath.EvalSymlinks(dir) // a walk does not follow the directory itself
	if err != nil {
		return nil, nil, err
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if each(); path == root {
			return err
		}
		rel, relErr := filepath.Rel(root, path)
		if relErr != nil {
			return relErr
		}
		path, rel = filepath.Join(dir, rel), filepath.ToSlash(rel)
		matches := func(p tree.Pattern) bool { return p.Match(rel) }
		switch {
		case err == nil && isAside(d.Name()):
			if held = append(held, rel); d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case slices.ContainsFunc(exclude, matches):
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case err != nil:
			trouble(path, err)
			return nil
		case !d.Type().IsRegular() || (len(include) > 0 && !slices.ContainsFunc(include, matches)):
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since
		}
		if err != nil {
			trouble(path, err)
			return nil
		}
		id, err := journal.Identify(path, info)
		if err != nil {
			return err
		}
		all = append(all, found{rel, path, id})
		return nil
	})
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(a.id.Modified.Compare(b.id.Modified), cmp.Compare(a.rel, b.rel))
	})
	return all, held, err
}

// sighting is how a file was when it was last seen to change.
type sighting struct {
	id    journal.Identity
	since time.Time
}

// settled returns the files that have not changed for so long, by this process's own clock: that of a file server may
// differ, and an old file that is renamed into place has an old time.
func (s *Spool) settled(all []found, now time.Time) []found {
	seen := make(map[string]sighting, len(all))
	var ripe []found
	for _, f := range all {
		sight, ok := s.seen[f.rel]
		if !ok || !sight.id.Same(f.id) {
			sight = sighting{f.id, now}
		}
		seen[f.rel] = sight
		if now.Sub(sight.since) >= s.Settle {
			ripe = append(ripe, f)
		}
	}
	s.seen = seen
	return ripe
}
