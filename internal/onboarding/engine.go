package onboarding

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
)

// step is one change to one object. Steps are data: a list of them is a whole operation, and a test can walk it.
type step struct {
	// name says what is done to what: "create role oidc-s3-dev-web-01".
	name string
	// needed reports whether there is anything to do, given what earlier steps found and made. nil: always.
	needed func() bool
	// do makes one attempt.
	do func(context.Context) error
	// partial, where set, reports whether a refusal may have come half-way through several calls.
	partial func() bool
	// settled, for a step that must not be done twice, looks whether an attempt without a clear answer took effect. nil:
	// the step may simply be repeated.
	settled func(context.Context) (bool, error)
	// undo puts back what was there before. It must also serve where do had no effect or an unknown one. nil: nothing to
	// put back.
	undo func(context.Context) error
	// remains says what exists if undo fails.
	remains string
	// within names the object that remains is part of; it is gone when that object is. makes names the object that the
	// undo of this step removes.
	within, makes object
	// quiet marks a step that changes nothing: it ends with the caller's context, and is not tried again.
	quiet bool
	// journal marks a step whose undo would forget what other undos could not put back; it is left out then.
	journal bool
}

// object is one that others are part of.
type object string

const (
	theRole   object = "role"
	theClient object = "client"
)

// Limits of patience. They are constants: the caller's own bound is its context.
const (
	attempts     = 4                // of one step, where failures are ambiguous
	looks        = 3                // at whether an ambiguous attempt took effect
	firstPause   = time.Second      // between two attempts or looks; doubles
	grace        = 15 * time.Second // that a call on its way gets after the caller has given up
	undoTime     = 3 * time.Minute  // for the whole undo
	undoAttempts = 5                // of one step's undo
)

// operation is a list of steps with what holds for all of them.
type operation struct {
	name  string // "onboard dev/web-01"
	steps []step
	// undoAll reports whether steps that were not needed count as done, because they belong to the same unfinished
	// onboarding. nil: they do not.
	undoAll func() bool
	// guard runs before every step. nil: nothing to guard.
	guard func(context.Context) error
	// keeps marks an operation that only takes access away: where it fails, what it did is not undone.
	keeps bool
}

// run does the steps in order. Where one fails it undoes those that were done, newest first, and returns a *Failure.
func (c *Controller) run(ctx context.Context, o operation) error {
	var done []step
	for i, s := range o.steps {
		if s.needed != nil && !s.needed() {
			if o.undoAll != nil && o.undoAll() {
				done = append(done, s)
			}
			continue
		}
		err := ctx.Err()
		if err == nil && o.guard != nil {
			err = o.guard(ctx)
		}
		if err == nil {
			c.trace(ctx, "step", map[string]any{"operation": o.name, "step": s.name})
			var touched bool
			touched, err = c.attempt(ctx, s)
			if touched || (s.partial != nil && s.partial()) {
				done = append(done, s)
			}
		}
		if err == nil {
			continue
		}
		failure := &Failure{Operation: o.name, Step: s.name, Err: err, Kept: o.keeps}
		for _, left := range o.steps[i:] {
			if left.needed == nil || left.needed() {
				failure.NotDone = append(failure.NotDone, left.name)
			}
		}
		if _, lost := errors.AsType[*Lost](err); lost {
			return failure // what was done is another's to go on with
		}
		c.undo(ctx, done, failure, o.guard)
		return failure
	}
	return nil
}

// unsettled reports whether a step that failed with err may have had an effect.
func unsettled(err error) bool { return apierror.Is(err, apierror.Ambiguous) }

// attempt does one step, again where that is safe. touched reports whether any attempt had, or may have had, an effect:
// a clear refusal of the last one says nothing of those before.
func (c *Controller) attempt(ctx context.Context, s step) (touched bool, err error) {
	if s.quiet {
		return false, s.do(ctx)
	}
	pause := firstPause
	for try := 1; ; try++ {
		err = c.call(ctx, s.do)
		if err == nil {
			return true, nil
		}
		if !unsettled(err) {
			return touched, err
		}
		touched = true
		if s.settled != nil {
			ok, lookErr := c.look(ctx, s)
			if ok {
				return true, nil
			}
			if lookErr != nil {
				return true, errors.Join(err, fmt.Errorf("whether it took effect is not known: %w", lookErr))
			}
		}
		if try == attempts || ctx.Err() != nil || c.clock.Sleep(ctx, pause) != nil {
			return true, err
		}
		pause *= 2
	}
}

// look asks several times whether an attempt took effect, since a late answer or a stale read may hide that it did.
func (c *Controller) look(ctx context.Context, s step) (bool, error) {
	pause := firstPause / 2
	var err error
	for range looks {
		ok := false
		err = c.call(ctx, func(ctx context.Context) (err error) {
			ok, err = s.settled(ctx)
			return err
		})
		if ok {
			return true, nil
		}
		if ctx.Err() != nil || c.clock.Sleep(ctx, pause) != nil {
			break
		}
		pause *= 2
	}
	return false, err
}

// call lets a call that is on its way finish: it ends with the caller's context, but no sooner than a grace later. What
// a server has begun to do is better known than guessed.
func (c *Controller) call(ctx context.Context, do func(context.Context) error) error {
	patient, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if c.clock.Sleep(patient, grace) == nil {
			cancel()
		}
	})
	defer stop()
	return do(patient)
}

// undo takes back what was done, newest first, on a context of its own. It stops where the guard says that another apply
// has taken over: what is left is that one's.
func (c *Controller) undo(ctx context.Context, done []step, failure *Failure, guard func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	for i := len(done) - 1; i >= 0; i-- {
		s := done[i]
		if s.undo == nil || (s.journal && len(failure.Remains) > 0) {
			continue
		}
		if s.makes == theRole && slices.ContainsFunc(failure.Remains, func(r Remnant) bool { return r.within != theRole }) {
			failure.Remains = append(failure.Remains, Remnant{What: s.remains, Err: errKept, within: s.within})
			continue
		}
		if guard != nil {
			if lost, ok := errors.AsType[*Lost](guard(ctx)); ok {
				failure.Err = errors.Join(failure.Err, lost)
				return
			}
		}
		c.trace(ctx, "undo", map[string]any{"operation": failure.Operation, "step": s.name})
		if err := c.persist(ctx, s.undo); err != nil {
			failure.Remains = append(failure.Remains, Remnant{What: s.remains, Err: err, within: s.within})
			continue
		}
		if s.makes != "" {
			failure.Remains = slices.DeleteFunc(failure.Remains, func(r Remnant) bool { return r.within == s.makes })
		}
	}
}

// errKept is why a role is not removed while something outside it could not be: its tags are what finds that again.
var errKept = errors.New("closed, and kept as the record of what else is left")

// persist repeats an undo, whose calls are all idempotent, while its failures may pass.
func (c *Controller) persist(ctx context.Context, undo func(context.Context) error) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := undo(ctx)
		if err == nil || try == undoAttempts {
			return err
		}
		switch apierror.KindOf(err) {
		case apierror.Denied, apierror.Invalid, apierror.Conflict:
			return err
		}
		if c.clock.Sleep(ctx, pause) != nil {
			return err
		}
		pause *= 2
	}
}

// Remnant is something that an undo could not put back.
type Remnant struct {
	What string // "client oidc-s3-dev-web-01"
	Err  error

	within object
}

// Failure is an operation that ended early. Everything is as it was before but for Remains; where Kept is set, what was done
// stays done, and NotDone says what is still to do.
type Failure struct {
	Operation string // "onboard dev/web-01"
	Step      string // the step that failed
	Err       error
	Kept      bool // a removal, or a server shut out
	Remains   []Remnant
	NotDone   []string // the steps from the failed one on
}

func (f *Failure) Error() string {
	text := fmt.Sprintf("%s: %s: %v", f.Operation, f.Step, f.Err)
	for _, r := range f.Remains {
		text += fmt.Sprintf("; %s remains: %v", r.What, r.Err)
	}
	return text
}

func (f *Failure) Unwrap() error { return f.Err }
