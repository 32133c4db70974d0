package fold

import (
	"context"
	"sync"
)

// Keyed is a Read for each key. The zero Keyed is ready for use.
type Keyed[K comparable, T any] struct {
	mu    sync.Mutex
	reads map[K]*Read[T]
}

// Get returns the value of the key, reading it where nobody has yet.
func (k *Keyed[K, T]) Get(ctx context.Context, key K, read func(context.Context) (T, error)) (T, error) {
	return k.of(key).Get(ctx, read)
}

// Forget makes the next caller read the key again.
func (k *Keyed[K, T]) Forget(key K) { k.of(key).Forget() }

func (k *Keyed[K, T]) of(key K) *Read[T] {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.reads[key]
	if r == nil {
		if k.reads == nil {
			k.reads = map[K]*Read[T]{}
		}
		r = &Read[T]{}
		k.reads[key] = r
	}
	return r
}
