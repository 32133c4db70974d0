// Package ratelimit paces the requests to one identity provider by what its service says: x-ratelimit-limit,
// -remaining and -reset, Retry-After, and an optional rate of our own. A refusal for the rate (429) is waited out and
// the request sent again, whatever its method: a refused request had no effect. Nothing else is ever sent twice.
//
// What a status means beyond 429, credentials and the shape of requests do not belong here.
package ratelimit

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

// DefaultMaxWait is how long one request may wait in total where Config does not say.
const DefaultMaxWait = 5 * time.Minute

// Config is what a Transport is made of. The zero Config is usable.
type Config struct {
	// Base sends the requests. nil: http.DefaultTransport.
	Base http.RoundTripper
	// RequestsPerSecond bounds the rate from our side. 0: only what the service says counts.
	RequestsPerSecond float64
	// MaxWait bounds the time that one request waits in total, its turn and every refusal included. 0: DefaultMaxWait.
	MaxWait time.Duration
	// Observe, where set, hears of every wait and refusal. It must not block.
	Observe func(Event)

	Now   func() time.Time                     // nil: time.Now
	After func(time.Duration) <-chan time.Time // nil: time.After
	Rand  func() float64                       // jitter, in [0, 1); nil: math/rand/v2
}

// Reason says why a request waited.
type Reason string

// The reasons.
const (
	Paced   Reason = "paced"   // before it was sent: its turn, our own rate, or what the service has left
	Refused Reason = "refused" // the service answered 429; the request is sent again after Wait
	GaveUp  Reason = "gave up" // waiting would take longer than allowed
)

// Event is one wait of one request. It holds nothing of the request but its method and path.
type Event struct {
	Reason  Reason
	Method  string
	Path    string
	Attempt int           // 1 for the first time that the request is sent
	Wait    time.Duration // spent (Paced) or to come (Refused, GaveUp)
}

// Error is a request that was not sent, or refused whenever it was: it had no effect.
type Error struct {
	Max time.Duration // that it was allowed to wait
	Err error         // the end of its context; nil where waiting would have taken longer than Max
}

func (e *Error) Error() string {
	if e.Err != nil {
		return "while waiting for the service's rate limit: " + e.Err.Error()
	}
	return fmt.Sprintf("the service's rate limit leaves no room within %s", e.Max)
}

func (e *Error) Unwrap() error { return e.Err }

// Transport is an http.RoundTripper for all requests to one service. It is safe for concurrent use, and works only if
// all goroutines share it.
type Transport struct {
	base    http.RoundTripper
	maxWait time.Duration
	observe func(Event)
	now     func() time.Time
	after   func(time.Duration) <-chan time.Time
	rand    func() float64
	pacer   *pacer
	queue   queue
}

var _ http.RoundTripper = (*Transport)(nil)

// New returns a Transport.
func New(c Config) *Transport {
	t := &Transport{base: c.Base, maxWait: c.MaxWait, observe: c.Observe, now: c.Now, after: c.After, rand: c.Rand}
	if t.base == nil {
		t.base = http.DefaultTransport
	}
	if t.maxWait <= 0 {
		t.maxWait = DefaultMaxWait
	}
	if t.observe == nil {
		t.observe = func(Event) {}
	}
	if t.now == nil {
		t.now = time.Now
	}
	if t.after == nil {
		t.after = time.After
	}
	if t.rand == nil {
		t.rand = rand.Float64
	}
	t.pacer = newPacer(c.RequestsPerSecond)
	return t
}

// RoundTrip sends the request when its turn has come. It returns the service's last 429 where waiting for another
// answer would take longer than allowed or the body cannot be sent again, and an *Error where the request was never
// sent.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	begun := t.now()
	place := t.queue.place()
	for attempt := 1; ; attempt++ {
		number, err := t.turn(request, place, attempt, begun)
		if err != nil {
			closeBody(request)
			return nil, err
		}
		response, err := t.send(request, number, attempt)
		if err != nil || response.StatusCode != http.StatusTooManyRequests {
			return response, err
		}
		if !t.again(request, response, attempt, begun) {
			return response, nil
		}
	}
}

// turn waits until the request may be sent, and returns its number.
func (t *Transport) turn(request *http.Request, place uint64, attempt int, begun time.Time) (number uint64, err error) {
	ctx, asked := request.Context(), t.now()
	deadline := begun.Add(t.maxWait)
	event := Event{Reason: Paced, Method: request.Method, Path: request.URL.Path, Attempt: attempt}
	giveUp := func(wait time.Duration) error {
		event.Reason, event.Wait = GaveUp, wait
		t.observe(event)
		return &Error{Max: t.maxWait}
	}
	w := t.queue.join(place)
	defer t.queue.leave(w)
	if !w.first() {
		select {
		case <-w.turn:
		case <-ctx.Done():
			return 0, &Error{Max: t.maxWait, Err: ctx.Err()}
		case <-t.after(deadline.Sub(asked)):
			return 0, giveUp(deadline.Sub(asked))
		}
	}
	for {
		if err := ctx.Err(); err != nil {
			return 0, &Error{Max: t.maxWait, Err: err}
		}
		now := t.now()
		number, wait, changed := t.pacer.start(now)
		if wait == 0 {
			if event.Wait = now.Sub(asked); event.Wait > 0 {
				t.observe(event)
			}
			return number, nil
		}
		patience := deadline.Sub(now)
		if wait > patience || patience <= 0 {
			return 0, giveUp(wait)
		}
		if wait == untilAnswer {
			wait = patience
		}
		select {
		case <-ctx.Done():
		case <-t.after(wait):
		case <-changed:
		}
	}
}

// send sends a copy of the request once and learns from the answer.
func (t *Transport) send(request *http.Request, number uint64, attempt int) (*http.Response, error) {
	out := request.Clone(request.Context())
	if attempt > 1 && hasBody(request) {
		body, err := request.GetBody()
		if err != nil {
			t.pacer.failed()
			return nil, fmt.Errorf("send the body again: %w", err)
		}
		out.Body = body
	}
	response, err := t.base.RoundTrip(out)
	if err != nil {
		t.pacer.failed()
		return nil, err
	}
	t.pacer.answered(number, t.now(), response, t.rand())
	return response, nil
}

// again reports whether a refused request can be sent once more, and then discards the answer.
func (t *Transport) again(request *http.Request, response *http.Response, attempt int, begun time.Time) bool {
	now := t.now()
	wait := t.pacer.pausedFor(now)
	event := Event{Reason: Refused, Method: request.Method, Path: request.URL.Path, Attempt: attempt, Wait: wait}
	replayable := !hasBody(request) || request.GetBody != nil
	if !replayable || request.Context().Err() != nil || now.Add(wait).Sub(begun) > t.maxWait {
		event.Reason = GaveUp
		t.observe(event)
		return false
	}
	t.observe(event)
	const enough = 64 << 10 // of an error's body, so that the connection is used again
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, enough))
	_ = response.Body.Close()
	return true
}

func hasBody(request *http.Request) bool { return request.Body != nil && request.Body != http.NoBody }

// closeBody does what a RoundTripper owes a request that it does not send.
func closeBody(request *http.Request) {
	if request.Body != nil {
		_ = request.Body.Close()
	}
}
