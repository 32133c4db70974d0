package vending

import (
	"sync"
	"time"
)

// maxClients bounds the clients that are remembered, here and in the row cache. Only verified clients count.
const maxClients = 10_000

// limiter is a token bucket for each client. In Lambda every instance has its own.
type limiter struct {
	perSecond, burst float64
	now              func() time.Time

	mu      sync.Mutex
	buckets *recent[bucket]
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(perMinute, burst int, now func() time.Time) *limiter {
	return &limiter{perSecond: float64(perMinute) / 60, burst: float64(burst), now: now, buckets: newRecent[bucket](maxClients)}
}

// take spends one token of the client's, or says how long to wait for the next.
func (l *limiter) take(key string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	b, ok := l.buckets.get(key)
	if !ok {
		b = bucket{tokens: l.burst, at: now}
	}
	b.tokens = min(l.burst, b.tokens+max(0, now.Sub(b.at).Seconds())*l.perSecond)
	b.at = now
	var wait time.Duration
	if b.tokens >= 1 {
		b.tokens--
	} else {
		wait = time.Duration((1 - b.tokens) / l.perSecond * float64(time.Second))
	}
	l.buckets.put(key, b)
	return wait
}
