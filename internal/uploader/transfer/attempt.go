package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
)

// answerTime is what S3 gets, on top of Options.Stall, to answer once it has the whole body: it stores the part first.
const answerTime = 2 * time.Minute

// StallError says that nothing moved for too long, so that the request was given up.
type StallError struct {
	For time.Duration
}

func (e *StallError) Error() string {
	return fmt.Sprintf("the connection stalled: no byte for %v", e.For)
}

// watchdog ends a request that stands still.
type watchdog struct {
	timer *time.Timer
	stall time.Duration
}

// moved is called for each piece that goes through.
func (w *watchdog) moved() {
	if w != nil {
		w.timer.Reset(w.stall)
	}
}

// sent is called once the whole body is on its way.
func (w *watchdog) sent() {
	if w != nil {
		w.timer.Reset(w.stall + answerTime)
	}
}

// watched runs f with a context that ends when the watchdog is not told of progress in time.
func (e *Engine) watched(ctx context.Context, f func(context.Context, *watchdog) error) error {
	watchedCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := &StallError{For: e.opts.Stall}
	w := &watchdog{stall: e.opts.Stall, timer: time.AfterFunc(e.opts.Stall, func() { cancel(stalled) })}
	defer w.timer.Stop()
	err := f(watchedCtx, w)
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(watchedCtx), stalled) {
		return stalled // the request's own error is only that it was cancelled
	}
	return err
}

// try makes a request until it succeeds, fails for good, or has failed too often. Each attempt is signed anew, so
// credentials that end in the middle of a transfer cost the request in flight at most.
func (e *Engine) try(ctx context.Context, doing, key string, f func(context.Context, *watchdog) error) error {
	attempt := 0
	return e.opts.Retry.Do(ctx, func(ctx context.Context) error {
		attempt++
		err := e.watched(ctx, f)
		if err == nil {
			e.gate.succeeded()
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var stall *StallError
		if errors.As(err, &stall) {
			err = &S3Error{Doing: doing, Key: key, Err: stall}
		}
		v := judge(err)
		if v.throttled {
			e.gate.throttled()
		}
		if v.expired && e.opts.Renew != nil {
			e.opts.Renew()
			v.again = true
		}
		if !v.again {
			return err
		}
		e.opts.Log.Info("a request failed and is repeated", "doing", doing, "key", key, "attempt", attempt, "error", err, "requests at once", e.gate.open())
		return &retry.Again{Err: err, After: v.after}
	})
}
