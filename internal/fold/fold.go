// Package fold lets many callers share one read.
package fold

import (
	"context"
	"sync"
)

// Read is one read that any number of callers wait for and share. It does not hang on the context of the caller who came
// first: it goes on while anybody waits. A success is kept, a failure is not. The zero Read is ready for use.
type Read[T any] struct {
	mu      sync.Mutex
	current *fetch[T]
}

type fetch[T any] struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiting int
	value   T
	err     error
}

// Get returns the value, reading it where nobody has yet.
func (s *Read[T]) Get(ctx context.Context, read func(context.Context) (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err // nobody waits: nothing is read
	}
	s.mu.Lock()
	f := s.current
	if f == nil {
		f = s.start(ctx, read)
	}
	f.waiting++
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		s.leave(f)
		return none, ctx.Err()
	}
}

// start begins the read; s.mu is held.
func (s *Read[T]) start(ctx context.Context, read func(context.Context) (T, error)) *fetch[T] {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &fetch[T]{done: make(chan struct{}), cancel: cancel}
	s.current = f
	go func() {
		defer cancel()
		f.value, f.err = read(ctx)
		if f.err != nil {
			s.drop(f)
		}
		close(f.done)
	}()
	return f
}

// leave ends the read when its last caller has gone.
func (s *Read[T]) leave(f *fetch[T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.waiting--; f.waiting > 0 {
		return
	}
	select {
	case <-f.done: // kept for later
	default:
		f.cancel()
		if s.current == f {
			s.current = nil
		}
	}
}

func (s *Read[T]) drop(f *fetch[T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == f {
		s.current = nil
	}
}

// Forget makes the next caller read again. Who waits already gets what is on its way.
func (s *Read[T]) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = nil
}
