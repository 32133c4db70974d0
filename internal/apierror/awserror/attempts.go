package awserror

import (
	"errors"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
)

// Attempts watches the attempts that the SDK makes of one call, so that a call whose last attempt was refused but whose
// first one got no answer is not taken for one without effect. The zero value is ready; use one per call.
type Attempts struct {
	ambiguous atomic.Bool
}

// Watch returns a retryer that decides as r does. It is set on one call: o.Retryer = attempts.Watch(o.Retryer).
func (a *Attempts) Watch(r aws.Retryer) aws.Retryer {
	if v2, ok := r.(aws.RetryerV2); ok {
		return &watchedV2{RetryerV2: v2, attempts: a}
	}
	return &watched{Retryer: r, attempts: a}
}

// From is the package's From, with what the earlier attempts may have left behind.
func (a *Attempts) From(service, operation, object string, err error) error {
	err = From(service, operation, object, err)
	e, ok := errors.AsType[*apierror.Error](err)
	if !ok || !a.ambiguous.Load() {
		return err
	}
	switch e.Kind {
	case apierror.Invalid, apierror.Denied, apierror.Throttled, apierror.Unavailable, apierror.Conflict:
		e.Kind = apierror.Ambiguous
	}
	return err
}

func (a *Attempts) saw(err error) {
	if err != nil && kind(err) == apierror.Ambiguous {
		a.ambiguous.Store(true)
	}
}

type watched struct {
	aws.Retryer
	attempts *Attempts
}

func (w *watched) IsErrorRetryable(err error) bool {
	w.attempts.saw(err)
	return w.Retryer.IsErrorRetryable(err)
}

type watchedV2 struct {
	aws.RetryerV2
	attempts *Attempts
}

func (w *watchedV2) IsErrorRetryable(err error) bool {
	w.attempts.saw(err)
	return w.RetryerV2.IsErrorRetryable(err)
}
