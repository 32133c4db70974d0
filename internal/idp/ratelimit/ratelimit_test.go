package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/ratelimit"
)

// service answers requests in the bubble's time. It records when each arrived.
type service struct {
	mu      sync.Mutex
	answer  func(n int, r *http.Request, h http.Header) int // n counts from 1
	latency time.Duration
	seen    []arrival
}

type arrival struct {
	at   time.Time
	path string
	body string
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(b)
	}
	s.mu.Lock()
	s.seen = append(s.seen, arrival{time.Now(), r.URL.Path, body})
	header := http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}
	status := s.answer(len(s.seen), r, header)
	s.mu.Unlock()
	time.Sleep(s.latency)
	if status == 0 {
		return nil, errors.New("connection reset")
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("answer")), Request: r}, nil
}

func (s *service) arrivals() []arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func always(status int) func(int, *http.Request, http.Header) int {
	return func(int, *http.Request, http.Header) int { return status }
}

func get(ctx context.Context, t *testing.T, rt http.RoundTripper, path string) (int, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://idp.test"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := rt.RoundTrip(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

func TestRefusalIsWaitedOutForEveryMethod(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &service{answer: func(n int, _ *http.Request, h http.Header) int {
					if n < 3 {
						h.Set("Retry-After", "7")
						return http.StatusTooManyRequests
					}
					return http.StatusCreated
				}}
				var events []ratelimit.Event
				rt := ratelimit.New(ratelimit.Config{Base: s, Rand: func() float64 { return 0 }, Observe: func(e ratelimit.Event) { events = append(events, e) }})
				request, err := http.NewRequestWithContext(t.Context(), method, "https://idp.test/clients", strings.NewReader(`{"name":"a"}`))
				if err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				response, err := rt.RoundTrip(request)
				if err != nil || response.StatusCode != http.StatusCreated {
					t.Fatalf("got %v, %v", response, err)
				}
				if spent := time.Since(begun); spent != 14*time.Second {
					t.Errorf("waited %s, want 14s", spent)
				}
				for i, a := range s.arrivals() {
					if a.body != `{"name":"a"}` {
						t.Errorf("attempt %d had the body %q", i+1, a.body)
					}
				}
				want := []ratelimit.Event{
					{Reason: ratelimit.Refused, Method: method, Path: "/clients", Attempt: 1, Wait: 7 * time.Second},
					{Reason: ratelimit.Paced, Method: method, Path: "/clients", Attempt: 2, Wait: 7 * time.Second},
					{Reason: ratelimit.Refused, Method: method, Path: "/clients", Attempt: 2, Wait: 7 * time.Second},
					{Reason: ratelimit.Paced, Method: method, Path: "/clients", Attempt: 3, Wait: 7 * time.Second},
				}
				if !slices.Equal(events, want) {
					t.Errorf("events %+v, want %+v", events, want)
				}
			})
		})
	}
}

func TestNothingElseIsSentTwice(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 200, 400, 408, 500, 502, 503, 504} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &service{answer: always(status)}
				got, err := get(t.Context(), t, ratelimit.New(ratelimit.Config{Base: s}), "/")
				if got != status || (err != nil) != (status == 0) {
					t.Errorf("got %d, %v", got, err)
				}
				if n := len(s.arrivals()); n != 1 {
					t.Errorf("%d requests, want 1", n)
				}
			})
		})
	}
}

func TestHowLongARefusalIsWaited(t *testing.T) {
	t.Parallel()
	unix := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 10) }
	tests := map[string]struct {
		headers func(h http.Header)
		want    time.Duration
	}{
		"seconds":      {func(h http.Header) { h.Set("Retry-After", "12") }, 12 * time.Second},
		"zero seconds": {func(h http.Header) { h.Set("Retry-After", "0") }, 0},
		"date": {func(h http.Header) {
			h.Set("Retry-After", time.Now().Add(20*time.Second).UTC().Format(http.TimeFormat))
		}, 20 * time.Second},
		"date gone by":     {func(h http.Header) { h.Set("Retry-After", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)) }, 0},
		"reset":            {func(h http.Header) { setLimits(h, 10, 0, unix(9*time.Second)) }, 9 * time.Second},
		"retry-after wins": {func(h http.Header) { h.Set("Retry-After", "15"); setLimits(h, 10, 0, unix(9*time.Second)) }, 15 * time.Second},
		"nothing said":     {func(http.Header) {}, time.Second},
		"nonsense":         {func(h http.Header) { h.Set("Retry-After", "soon"); setLimits(h, 10, 0, "later") }, time.Second},
		"negative":         {func(h http.Header) { h.Set("Retry-After", "-5") }, time.Second},
		"clocks hours apart": {func(h http.Header) {
			h.Set("Date", time.Now().Add(5*time.Hour).UTC().Format(http.TimeFormat))
			setLimits(h, 10, 0, unix(5*time.Hour+4*time.Second))
		}, 4 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &service{answer: func(n int, _ *http.Request, h http.Header) int {
					if n == 1 {
						test.headers(h)
						return http.StatusTooManyRequests
					}
					return http.StatusOK
				}}
				begun := time.Now()
				status, err := get(t.Context(), t, ratelimit.New(ratelimit.Config{Base: s, Rand: func() float64 { return 0 }}), "/")
				if status != http.StatusOK || err != nil {
					t.Fatalf("got %d, %v", status, err)
				}
				if spent := time.Since(begun); spent != test.want {
					t.Errorf("waited %s, want %s", spent, test.want)
				}
			})
		})
	}
}

func setLimits(h http.Header, limit, left int, reset string) {
	h.Set("X-Ratelimit-Limit", strconv.Itoa(limit))
	h.Set("X-Ratelimit-Remaining", strconv.Itoa(left))
	h.Set("X-Ratelimit-Reset", reset)
}

func TestRefusalsWithoutAdviceAreWaitedLongerAndLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: always(http.StatusTooManyRequests)}
		status, err := get(t.Context(), t, ratelimit.New(ratelimit.Config{Base: s, MaxWait: time.Minute, Rand: func() float64 { return 0 }}), "/")
		if status != http.StatusTooManyRequests || err != nil {
			t.Fatalf("got %d, %v, want the last refusal", status, err)
		}
		var gaps []time.Duration
		seen := s.arrivals()
		for i := 1; i < len(seen); i++ {
			gaps = append(gaps, seen[i].at.Sub(seen[i-1].at))
		}
		want := []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}
		if !slices.Equal(gaps, want) {
			t.Errorf("gaps %v, want %v", gaps, want)
		}
	})
}

func TestOneRefusalHoldsEverybodyBackAndNobodyRushes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		s := &service{latency: 100 * time.Millisecond}
		s.answer = func(n int, _ *http.Request, h http.Header) int {
			if n == 1 {
				h.Set("Retry-After", "10")
				return http.StatusTooManyRequests
			}
			return http.StatusOK
		}
		rt := ratelimit.New(ratelimit.Config{Base: s})
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 200 * time.Millisecond) // the others come while the first one waits
				if status, err := get(t.Context(), t, rt, fmt.Sprintf("/%d", i)); status != http.StatusOK || err != nil {
					t.Errorf("request %d: %d, %v", i, status, err)
				}
			})
		}
		all.Wait()
		seen := s.arrivals()
		if len(seen) != 21 {
			t.Fatalf("%d requests, want 21", len(seen))
		}
		var at []time.Duration
		for _, a := range seen[1:] {
			at = append(at, a.at.Sub(seen[1].at))
		}
		if first := seen[1].at.Sub(begun); first < 10*time.Second || first > 13*time.Second {
			t.Errorf("the first request after the refusal came after %s", first)
		}
		if seen[1].path != "/0" {
			t.Errorf("%s went before the request that was refused", seen[1].path)
		}
		// One asks; each answer lets more go.
		if at[1] < 100*time.Millisecond || at[3] < 200*time.Millisecond || at[19] > time.Second {
			t.Errorf("after the pause requests came at %v", at)
		}
	})
}

func TestWhatIsLeftIsSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// A window of 10 requests each 5 seconds, counted by the service itself.
		begun := time.Now().Truncate(time.Second).Add(time.Second)
		time.Sleep(time.Until(begun))
		counts := map[int64]int{}
		refused := 0
		s := &service{latency: 10 * time.Millisecond}
		s.answer = func(_ int, _ *http.Request, h http.Header) int {
			window := int64(time.Since(begun) / (5 * time.Second))
			counts[window]++
			reset := begun.Add(time.Duration(window+1) * 5 * time.Second)
			setLimits(h, 10, max(0, 10-counts[window]), strconv.FormatInt(reset.Unix(), 10))
			if counts[window] > 10 {
				refused++
				return http.StatusTooManyRequests
			}
			return http.StatusOK
		}
		rt := ratelimit.New(ratelimit.Config{Base: s})
		if status, err := get(t.Context(), t, rt, "/first"); status != http.StatusOK || err != nil {
			t.Fatalf("got %d, %v", status, err)
		}
		var all sync.WaitGroup
		for range 60 {
			all.Go(func() {
				if status, err := get(t.Context(), t, rt, "/"); status != http.StatusOK || err != nil {
					t.Errorf("got %d, %v", status, err)
				}
			})
		}
		all.Wait()
		if refused != 0 {
			t.Errorf("%d requests were refused although the service said what was left", refused)
		}
		if spent := time.Since(begun); spent > 40*time.Second {
			t.Errorf("61 requests at 10 in 5 s took %s", spent)
		}
	})
}

func TestOurOwnRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: always(http.StatusOK)}
		rt := ratelimit.New(ratelimit.Config{Base: s, RequestsPerSecond: 4})
		var all sync.WaitGroup
		for range 9 {
			all.Go(func() {
				if _, err := get(t.Context(), t, rt, "/"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		seen := s.arrivals()
		for i := 1; i < len(seen); i++ {
			if gap := seen[i].at.Sub(seen[i-1].at); gap != 250*time.Millisecond {
				t.Errorf("gap %d is %s, want 250ms", i, gap)
			}
		}
	})
}

func TestFirstComeFirstServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: always(http.StatusOK)}
		rt := ratelimit.New(ratelimit.Config{Base: s, RequestsPerSecond: 1})
		var all sync.WaitGroup
		var want []string
		for i := range 10 {
			path := fmt.Sprintf("/%d", i)
			want = append(want, path)
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if _, err := get(t.Context(), t, rt, path); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		var got []string
		for _, a := range s.arrivals() {
			got = append(got, a.path)
		}
		if !slices.Equal(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
	})
}

func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	t.Run("a refusal for longer than allowed is returned at once", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := &service{answer: func(_ int, _ *http.Request, h http.Header) int {
				h.Set("Retry-After", "3600")
				return http.StatusTooManyRequests
			}}
			rt := ratelimit.New(ratelimit.Config{Base: s})
			begun := time.Now()
			if status, err := get(t.Context(), t, rt, "/"); status != http.StatusTooManyRequests || err != nil {
				t.Errorf("got %d, %v", status, err)
			}
			_, err := get(t.Context(), t, rt, "/")
			if e, ok := errors.AsType[*ratelimit.Error](err); !ok || e.Err != nil {
				t.Errorf("got %v, want an *Error without a cause", err)
			}
			if n := len(s.arrivals()); n != 1 {
				t.Errorf("%d requests were sent, want 1", n)
			}
			if time.Since(begun) != 0 {
				t.Errorf("waited %s for nothing", time.Since(begun))
			}
		})
	})
	t.Run("the context ends", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := &service{answer: func(_ int, _ *http.Request, h http.Header) int {
				h.Set("Retry-After", "60")
				return http.StatusTooManyRequests
			}}
			rt := ratelimit.New(ratelimit.Config{Base: s})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			begun := time.Now()
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					_, err := get(ctx, t, rt, "/")
					if e, ok := errors.AsType[*ratelimit.Error](err); !ok || !errors.Is(e, context.DeadlineExceeded) {
						t.Errorf("got %v, want an *Error for the deadline", err)
					}
				})
			}
			all.Wait()
			if spent := time.Since(begun); spent != 5*time.Second {
				t.Errorf("waited %s, want 5s", spent)
			}
		})
	})
	t.Run("the queue is too long", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := &service{answer: always(http.StatusOK)}
			rt := ratelimit.New(ratelimit.Config{Base: s, RequestsPerSecond: 0.1, MaxWait: 25 * time.Second})
			var all sync.WaitGroup
			var mu sync.Mutex
			served, refused := 0, 0
			for range 6 {
				all.Go(func() {
					_, err := get(t.Context(), t, rt, "/")
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						served++
					} else if _, ok := errors.AsType[*ratelimit.Error](err); ok {
						refused++
					}
				})
			}
			all.Wait()
			if served != 3 || refused != 3 {
				t.Errorf("%d served and %d refused, want 3 and 3", served, refused)
			}
		})
	})
	t.Run("a body that cannot be sent again", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := &service{answer: always(http.StatusTooManyRequests)}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://idp.test/", io.NopCloser(strings.NewReader("x")))
			if err != nil {
				t.Fatal(err)
			}
			response, err := ratelimit.New(ratelimit.Config{Base: s}).RoundTrip(request)
			if err != nil || response.StatusCode != http.StatusTooManyRequests || len(s.arrivals()) != 1 {
				t.Errorf("got %v, %v after %d requests", response, err, len(s.arrivals()))
			}
		})
	})
}

func FuzzHeaders(f *testing.F) {
	f.Add("10", "3", "1700000000", "5", "Mon, 02 Jan 2006 15:04:05 GMT")
	f.Add("-1", "99999999999999999999", "-9223372036854775808", "Mon, 02 Jan 2006 15:04:05 GMT", "")
	f.Add("1", "0", "9223372036854775807", "2147483647", "x")
	f.Fuzz(func(t *testing.T, limit, left, reset, after, date string) {
		synctest.Test(t, func(t *testing.T) {
			s := &service{answer: func(n int, _ *http.Request, h http.Header) int {
				h.Set("X-Ratelimit-Limit", limit)
				h.Set("X-Ratelimit-Remaining", left)
				h.Set("X-Ratelimit-Reset", reset)
				h.Set("Retry-After", after)
				h.Set("Date", date)
				if n == 1 {
					return http.StatusTooManyRequests
				}
				return http.StatusOK
			}}
			rt := ratelimit.New(ratelimit.Config{Base: s, MaxWait: time.Minute})
			begun := time.Now()
			for range 3 {
				status, err := get(t.Context(), t, rt, "/")
				if _, ok := errors.AsType[*ratelimit.Error](err); err != nil && !ok {
					t.Errorf("got %d, %v", status, err)
				}
			}
			if spent := time.Since(begun); spent > 3*time.Minute {
				t.Errorf("three requests that may wait a minute each took %s", spent)
			}
		})
	})
}

// TestBucketIsUsedUp sends a thousand requests through a service's token bucket, which says after each what is in it. They
// take as long as the bucket makes them, a third more at most, and hardly any is refused.
func TestBucketIsUsedUp(t *testing.T) {
	t.Parallel()
	for _, bucket := range []struct{ rate, burst float64 }{{2, 10}, {16, 10}, {50, 10}, {16, 100}} {
		for _, latency := range []time.Duration{5 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond} {
			t.Run(fmt.Sprintf("%g a second, %g at once, %v", bucket.rate, bucket.burst, latency), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					const requests, workers = 1000, 10
					tokens, at, refused := bucket.burst, time.Now(), 0
					s := &service{latency: latency, answer: func(_ int, _ *http.Request, h http.Header) int {
						now := time.Now()
						tokens = min(bucket.burst, tokens+now.Sub(at).Seconds()*bucket.rate)
						at = now
						ok := tokens >= 1
						if ok {
							tokens--
						}
						wait := time.Duration(max(0, 1-tokens) / bucket.rate * float64(time.Second))
						h.Set("X-Ratelimit-Limit", strconv.Itoa(int(bucket.burst)))
						h.Set("X-Ratelimit-Remaining", strconv.Itoa(int(tokens)))
						h.Set("X-Ratelimit-Reset", strconv.FormatInt(now.Add(wait+time.Second-1).Unix(), 10))
						if ok {
							return http.StatusOK
						}
						refused++
						return http.StatusTooManyRequests
					}}
					rt := ratelimit.New(ratelimit.Config{Base: s, MaxWait: time.Hour})
					begin := time.Now()
					var all sync.WaitGroup
					for range workers {
						all.Go(func() {
							for range requests / workers {
								if status, err := get(t.Context(), t, rt, "/"); status != http.StatusOK || err != nil {
									t.Errorf("got %d, %v", status, err)
								}
							}
						})
					}
					all.Wait()
					took := time.Since(begin)
					least := max(time.Duration((requests-bucket.burst)/bucket.rate*float64(time.Second)), requests/workers*latency)
					t.Logf("%v, at least %v; %d refused", took, least, refused)
					if took > least*4/3+2*time.Second || refused > requests/50 {
						t.Errorf("took %v, at least %v are needed; %d were refused", took, least, refused)
					}
				})
			})
		}
	}
}
