package onboarding

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestCallsOnTheirWayFinish interrupts a caller in the middle of a call: the call goes on for the grace and no longer.
func TestCallsOnTheirWayFinish(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		takes    time.Duration
		finishes bool
	}{{grace / 2, true}, {2 * grace, false}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			finished := false
			begin := time.Now()
			err := newWorld().controller().call(ctx, func(ctx context.Context) error {
				cancel()
				finished = systemClock{}.Sleep(ctx, test.takes) == nil
				return ctx.Err()
			})
			if finished != test.finishes || (err == nil) != test.finishes {
				t.Errorf("a call of %v: finished %t, %v", test.takes, finished, err)
			}
			if took := time.Since(begin); took != min(test.takes, grace) {
				t.Errorf("a call of %v took %v", test.takes, took)
			}
		})
	}
}
