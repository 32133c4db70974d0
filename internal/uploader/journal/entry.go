package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/disk"
)

// Entry is one journal, locked. Its methods may be called from any goroutine.
type Entry struct {
	State *State // as it was when the entry was opened; nil: there was none

	path string
	lock *flock.Flock
	warn func(string)

	mu      sync.Mutex
	file    *os.File
	pending []byte // lines that are not on disk yet
	syncing bool
	idle    sync.Cond // syncing is over
	err     error     // the first failure to write
}

// load reads what there is. A damaged journal is of no use: its upload is left to `clean` and to lifecycle rules.
func (e *Entry) load() {
	e.idle.L = &e.mu
	f, err := os.Open(e.path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		defer func() { _ = f.Close() }()
		e.State, err = read(f)
	}
	if err != nil {
		e.warn(fmt.Sprintf("ignoring the journal %s: %v", e.path, err))
	}
}

func read(f *os.File) (*State, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || !private(info) {
		return nil, errors.New("it is not a private file of this user")
	}
	text, err := io.ReadAll(io.LimitReader(f, sizeLimit+1))
	if err != nil {
		return nil, err
	}
	if len(text) > sizeLimit {
		return nil, errors.New("it is too long")
	}
	s, err := parse(text)
	if s != nil {
		s.Touched = info.ModTime()
	}
	return s, err
}

// Begin starts the journal anew for an upload that S3 is about to be asked for. It is on disk when Begin returns.
func (e *Entry) Begin(u Upload) error {
	if _, err := json.Marshal(u); err != nil { // a file's time may be beyond the year 9999
		return fmt.Errorf("write the journal: %w", err)
	}
	line := encode(record{Version: version, Upload: &u})
	temporary := e.path + ".new"
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // #nosec G304 -- below our directory
	if err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	_, err = f.Write(line)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = replace(temporary, e.path)
	}
	if err != nil {
		_ = os.Remove(temporary)
		return fmt.Errorf("write the journal: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file != nil {
		_ = e.file.Close()
	}
	e.file, e.pending, e.err = nil, nil, nil
	return nil
}

// replace puts a file in the place of another, for good.
func replace(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return disk.SyncDir(filepath.Dir(to))
}

// Started notes the ID that S3 has given the upload. It is on disk when Started returns.
func (e *Entry) Started(id string) error {
	e.append(record{ID: id})
	return e.Flush()
}

// Part notes a part. It returns at once: parts that arrive while the disk is busy are written together.
func (e *Entry) Part(p Part) { e.append(record{Part: &p}) }

// Completing notes that S3 is about to be asked to complete the upload. It is on disk when Completing returns.
func (e *Entry) Completing() error {
	e.append(record{Completing: true})
	return e.Flush()
}

func (e *Entry) append(r record) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pending = append(e.pending, encode(r)...)
	if !e.syncing {
		e.syncing = true
		go e.drain()
	}
}

func (e *Entry) drain() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.pending) > 0 {
		lines := e.pending
		e.pending = nil
		e.mu.Unlock()
		err := e.write(lines)
		e.mu.Lock()
		if e.err == nil {
			e.err = err
		}
	}
	e.syncing = false
	e.idle.Broadcast()
}

func (e *Entry) write(lines []byte) error {
	if e.file == nil {
		f, err := reopen(e.path)
		if err != nil {
			return err
		}
		e.file = f
	}
	_, err := e.file.Write(lines)
	return errors.Join(err, e.file.Sync())
}

// reopen opens a journal for appending, and takes off a last line that was cut.
func reopen(path string) (*os.File, error) {
	text, err := os.ReadFile(path) // #nosec G304 -- below our directory
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0o600) // #nosec G304 -- below our directory
	if err != nil {
		return nil, err
	}
	end := int64(whole(text))
	if err = f.Truncate(end); err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// Flush waits until all lines are on disk.
func (e *Entry) Flush() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.syncing {
		e.idle.Wait()
	}
	if e.err != nil {
		return fmt.Errorf("write the journal: %w", e.err)
	}
	return nil
}

// Close keeps the journal for a later run.
func (e *Entry) Close() error {
	err := e.Flush()
	if e.file != nil {
		err = errors.Join(err, e.file.Close())
		e.file = nil
	}
	_ = os.Remove(e.lock.Path()) // while it is held; whoever waits for it notices
	return errors.Join(err, e.lock.Close())
}

// Remove deletes the journal: the upload is complete, or gone.
func (e *Entry) Remove() error {
	_ = e.Flush()
	if e.file != nil {
		_ = e.file.Close()
		e.file = nil
	}
	err := os.Remove(e.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	e.State = nil
	return err
}
