// Package store holds the sandbox's state: in-memory tables that remember when each value was written, so that a read
// can be answered as of an earlier moment. Stale reads, replication lag and IAM's propagation delay are all that one
// thing: a read as of some time ago.
//
// Nothing here knows a service; each service keeps its own tables.
package store

import (
	"context"
	"slices"
	"sort"
	"sync"
	"time"
)

type asOfKey struct{}

// AsOf returns a context whose reads see every table as it stood at t. Writes are not affected.
func AsOf(ctx context.Context, t time.Time) context.Context {
	return context.WithValue(ctx, asOfKey{}, t)
}

// version is one value of a key, or its absence, since a moment.
type version[V any] struct {
	since   time.Time
	value   V
	present bool
}

// keptVersions bounds the history of one key. A read older than the oldest kept version sees that version.
const keptVersions = 16

// Table maps string keys to values and keeps a short history of each. Values are immutable: to change one, put a new
// value. The zero Table is not usable; see NewTable.
type Table[V any] struct {
	now func() time.Time

	mu   sync.RWMutex
	rows map[string][]version[V] // oldest first
}

// NewTable returns an empty table that dates its writes by now.
func NewTable[V any](now func() time.Time) *Table[V] {
	return &Table[V]{now: now, rows: map[string][]version[V]{}}
}

// Get returns the value of key as the context's moment sees it.
func (t *Table[V]) Get(ctx context.Context, key string) (V, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return visible(ctx, t.rows[key])
}

// Keys returns the keys that the context's moment sees, sorted.
func (t *Table[V]) Keys(ctx context.Context) []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	keys := make([]string, 0, len(t.rows))
	for key, versions := range t.rows {
		if _, ok := visible(ctx, versions); ok {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	return keys
}

// Values returns the values that the context's moment sees, in the order of their keys.
func (t *Table[V]) Values(ctx context.Context) []V {
	t.mu.RLock()
	defer t.mu.RUnlock()
	keys := make([]string, 0, len(t.rows))
	for key := range t.rows {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	values := make([]V, 0, len(keys))
	for _, key := range keys {
		if value, ok := visible(ctx, t.rows[key]); ok {
			values = append(values, value)
		}
	}
	return values
}

// Put writes the value of key.
func (t *Table[V]) Put(key string, value V) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.write(key, value, true)
}

// Delete removes key and reports whether it was there.
func (t *Table[V]) Delete(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	var zero V
	if _, ok := latest(t.rows[key]); !ok {
		return false
	}
	t.write(key, zero, false)
	return true
}

// Update changes the value of key in one step: change is given the latest value and whether there is one, and returns
// the new value and whether the key shall exist. An error leaves the table as it is and is returned. change must not
// use the table.
func (t *Table[V]) Update(key string, change func(value V, exists bool) (V, bool, error)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	value, exists := latest(t.rows[key])
	next, keep, err := change(value, exists)
	if err != nil {
		return err
	}
	if exists || keep {
		t.write(key, next, keep)
	}
	return nil
}

func (t *Table[V]) write(key string, value V, present bool) {
	t.rows[key] = append(t.rows[key], version[V]{since: t.now(), value: value, present: present})
	if extra := len(t.rows[key]) - keptVersions; extra > 0 {
		t.rows[key] = slices.Delete(t.rows[key], 0, extra)
	}
}

func latest[V any](versions []version[V]) (value V, ok bool) {
	if len(versions) == 0 {
		return value, false
	}
	last := versions[len(versions)-1]
	return last.value, last.present
}

func visible[V any](ctx context.Context, versions []version[V]) (value V, ok bool) {
	moment, past := ctx.Value(asOfKey{}).(time.Time)
	if !past {
		return latest(versions)
	}
	for i := len(versions) - 1; i >= 0; i-- {
		if !versions[i].since.After(moment) {
			return versions[i].value, versions[i].present
		}
	}
	if len(versions) == keptVersions { // the history was cut: its oldest entry is the best answer there is
		return versions[0].value, versions[0].present
	}
	return value, false
}
