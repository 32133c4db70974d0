package vending_test

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestKeysAreFetchedBehind: a token whose key is known is answered while the key's issuer hangs; of all such requests one
// fetch comes, and it ends with the service.
func TestKeysAreFetchedBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.issuers["auth0"]
	w.onboard(t, i.key("client-1"), "web-01", "web/01/")
	now := &movingClock{at: time.Now()}
	s := w.serviceAt(t, w.settings(), now.now)
	forever := i.token(t, "client-1", map[string]any{"exp": time.Now().Add(72 * time.Hour).Unix()})
	if status, _, _ := ask(t, s, forever); status != 200 {
		t.Fatalf("status %d", status)
	}
	hangs := make(chan struct{}, 10)
	i.set(func(i *issuer) { i.hangs = hangs })
	now.advance(2 * time.Hour)
	began := time.Now()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if status, _, _ := ask(t, s, forever); status != 200 {
				t.Errorf("keys of two hours ago: status %d", status)
			}
		})
	}
	all.Wait()
	if waited := time.Since(began); waited > keysPatience/2 {
		t.Errorf("answered after %v", waited)
	}
	<-hangs
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writePair(t, dir, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Serve(ctx, listener, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")); err != nil {
		t.Error(err)
	}
	select {
	case <-hangs:
	case <-time.After(keysPatience / 2):
		t.Error("the fetch goes on after the service's end")
	}
	if len(hangs) > 0 {
		t.Error("more than one fetch")
	}
}

// TestHangingFetchIsGivenUp has a client without a time-out of its own.
func TestHangingFetchIsGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.issuers["auth0"]
	w.onboard(t, i.key("client-1"), "web-01", "web/01/")
	hangs := make(chan struct{}, 10)
	i.set(func(i *issuer) { i.hangs = hangs })
	s := w.servicePatient(t, w.settings(), time.Now, 0)
	if status, b, _ := ask(t, s, i.token(t, "client-1", nil)); status != 503 {
		t.Errorf("without keys: %d %s", status, b.Code)
	}
	<-hangs
	select {
	case <-hangs:
	case <-time.After(time.Minute):
		t.Error("the fetch goes on")
	}
}

// TestOldKeysAreReplaced: a key that its issuer has withdrawn is good until keys of more than an hour are fetched anew, and
// one of more than a day is not used even while they are.
func TestOldKeysAreReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.issuers["auth0"]
	w.onboard(t, i.key("client-1"), "web-01", "web/01/")
	for age, once := range map[time.Duration]int{2 * time.Hour: 200, 25 * time.Hour: 401} {
		now := &movingClock{at: time.Now()}
		s := w.serviceAt(t, w.settings(), now.now)
		forever := i.token(t, "client-1", map[string]any{"exp": time.Now().Add(72 * time.Hour).Unix()})
		if status, _, _ := ask(t, s, forever); status != 200 {
			t.Fatalf("status %d", status)
		}
		before, fetches := "", i.fetchCount()
		i.set(func(i *issuer) { before, i.kid = i.kid, i.kid+"-next" })
		now.advance(age)
		if status, _, _ := ask(t, s, forever); status != once {
			t.Errorf("keys of %v ago: status %d, want %d", age, status, once)
		}
		for end := time.Now().Add(time.Minute); ; {
			status, _, _ := ask(t, s, forever)
			if status == 401 {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("keys of %v ago are not replaced: status %d", age, status)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if n := i.fetchCount() - fetches; n != 1 {
			t.Errorf("keys of %v ago: %d fetches", age, n)
		}
		i.set(func(i *issuer) { i.kid = before })
	}
}
