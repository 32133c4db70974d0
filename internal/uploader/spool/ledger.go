package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
)

// ledger is what the disk knows of files that are being uploaded or have been. Each entry is on the disk before the call
// that wrote it returns; entries of many workers share the disk's time.
type ledger struct{ db *bolt.DB }

// entry is one file, by its path below the directory.
type entry struct {
	File journal.Identity `json:"file"`
	To   string           `json:"to"`             // Store.Where of the time
	Done bool             `json:"done,omitempty"` // S3 has it; false: an upload was begun
}

// is reports whether the entry is of this very file on its way to the store.
func (e entry) is(f found, store Store) bool { return e.To == store.Where() && e.File.Same(f.id) }

var files = []byte("files")

// LockedError says that another process watches the directory.
type LockedError struct{ Dir string }

func (e *LockedError) Error() string { return "another process watches " + e.Dir }

// openLedger opens the ledger of a directory, and locks it until close.
func openLedger(path, dir string) (*ledger, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the ledger's directory: %w", err)
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, &LockedError{dir}
	}
	if err != nil {
		return nil, fmt.Errorf("open the ledger %s: %w", path, err)
	}
	db.MaxBatchDelay = 2 * time.Millisecond
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(files)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the ledger %s: %w", path, err), db.Close())
	}
	return &ledger{db}, nil
}

func (l *ledger) close() error { return l.db.Close() }

// all returns the entries by path. One that cannot be read counts as none: its file is looked at again.
func (l *ledger) all() (map[string]entry, error) {
	known := map[string]entry{}
	err := l.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(files).ForEach(func(rel, value []byte) error {
			var e entry
			if json.Unmarshal(value, &e) == nil {
				known[string(rel)] = e
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return known, nil
}

func (l *ledger) put(rel string, e entry) error {
	value, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	return l.change(func(b *bolt.Bucket) error { return b.Put([]byte(rel), value) })
}

// forget drops entries, of files that are gone.
func (l *ledger) forget(rels ...string) error {
	return l.change(func(b *bolt.Bucket) error {
		for _, rel := range rels {
			if err := b.Delete([]byte(rel)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *ledger) change(f func(*bolt.Bucket) error) error {
	if err := l.db.Batch(func(tx *bolt.Tx) error { return f(tx.Bucket(files)) }); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	return nil
}
