// Package daemon keeps one thing fresh that expires: it renews ahead of the end, again and again, and tells systemd how
// it goes. The files that others read are written here too.
//
// What is renewed, and from whom, comes from outside: nothing here knows an identity provider or AWS.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Bounds of the loop.
const (
	leadAtMost  = 15 * time.Minute // how long before the end a renewal is due
	pauseFirst  = time.Second      // after the first failure; doubles with each
	pauseAtMost = time.Minute
	renewalTime = 2 * time.Minute // of one renewal, its own retries included
)

// Renew gets a new thing, puts it where others find it, and returns when it expires. Where it fails, what others find
// is as it was.
type Renew func(context.Context) (expires time.Time, err error)

// Daemon is the loop. All fields but Reload are required.
type Daemon struct {
	Open     func() (Renew, error)                // reads configuration and secret; called at the start and at each reload
	Fatal    func(error) bool                     // whether the first renewal's error ends the program at once, such as a refusal
	Reload   <-chan struct{}                      // asks for Open and a renewal at once; may be nil
	Notify   func(state string)                   // tells systemd, see sd_notify(3); does nothing elsewhere
	Watchdog time.Duration                        // how often systemd wants a sign of life; 0: never
	Now      func() time.Time                     // the clock
	Mono     func() string                        // MONOTONIC_USEC=…, which systemd wants with RELOADING=1
	After    func(time.Duration) <-chan time.Time // time.After
	Jitter   func(time.Duration) time.Duration    // a random duration up to the given one
	Log      *slog.Logger
}

// Once renews a single time.
func (d *Daemon) Once(ctx context.Context) error {
	renew, err := d.Open()
	if err != nil {
		return err
	}
	_, err = renew(ctx)
	return err
}

// Run renews until the context ends, which is no error. It fails where Open fails at the start, and where the first
// renewal fails in a way that Fatal knows. From the first success on nothing ends it: what was written stays until
// there is something better.
func (d *Daemon) Run(ctx context.Context) error {
	renew, err := d.Open()
	if err != nil {
		return err
	}
	s := state{Daemon: d, renew: renew}
	defer d.Notify("STOPPING=1")
	for {
		err := s.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && s.expires.IsZero() && d.Fatal(err) {
			return err
		}
		if s.wait(ctx) != nil {
			return nil
		}
	}
}

// state is what the loop remembers.
type state struct {
	*Daemon
	renew    Renew
	expires  time.Time // zero until the first success
	next     time.Time
	failures int
}

// once renews within bounds, and decides when to do so next.
func (s *state) once(ctx context.Context) error {
	limit := renewalTime
	if s.Watchdog > 0 { // a renewal that takes longer than systemd's patience must end before that does
		limit = min(limit, s.Watchdog*3/4)
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s.alive()
	expires, err := s.renew(bounded)
	s.alive()
	// Without the monotonic clock, which stands still while a machine sleeps and goes on where a snapshot of it was taken.
	// https://pkg.go.dev/time#hdr-Monotonic_Clocks
	now, expires := s.Now().Round(0), expires.Round(0)
	if err != nil {
		return s.failed(now, err)
	}
	life := expires.Sub(now)
	lead := min(leadAtMost, life/4)
	s.failures, s.expires = 0, expires
	s.next = expires.Add(-lead - s.Jitter(max(0, lead/3)))
	if s.next.Before(now.Add(pauseFirst)) { // what lives for seconds only is not asked for in a tight loop
		s.next = now.Add(pauseFirst)
	}
	s.Log.Info("renewed", "expires", expires, "next", s.next)
	s.Notify("READY=1\nSTATUS=good until " + stamp(expires) + ", next renewal at " + stamp(s.next))
	return nil
}

func (s *state) failed(now time.Time, err error) error {
	pause := min(pauseAtMost, pauseFirst<<min(s.failures, 10))
	s.failures++
	s.next = now.Add(pause/2 + s.Jitter(pause/2))
	if errors.Is(err, context.Canceled) {
		return err
	}
	left := "nothing is there yet"
	switch {
	case s.expires.After(now):
		left = "the old ones are good until " + stamp(s.expires)
	case !s.expires.IsZero():
		left = "the old ones expired at " + stamp(s.expires)
	}
	s.Log.Error("renewal failed", "error", err, "failures", s.failures, "state", left, "next", s.next)
	s.Notify(fmt.Sprintf("STATUS=%d renewals failed, %s: %s", s.failures, left, strings.Join(strings.Fields(err.Error()), " ")))
	return err
}

// wait waits until the next renewal is due, and shows signs of life meanwhile. The clock is looked at every minute at
// most: a machine that slept is late, and its timers do not know.
func (s *state) wait(ctx context.Context) error {
	tick := time.Minute
	if s.Watchdog > 0 {
		tick = min(tick, s.Watchdog/3)
	}
	for {
		left := s.next.Sub(s.Now())
		if left <= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.Reload:
			s.reload()
			return nil
		case <-s.After(min(tick, left)):
			s.alive()
		}
	}
}

// reload reads configuration and secret again. Where that fails, the old ones stay.
func (s *state) reload() {
	s.Notify("RELOADING=1\n" + s.Mono())
	renew, err := s.Open()
	if err != nil {
		s.Log.Error("reload failed, the old configuration stays", "error", err)
		s.Notify("READY=1\nSTATUS=reload failed, the old configuration stays: " + strings.Join(strings.Fields(err.Error()), " "))
		return
	}
	s.renew, s.failures = renew, 0
	s.Log.Info("reloaded")
	if !s.expires.IsZero() {
		s.Notify("READY=1")
	}
}

func (s *state) alive() {
	if s.Watchdog > 0 {
		s.Notify("WATCHDOG=1")
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
