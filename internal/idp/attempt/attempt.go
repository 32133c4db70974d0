// Package attempt sends an HTTP request once, in bounded time, and tells a failure before anything was sent from one
// after: whether a create may have taken effect hangs on it. Repeating and pacing requests do not belong here.
package attempt

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// Transport sends each request once.
type Transport struct {
	Base    http.RoundTripper // nil: http.DefaultTransport
	Timeout time.Duration     // for a request and the whole of its answer
}

// Error is a request without an answer.
type Error struct {
	Sent bool // the request was on its way, so that it may have had an effect
	Err  error
}

func (e *Error) Error() string {
	if e.Sent {
		return "sent, but no answer came: " + e.Err.Error()
	}
	return "not sent: " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Watch follows the attempts of one call, for callers whose client library hides *Error.
type Watch struct{ unanswered atomic.Bool }

type watchKey struct{}

// Follow returns a context whose requests the Watch follows.
func Follow(ctx context.Context) (context.Context, *Watch) {
	w := &Watch{}
	return context.WithValue(ctx, watchKey{}, w), w
}

// Unanswered reports whether a request was sent and got no answer, so that it may have had an effect.
func (w *Watch) Unanswered() bool { return w.unanswered.Load() }

// RoundTrip implements http.RoundTripper. It fails with *Error.
func (t Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	watch, ok := request.Context().Value(watchKey{}).(*Watch)
	if !ok {
		watch = &Watch{}
	}
	watch.unanswered.Store(false)
	ctx, cancel := context.WithTimeout(request.Context(), t.Timeout)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { watch.unanswered.Store(true) }})
	response, err := base.RoundTrip(request.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, &Error{Sent: watch.Unanswered(), Err: err}
	}
	watch.unanswered.Store(false)
	response.Body = &body{ReadCloser: response.Body, cancel: cancel}
	return response, nil
}

// body ends the time-out when it is closed.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
