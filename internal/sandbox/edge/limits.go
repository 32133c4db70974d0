package edge

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Settings slow a service down.
type Settings struct {
	Latency time.Duration // before every answer
	Rate    float64       // requests a second; 0: unlimited
	Burst   int           // size of the bucket; at least 1 where Rate is set
}

// Limits holds the settings of each service and its token bucket.
type Limits struct {
	now func() time.Time

	mu      sync.Mutex
	by      map[string]Settings
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimits(now func() time.Time) *Limits {
	return &Limits{now: now, by: map[string]Settings{}, buckets: map[string]*bucket{}}
}

// Set changes the settings of a service and fills its bucket.
func (l *Limits) Set(service string, s Settings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Burst = max(s.Burst, 1)
	l.by[service] = s
	l.buckets[service] = &bucket{tokens: float64(s.Burst), at: l.now()}
}

func (l *Limits) settings(service string) Settings {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.by[service]
}

// take spends one token and writes Auth0's rate headers (also understood by tests of other services): the size of the
// bucket, what is left, and when the next token comes (unix seconds).
func (l *Limits) take(service string, h http.Header) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, b := l.by[service], l.buckets[service]
	if s.Rate <= 0 || b == nil {
		return true
	}
	now := l.now()
	b.tokens = min(float64(s.Burst), b.tokens+now.Sub(b.at).Seconds()*s.Rate)
	b.at = now
	ok := b.tokens >= 1
	if ok {
		b.tokens--
	}
	wait := time.Duration(math.Max(0, 1-b.tokens) / s.Rate * float64(time.Second))
	reset := now.Add(wait).Add(time.Second - 1).Unix()
	h.Set("X-Ratelimit-Limit", strconv.Itoa(s.Burst))
	h.Set("X-Ratelimit-Remaining", strconv.Itoa(int(b.tokens)))
	h.Set("X-Ratelimit-Reset", strconv.FormatInt(reset, 10))
	if !ok {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	return ok
}
