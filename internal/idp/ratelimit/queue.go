package ratelimit

import (
	"slices"
	"sync"
)

// queue lets one request at a time wait for the pacer: the one that came first. A refused request keeps its place among
// those that came after it.
type queue struct {
	mu     sync.Mutex
	places uint64
	line   []*waiter // the first one has the turn
}

type waiter struct {
	place uint64
	turn  chan struct{} // closed when it has come
}

// place numbers a request by its arrival.
func (q *queue) place() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.places++
	return q.places
}

// join enters the line. The caller must leave it.
func (q *queue) join(place uint64) *waiter {
	w := &waiter{place: place, turn: make(chan struct{})}
	q.mu.Lock()
	defer q.mu.Unlock()
	// Whoever has the turn keeps it.
	at := 0
	for at < len(q.line) && (at == 0 || q.line[at].place < place) {
		at++
	}
	q.line = slices.Insert(q.line, at, w)
	if at == 0 {
		close(w.turn)
	}
	return w
}

// first reports whether the turn has come.
func (w *waiter) first() bool {
	select {
	case <-w.turn:
		return true
	default:
		return false
	}
}

// leave passes the turn on.
func (q *queue) leave(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := slices.Index(q.line, w)
	q.line = slices.Delete(q.line, at, at+1)
	if at == 0 && len(q.line) > 0 {
		close(q.line[0].turn)
	}
}
