// Package journal keeps on this host's disk what is known of unfinished multipart uploads, so that a later run goes on
// where an earlier one was cut off. It knows files and numbers; what S3 holds is for its callers to ask.
//
// One journal is one file of lines, each with its own checksum: first the upload, then its ID once S3 has given one,
// then each part that S3 has confirmed. Lines are only ever appended, so a crash costs the last line at most, and
// a line that is lost costs a part that is looked at again.
package journal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

const (
	version   = 1
	extension = ".journal"
	sizeLimit = 8 << 20 // 10,000 parts take 2 MiB
)

// Identity tells one content of one file from another, as far as a file system can.
type Identity struct {
	Path     string    `json:"path"`             // absolute
	Device   uint64    `json:"device,omitempty"` // as long as it stays mounted
	Inode    uint64    `json:"inode,omitempty"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	Changed  time.Time `json:"changed,omitzero"` // of content, owner or mode, where the system keeps it
}

// Identify describes an open file. path may be relative.
func Identify(path string, info fs.FileInfo) (Identity, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Identity{}, err
	}
	id := Identity{Path: abs, Size: info.Size(), Modified: info.ModTime().UTC()}
	id.Device, id.Inode, id.Changed = system(info)
	return id, nil
}

// Same reports whether both are the same content of the same file. The device has no say: network file systems, btrfs and
// ZFS get another number with each mount, and disks are numbered as they are found when the machine starts.
func (i Identity) Same(other Identity) bool {
	return i.Path == other.Path && i.Inode == other.Inode && i.Size == other.Size &&
		i.Modified.Equal(other.Modified) && i.Changed.Equal(other.Changed)
}

// Upload is what a multipart upload consists of, and as what it began.
type Upload struct {
	File      Identity  `json:"file"`
	Bucket    string    `json:"bucket"`
	Key       string    `json:"key"`
	Options   string    `json:"options"` // whatever else S3 was told when it began, in a form that compares
	PartSize  int64     `json:"part_size"`
	Algorithm string    `json:"algorithm,omitempty"`
	Began     time.Time `json:"began"`
}

// Part is one part that S3 has confirmed.
type Part struct {
	Number int32  `json:"number"`
	Size   int64  `json:"size"`
	ETag   string `json:"etag"`
	Sum    []byte `json:"sum,omitempty"`
}

// State is what a journal tells.
type State struct {
	Upload     Upload
	ID         string         // empty: S3 was asked to begin, and what it answered is not known
	Parts      map[int32]Part // by number
	Completing bool           // S3 was asked to complete the upload
	Touched    time.Time      // when the last line was written
}

// Store is the directory of all journals of one user.
type Store struct {
	Dir  string
	Warn func(string) // told of journals that cannot be read; may be nil
}

// LockedError says that another process works on that upload.
type LockedError struct{ Path, Key string }

func (e *LockedError) Error() string {
	return fmt.Sprintf("another process is uploading %s to %s", e.Path, e.Key)
}

// Open locks and reads the journal for one file and object. Entry.State is nil where there is none; one that is damaged
// counts as none, with a warning. The error is a *LockedError where another process has it.
func (s *Store) Open(path, bucket, key string) (*Entry, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the journal's directory: %w", err)
	}
	sum := sha256.Sum256([]byte(bucket + "\x00" + key + "\x00" + abs))
	e, err := s.lock(hex.EncodeToString(sum[:16]))
	if errors.Is(err, errLocked) {
		return nil, &LockedError{Path: path, Key: key}
	}
	if err != nil {
		return nil, err
	}
	e.load()
	return e, nil
}

var errLocked = errors.New("locked by another process")

// lock takes the lock of a name. The holder deletes the lock's file at the end, so a lock on a file that is no longer
// there protects nothing, and the next one is tried.
func (s *Store) lock(name string) (*Entry, error) {
	path := filepath.Join(s.Dir, name)
	for range 100 {
		l := flock.New(path+".lock", flock.SetPermissions(0o600), flock.SetFlag(os.O_CREATE|os.O_RDWR))
		got, err := l.TryLock()
		if err != nil {
			return nil, fmt.Errorf("lock the journal: %w", err)
		}
		if !got {
			return nil, errLocked
		}
		held, err := l.Stat()
		now, gone := os.Stat(path + ".lock")
		if err == nil && gone == nil && os.SameFile(held, now) {
			return &Entry{path: path + extension, lock: l, warn: s.warn}, nil
		}
		_ = l.Close()
	}
	return nil, errLocked
}

func (s *Store) warn(text string) {
	if s.Warn != nil {
		s.Warn(text)
	}
}

// Each calls yield for each journal that no process works on, locked and in a stable order, until yield fails. yield
// may Remove the entry; it need not Close it.
func (s *Store) Each(ctx context.Context, yield func(*Entry) error) error {
	names, err := s.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := s.lock(name)
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return err
		}
		e.load()
		if e.State == nil {
			_ = e.Remove() // damaged, or removed meanwhile
			_ = e.Close()
			continue
		}
		if err := errors.Join(yield(e), e.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) names() ([]string, error) {
	files, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the journal's directory: %w", err)
	}
	var names []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), extension); ok && f.Type().IsRegular() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// StateDir is where a program keeps what must outlive it: $OIDCS3_STATE_DIR, the first of systemd's $STATE_DIRECTORY, or
// the user's own directory for state.
func StateDir(getenv func(string) string) (string, error) {
	if dir := getenv("OIDCS3_STATE_DIR"); dir != "" {
		return dir, nil
	}
	if dirs := filepath.SplitList(getenv("STATE_DIRECTORY")); len(dirs) > 0 && dirs[0] != "" {
		return dirs[0], nil
	}
	dir, err := userStateDir(getenv)
	if err != nil {
		return "", fmt.Errorf("no directory for state: set OIDCS3_STATE_DIR: %w", err)
	}
	return filepath.Join(dir, "oidcs3"), nil
}

// IDs are the uploads that journals know of, those that are being worked on included.
func (s *Store) IDs() (map[string]bool, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, name := range names {
		e := Entry{path: filepath.Join(s.Dir, name) + extension, warn: func(string) {}}
		if e.load(); e.State != nil && e.State.ID != "" {
			ids[e.State.ID] = true
		}
	}
	return ids, nil
}
