package transfer

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// gate bounds the requests at once. Each time S3 asks to slow down it lets half as many through, and one more again
// after as many successes as it lets through.
type gate struct {
	slots *semaphore.Weighted

	mu        sync.Mutex
	most      int // slots in all
	taken     int // slots that are out of use for now
	owed      int // of these, the ones that requests still hold
	successes int // since the last change
}

func newGate(most int) *gate { return &gate{slots: semaphore.NewWeighted(int64(most)), most: most} }

func (g *gate) acquire(ctx context.Context) error { return g.slots.Acquire(ctx, 1) }

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.owed > 0 {
		g.owed--
		return
	}
	g.slots.Release(1)
}

// throttled halves the number of slots, one at least, but not again before as many successes as there are slots left
// or while requests that were sent before still hold slots that are taken: one burst of refusals counts once.
func (g *gate) throttled() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.successes = 0
	if g.owed > 0 {
		return
	}
	take := (g.most - g.taken) / 2
	g.taken += take
	for range take {
		if !g.slots.TryAcquire(1) {
			g.owed++
		}
	}
}

func (g *gate) succeeded() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.taken == 0 {
		return
	}
	g.successes++
	if g.successes < g.most-g.taken {
		return
	}
	g.successes = 0
	g.taken--
	if g.owed > 0 {
		g.owed--
		return
	}
	g.slots.Release(1)
}

// open is how many requests it lets through.
func (g *gate) open() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.most - g.taken
}
