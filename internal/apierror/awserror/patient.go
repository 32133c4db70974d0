package awserror

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
)

// throttledAttempts with backoff wait for about five minutes in all.
const throttledAttempts = 28

// backoff is how long to wait after so many refusals that pass: half fixed and half random, from 1 to at most
// 16 seconds.
func backoff(refusals int) time.Duration {
	d := min(time.Second<<min(refusals-1, 4), 16*time.Second)
	return d/2 + rand.N(d/2) //nolint:gosec // spreads callers, guards nothing
}

// WhileThrottled makes a call again as long as it is refused for the rate of calls, or since others change the same object,
// for about five minutes at most: the effect of such a call cannot come twice. It returns the call's last error.
func WhileThrottled(ctx context.Context, sleep func(context.Context, time.Duration) error, call func() error) error {
	for attempt := 1; ; attempt++ {
		err := call()
		if !apierror.Is(err, apierror.Throttled) || attempt == throttledAttempts || sleep(ctx, backoff(attempt)) != nil {
			return err
		}
	}
}

// Patient returns a retryer that decides as r does, save for what was refused as WhileThrottled knows it: nothing has happened
// then, and the call is made again for about five minutes. It bounds attempts by itself: the client's own bound must be off.
func Patient(r aws.Retryer) aws.Retryer {
	v2, ok := r.(aws.RetryerV2)
	if !ok {
		v2 = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = r.MaxAttempts() })
	}
	return &patient{v2}
}

type patient struct{ aws.RetryerV2 }

// MaxAttempts says that there is no bound that is the same for all failures: RetryDelay, which knows the failure, ends them.
func (*patient) MaxAttempts() int { return 0 }

// IsErrorRetryable knows more codes than the SDK, to which ConcurrentModification is final.
func (p *patient) IsErrorRetryable(err error) bool {
	return kind(err) == apierror.Throttled || p.RetryerV2.IsErrorRetryable(err)
}

func (p *patient) RetryDelay(attempt int, err error) (time.Duration, error) {
	throttled := kind(err) == apierror.Throttled
	most := p.RetryerV2.MaxAttempts()
	if throttled {
		most = throttledAttempts
	}
	switch {
	case attempt >= most:
		return 0, &retry.MaxAttemptsError{Attempt: attempt, Err: err}
	case throttled:
		return backoff(attempt), nil
	}
	return p.RetryerV2.RetryDelay(attempt, err)
}
