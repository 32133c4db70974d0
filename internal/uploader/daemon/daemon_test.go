package daemon

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// rig is a daemon whose clock moves only by its own waiting.
type rig struct {
	Daemon
	now    time.Time
	opened int
	asked  []time.Duration // since the start
	said   []string
	ctx    context.Context
}

// newRig makes a daemon whose renewals answer in turn, the last answer again and again, and that ends after so many.
func newRig(t *testing.T, life time.Duration, renewals int, answers ...error) *rig {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r := &rig{now: start, ctx: ctx}
	r.Daemon = Daemon{
		Open: func() (Renew, error) {
			r.opened++
			return func(context.Context) (time.Time, error) {
				r.asked = append(r.asked, r.now.Sub(start))
				if len(r.asked) == renewals {
					cancel()
				}
				err := answers[min(len(r.asked), len(answers))-1]
				if err != nil {
					return time.Time{}, err
				}
				return r.now.Add(life), nil
			}, nil
		},
		Fatal:  func(err error) bool { return errors.Is(err, errRefused) },
		Notify: func(state string) { r.said = append(r.said, state) },
		Now:    func() time.Time { return r.now },
		Mono:   func() string { return "MONOTONIC_USEC=7" },
		After: func(d time.Duration) <-chan time.Time {
			r.now = r.now.Add(d)
			c := make(chan time.Time, 1)
			c <- r.now
			return c
		},
		Jitter: func(time.Duration) time.Duration { return 0 },
		Log:    slog.New(slog.DiscardHandler),
	}
	return r
}

var errRefused, errDown = errors.New("refused"), errors.New("down")

func TestRenewals(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		life    time.Duration
		answers []error
		want    []time.Duration
		err     error
	}{
		"a quarter of an hour ahead": {time.Hour, []error{nil}, []time.Duration{0, 45 * time.Minute, 90 * time.Minute}, nil},
		"a quarter of a short life":  {4 * time.Minute, []error{nil}, []time.Duration{0, 3 * time.Minute, 6 * time.Minute}, nil},
		"no tight loop":              {0, []error{nil}, []time.Duration{0, time.Second, 2 * time.Second}, nil},
		"down at the start":          {time.Hour, []error{errDown, errDown, nil}, []time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond}, nil},
		"refused at the start":       {time.Hour, []error{errRefused}, []time.Duration{0}, errRefused},
		"refused after down":         {time.Hour, []error{errDown, errRefused}, []time.Duration{0, 500 * time.Millisecond}, errRefused},
		"refused later":              {time.Hour, []error{nil, errRefused}, []time.Duration{0, 45 * time.Minute, 45*time.Minute + 500*time.Millisecond}, nil},
	} {
		r := newRig(t, tc.life, 3, tc.answers...)
		if err := r.Run(r.ctx); !errors.Is(err, tc.err) || !slices.Equal(r.asked, tc.want) {
			t.Errorf("%s: %v, asked at %v", name, err, r.asked)
		}
	}
}

// TestPauses: failures are repeated ever more slowly, and no more slowly than once a minute.
func TestPauses(t *testing.T) {
	t.Parallel()
	r := newRig(t, time.Hour, 12, nil, errDown)
	if err := r.Run(r.ctx); err != nil {
		t.Fatal(err)
	}
	for i := 2; i < len(r.asked); i++ {
		if got, want := r.asked[i]-r.asked[i-1], min(time.Minute, time.Second<<(i-2))/2; got != want {
			t.Errorf("pause %d is %v, want %v", i, got, want)
		}
	}
	if all := strings.Join(r.said, "|"); !strings.Contains(all, "1 renewals failed, the old ones are good until 2026-01-01T01:00:00Z: down") {
		t.Errorf("systemd was told %q", all)
	}
}

// TestTimeOfDay: what is due is due by the time of day, however the next renewal came about.
func TestTimeOfDay(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		life time.Duration
		err  error
	}{"renewed": {time.Hour, nil}, "renewed, over at once": {0, nil}, "failed": {0, errDown}} {
		r := newRig(t, 0, 0, nil)
		r.Now = time.Now
		s := state{Daemon: &r.Daemon, renew: func(context.Context) (time.Time, error) { return time.Now().Add(tc.life), tc.err }}
		if err := s.once(r.ctx); !errors.Is(err, tc.err) {
			t.Errorf("%s: %v", name, err)
		}
		if s.next.IsZero() || strings.Contains(s.next.String()+s.expires.String(), "m=") {
			t.Errorf("%s: next at %v, over at %v", name, s.next, s.expires)
		}
	}
}

func TestJitterIsAhead(t *testing.T) {
	t.Parallel()
	r := newRig(t, time.Hour, 2, nil)
	r.Jitter = func(d time.Duration) time.Duration { return d }
	if err := r.Run(r.ctx); err != nil || r.asked[1] != 40*time.Minute {
		t.Errorf("%v, asked at %v", err, r.asked)
	}
}

// TestSystemd: ready after the first success only, signs of life within the interval, stopping at the end.
func TestSystemd(t *testing.T) {
	t.Parallel()
	r := newRig(t, time.Hour, 3, errDown, nil)
	r.Watchdog = 30 * time.Second
	var beats []time.Time
	tell := r.Notify
	r.Notify = func(state string) {
		if state == "WATCHDOG=1" {
			beats = append(beats, r.now)
			return
		}
		tell(state)
	}
	if err := r.Run(r.ctx); err != nil {
		t.Fatal(err)
	}
	if len(r.said) < 3 || !strings.HasPrefix(r.said[0], "STATUS=1 renewals failed, nothing is there yet: down") ||
		!strings.HasPrefix(r.said[1], "READY=1\nSTATUS=good until 2026-01-01T01:00:00Z") || r.said[len(r.said)-1] != "STOPPING=1" {
		t.Errorf("systemd was told %q", r.said)
	}
	for i := 1; i < len(beats); i++ {
		if gap := beats[i].Sub(beats[i-1]); gap > r.Watchdog/2 {
			t.Fatalf("no sign of life for %v", gap)
		}
	}
	if len(beats) < 100 {
		t.Errorf("%d signs of life in 45 minutes", len(beats))
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	r := newRig(t, time.Hour, 2, nil)
	reload := make(chan struct{}, 1)
	r.Reload = reload
	after := r.After
	r.After = func(d time.Duration) <-chan time.Time {
		if len(r.asked) == 1 && r.opened == 1 {
			reload <- struct{}{}
			return nil
		}
		return after(d)
	}
	if err := r.Run(r.ctx); err != nil || r.opened != 2 || !slices.Equal(r.asked, []time.Duration{0, 0}) {
		t.Errorf("%v, opened %d times, asked at %v", err, r.opened, r.asked)
	}
	if !slices.Contains(r.said, "RELOADING=1\nMONOTONIC_USEC=7") {
		t.Errorf("systemd was told %q", r.said)
	}
}

// TestBadReload: a configuration that cannot be read leaves the old one in force.
func TestBadReload(t *testing.T) {
	t.Parallel()
	r := newRig(t, time.Hour, 2, nil)
	open, after := r.Open, r.After
	r.Open = func() (Renew, error) {
		if r.opened > 0 {
			r.opened++
			return nil, errDown
		}
		return open()
	}
	reload := make(chan struct{}, 1)
	r.Reload = reload
	r.After = func(d time.Duration) <-chan time.Time {
		if r.opened == 1 {
			reload <- struct{}{}
			return nil
		}
		return after(d)
	}
	if err := r.Run(r.ctx); err != nil || r.opened != 2 || len(r.asked) != 2 {
		t.Errorf("%v, opened %d times, asked at %v", err, r.opened, r.asked)
	}
}
