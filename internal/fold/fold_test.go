package fold

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

var errRead = errors.New("not readable")

func TestOneReadServesAll(t *testing.T) {
	t.Parallel()
	var reads Keyed[string, int]
	var count atomic.Int32
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			got, err := reads.Get(t.Context(), "a", func(context.Context) (int, error) { return int(count.Add(1)), nil })
			if got != 1 || err != nil {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
	all.Wait()
	reads.Forget("a")
	if got, err := reads.Get(t.Context(), "a", func(context.Context) (int, error) { return 2, nil }); got != 2 || err != nil {
		t.Errorf("once forgotten: got %d, %v", got, err)
	}
	if got, err := reads.Get(t.Context(), "b", func(context.Context) (int, error) { return 7, nil }); got != 7 || err != nil {
		t.Errorf("another key: got %d, %v", got, err)
	}
}

func TestFailureIsNotKept(t *testing.T) {
	t.Parallel()
	var r Read[int]
	if _, err := r.Get(t.Context(), func(context.Context) (int, error) { return 0, errRead }); !errors.Is(err, errRead) {
		t.Errorf("got %v", err)
	}
	if got, err := r.Get(t.Context(), func(context.Context) (int, error) { return 5, nil }); got != 5 || err != nil {
		t.Errorf("after a failure: got %d, %v", got, err)
	}
}

func TestWhoHasGivenUpReadsNothing(t *testing.T) {
	t.Parallel()
	var r Read[int]
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Get(gone, func(context.Context) (int, error) {
		t.Error("it was read")
		return 0, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestReadLivesWhileSomebodyWaits has the caller who came first give up, and then the last one.
func TestReadLivesWhileSomebodyWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r Read[int]
		answer, ended := make(chan int), make(chan error, 1)
		read := func(ctx context.Context) (int, error) {
			select {
			case n := <-answer:
				return n, nil
			case <-ctx.Done():
				ended <- ctx.Err()
				return 0, ctx.Err()
			}
		}
		first, leave := context.WithCancel(t.Context())
		second := make(chan int, 1)
		go func() {
			if _, err := r.Get(first, read); !errors.Is(err, context.Canceled) {
				t.Errorf("the first: %v", err)
			}
		}()
		synctest.Wait()
		go func() {
			got, err := r.Get(t.Context(), read)
			if err != nil {
				t.Errorf("the second: %v", err)
			}
			second <- got
		}()
		synctest.Wait()
		leave()
		synctest.Wait()
		answer <- 3
		if got := <-second; got != 3 {
			t.Errorf("the second got %d", got)
		}

		r.Forget()
		last, leave := context.WithCancel(t.Context())
		go func() { _, _ = r.Get(last, read) }()
		synctest.Wait()
		leave()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a read that nobody waits for goes on: %v", err)
		}
	})
}
