package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"
)

func TestRetriesAreBounded(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		want int32 // attempts
	}{
		{refusal("SlowDown"), 5}, {refusal("InternalError"), 5}, {refusal("BadDigest"), 5}, {io.ErrUnexpectedEOF, 5},
		{refusal("AccessDenied"), 1}, {errors.New("unknown"), 1}, {refusal("ExpiredToken"), 5},
	} {
		var attempts, renewed atomic.Int32
		s := newFake()
		s.beforePart = func(n int32) error {
			if n == 2 {
				attempts.Add(1)
				return tc.err
			}
			return nil
		}
		e := engineFor(t, s, Options{PartSize: 5 * mib, Concurrency: 2, Renew: func() { renewed.Add(1) }})
		if _, err := e.UploadFile(t.Context(), fileOf(t, noise(20*mib)), "k", ObjectOptions{}, nil); !errors.Is(err, tc.err) {
			t.Errorf("%v: got %v", tc.err, err)
		}
		if attempts.Load() != tc.want || (renewed.Load() > 0) != (errorCode(tc.err) == "ExpiredToken") {
			t.Errorf("%v: %d attempts, want %d; credentials renewed %d times", tc.err, attempts.Load(), tc.want, renewed.Load())
		}
	}
}

// Credentials that end in the middle cost one attempt at one part, and no part that is done.
func TestExpiredCredentialsAreRenewed(t *testing.T) {
	t.Parallel()
	var expired atomic.Bool
	s := newFake()
	s.beforePart = func(n int32) error {
		if n == 4 {
			expired.Store(true)
		}
		if expired.Load() {
			return refusal("ExpiredToken")
		}
		return nil
	}
	e := engineFor(t, s, Options{PartSize: 5 * mib, Concurrency: 1, Algorithm: CRC64NVME, Renew: func() { expired.Store(false); s.beforePart = nil }})
	if _, err := e.UploadFile(t.Context(), fileOf(t, noise(42*mib)), "k", ObjectOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if s.begun != 1 || s.received != 42*mib {
		t.Errorf("%d uploads, %d bytes sent", s.begun, s.received)
	}
}

// stuck is a store whose connections take nothing, once for each part.
type stuck struct {
	*fakeStore
	hung atomic.Int32
}

func (s *stuck) PutPart(ctx context.Context, key, id string, number int32, body Body, a Algorithm) (Part, error) {
	if s.hung.Add(1) <= 2 {
		_, _ = io.CopyN(io.Discard, body, 100)
		<-ctx.Done()
		return Part{}, ctx.Err()
	}
	return s.fakeStore.PutPart(ctx, key, id, number, body, a)
}

func (s *stuck) Get(ctx context.Context, key, etag string, offset, length int64) (io.ReadCloser, error) {
	body, err := s.fakeStore.Get(ctx, key, etag, offset, length)
	if s.hung.Add(1) <= 2 {
		return &hangs{ctx, io.LimitReader(body, length/2)}, nil
	}
	return body, err
}

type hangs struct {
	ctx context.Context
	src io.Reader
}

func (h *hangs) Read(p []byte) (int, error) {
	n, err := h.src.Read(p)
	if err == io.EOF {
		<-h.ctx.Done()
		return n, h.ctx.Err()
	}
	return n, err
}

func (*hangs) Close() error { return nil }

func TestStalledConnections(t *testing.T) {
	t.Parallel()
	content := noise(21 * mib)
	s := &stuck{fakeStore: newFake()}
	e := engineFor(t, s, Options{PartSize: 5 * mib, Stall: 300 * time.Millisecond, Algorithm: CRC64NVME})
	var up counter
	if _, err := e.UploadFile(t.Context(), fileOf(t, content), "k", ObjectOptions{}, &up); err != nil || !bytes.Equal(s.objects["k"], content) || up.n.Load() != 21*mib {
		t.Errorf("upload: %v, counted %d", err, up.n.Load())
	}
	s.hung.Store(0)
	var out bytes.Buffer
	if _, err := e.DownloadStream(t.Context(), "k", &out, nil); err != nil || !bytes.Equal(out.Bytes(), content) {
		t.Errorf("download: %v", err)
	}
	s.hung.Store(-1000)
	var stall *StallError
	if _, err := e.UploadFile(t.Context(), fileOf(t, content), "k2", ObjectOptions{}, nil); !errors.As(err, &stall) {
		t.Errorf("a connection that stalls for ever: %v", err)
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	g := newGate(8)
	for range 8 {
		if err := g.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 8 { // one burst
		g.throttled()
	}
	if g.open() != 4 {
		t.Errorf("after one burst of refusals it lets %d through", g.open())
	}
	for range 4 {
		g.release()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if g.acquire(ctx) == nil {
		t.Error("it lets one through although four are on their way")
	}
	for _, answered := range []int{2, 1, 1} {
		g.throttled()
		for range answered {
			g.release()
		}
	}
	if g.open() != 1 {
		t.Errorf("it lets %d through, want 1", g.open())
	}
	for range 100 {
		g.succeeded()
	}
	if g.open() != 8 {
		t.Errorf("it recovers to %d", g.open())
	}
	for range 8 {
		if err := g.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSlowDownBacksOff(t *testing.T) {
	t.Parallel()
	s := newFake()
	var refused atomic.Int32
	s.beforePart = func(int32) error {
		if refused.Add(1) <= 4 {
			return refusal("SlowDown")
		}
		return nil
	}
	e := engineFor(t, s, Options{PartSize: 5 * mib, Concurrency: 4})
	if _, err := e.UploadFile(t.Context(), fileOf(t, noise(20*mib)), "k", ObjectOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if e.gate.open() >= 4 {
		t.Errorf("it still lets %d through", e.gate.open())
	}
}
