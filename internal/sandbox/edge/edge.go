// Package edge stands in front of every service of the sandbox: it names the operation, injects the faults, latency and
// rate limits that were asked for, and writes the call journal. Services know nothing of it beyond SetCaller.
package edge

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/store"
)

// Service is one API of one cloud.
type Service interface {
	http.Handler
	// Name is the service's name in the journal and in fault rules: "iam", "sts", "s3", "auth0", "entra", "cognito", …
	Name() string
	// Operation names what the request asks for, in the API's own words ("CreateRole", "POST /api/v2/clients",
	// "UploadPart"). It must not consume the body: see PeekBody.
	Operation(r *http.Request) string
	// Refuse answers 429, 500 or 503 in the service's own form of an error.
	Refuse(w http.ResponseWriter, r *http.Request, status int)
}

// Edge is shared by all services of one sandbox.
type Edge struct {
	now    func() time.Time
	faults *Faults
	calls  *Journal
	limits *Limits
}

// New returns an edge without faults, latency or limits. now dates the journal.
func New(now func() time.Time) *Edge {
	return &Edge{now: now, faults: &Faults{}, calls: &Journal{}, limits: newLimits(now)}
}

// Faults are the switches of this edge.
func (e *Edge) Faults() *Faults { return e.faults }

// Calls is the journal of this edge.
func (e *Edge) Calls() *Journal { return e.calls }

// Limits are the latency and rate settings of this edge.
func (e *Edge) Limits() *Limits { return e.limits }

type callerKey struct{}

// SetCaller tells the journal who makes the request: an ARN, a client id. A service calls it once it knows.
func SetCaller(ctx context.Context, caller string) {
	if c, ok := ctx.Value(callerKey{}).(*callerBox); ok {
		c.mu.Lock()
		c.name = caller
		c.mu.Unlock()
	}
}

type callerBox struct {
	mu   sync.Mutex
	name string
}

// Wrap puts the edge in front of a service.
func (e *Edge) Wrap(s Service) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller := &callerBox{}
		ctx := context.WithValue(r.Context(), callerKey{}, caller)
		r = r.WithContext(ctx)
		operation := s.Operation(r)
		call := Call{Time: e.now(), Service: s.Name(), Operation: operation, UserAgent: r.UserAgent()}
		rec := &recorder{ResponseWriter: w}
		defer func() {
			caller.mu.Lock()
			call.Caller = caller.name
			caller.mu.Unlock()
			call.Status = rec.status
			e.calls.add(call)
		}()

		settings := e.limits.settings(s.Name())
		if !sleep(ctx, settings.Latency) {
			return
		}
		allowed := e.limits.take(s.Name(), rec.Header())
		if !allowed {
			s.Refuse(rec, r, http.StatusTooManyRequests)
			return
		}
		fault, ok := e.faults.match(s.Name(), operation)
		if ok {
			call.Fault = fault.Kind
			switch fault.Kind {
			case Slow:
				if !sleep(ctx, fault.Delay()) {
					return
				}
			case Stale:
				r = r.WithContext(store.AsOf(ctx, e.now().Add(-fault.Delay())))
			case DropBefore:
				drop(rec)
			case DropAfter:
				s.ServeHTTP(discard{http.Header{}}, r)
				drop(rec)
			case ErrorAfter:
				s.ServeHTTP(discard{http.Header{}}, r)
				s.Refuse(rec, r, fault.status())
				return
			default:
				if fault.RetryAfter != "" {
					rec.Header().Set("Retry-After", fault.RetryAfter)
				}
				s.Refuse(rec, r, fault.status())
				return
			}
		}
		s.ServeHTTP(rec, r)
	})
}

// drop ends the connection without an answer: the client sees it closed.
func drop(w *recorder) {
	w.status = 0
	panic(http.ErrAbortHandler)
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
