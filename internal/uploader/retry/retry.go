// Package retry repeats a call that may succeed later: bounded, with full jitter, and never longer than the server asks.
package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Policy bounds the repetition of one call.
type Policy struct {
	Attempts int           // calls in all, at least 1
	Base     time.Duration // upper bound of the first pause; doubles with each
	Cap      time.Duration // upper bound of any pause, of a server's Retry-After too
	Sleep    func(context.Context, time.Duration) error
	Jitter   func(time.Duration) time.Duration // a random duration up to the given one
}

// Default suits an interactive command: four calls within a few seconds, a minute at most where the server asks for it.
func Default() Policy {
	return Policy{Attempts: 4, Base: 250 * time.Millisecond, Cap: time.Minute, Sleep: Sleep, Jitter: FullJitter}
}

// Again marks an error as worth another call, after a pause of at least After (0: the policy's own).
type Again struct {
	Err   error
	After time.Duration
}

func (e *Again) Error() string { return e.Err.Error() }

func (e *Again) Unwrap() error { return e.Err }

// Do calls f until it returns an error that is not an *Again, or until the policy ends. It returns the last error,
// without the mark.
func (p Policy) Do(ctx context.Context, f func(context.Context) error) error {
	pause := p.Base
	for attempt := 1; ; attempt++ {
		err := f(ctx)
		var again *Again
		if !errors.As(err, &again) {
			return err
		}
		if attempt >= p.Attempts || ctx.Err() != nil {
			return again.Err
		}
		wait := p.Jitter(pause)
		if again.After > 0 {
			wait = again.After + p.Jitter(p.Base)
		}
		if again.After > p.Cap {
			return again.Err // waiting less would be refused again, waiting so long is nobody's wish
		}
		if p.Sleep(ctx, min(wait, p.Cap)) != nil {
			return again.Err
		}
		pause *= 2
	}
}

// After reads a Retry-After header, seconds or a date; 0 without one.
func After(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(v); err == nil {
		return max(0, time.Duration(min(seconds, 86400))*time.Second)
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// Transient reports whether an HTTP status is worth another call.
func Transient(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500
}

// Sleep waits, or returns the context's error.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// FullJitter is a random duration in [0, d].
func FullJitter(d time.Duration) time.Duration {
	return time.Duration(rand.Int64N(int64(d) + 1)) // #nosec G404 -- spreads load, guards nothing
}
