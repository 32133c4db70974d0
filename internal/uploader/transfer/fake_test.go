package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
)

// fakeStore is a Store in memory. Its hooks run before a call does anything.
type fakeStore struct {
	beforePart func(number int32) error
	beforeGet  func() error
	cut        int  // the first bodies given out that end after half
	flip       bool // the checksum reported for the whole object is another

	mu        sync.Mutex
	objects   map[string][]byte
	uploads   map[string]map[int32][]byte
	aborts    int
	abortErr  error
	algorithm Algorithm // of Head's checksum
	inFlight  int
	most      int
}

func newFake() *fakeStore {
	return &fakeStore{objects: map[string][]byte{}, uploads: map[string]map[int32][]byte{}, algorithm: CRC64NVME}
}

func sumOf(a Algorithm, content []byte) Checksum {
	h := a.newHash()
	if h == nil {
		return Checksum{}
	}
	_, _ = h.Write(content)
	return Checksum{a, encodeSum(h.Sum(nil)), false}
}

func (s *fakeStore) Put(_ context.Context, key string, body Body, o ObjectOptions) (Object, error) {
	content, err := io.ReadAll(body)
	if err != nil {
		return Object{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[key] = content
	return Object{Key: key, Checksum: s.reported(o.Algorithm, content)}, nil
}

func (s *fakeStore) reported(a Algorithm, content []byte) Checksum {
	if s.flip {
		return sumOf(a, append([]byte("x"), content...))
	}
	return sumOf(a, content)
}

func (s *fakeStore) Begin(_ context.Context, key string, _ ObjectOptions) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uploads[key] = map[int32][]byte{}
	return key, nil
}

func (s *fakeStore) PutPart(ctx context.Context, key, _ string, number int32, body Body, a Algorithm) (Part, error) {
	s.enter(1)
	defer s.enter(-1)
	if s.beforePart != nil {
		if err := s.beforePart(number); err != nil {
			return Part{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return Part{}, err
	}
	half := make([]byte, body.Size/2) // a first try that breaks off, and a second one
	_, _ = io.ReadFull(body, half)
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return Part{}, err
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return Part{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uploads[key][number] = content
	return Part{Number: number, ETag: fmt.Sprint(number), Checksum: sumOf(a, content)}, nil
}

func (s *fakeStore) enter(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight += n
	s.most = max(s.most, s.inFlight)
}

func (s *fakeStore) Complete(_ context.Context, key, _ string, parts []Part, size int64, whole Checksum, o ObjectOptions) (Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var content []byte
	for _, p := range parts {
		content = append(content, s.uploads[key][p.Number]...)
	}
	if int64(len(content)) != size || (!whole.Composite && whole != sumOf(o.Algorithm, content)) {
		return Object{}, errors.New("the checksum or size of the whole is wrong")
	}
	delete(s.uploads, key)
	s.objects[key] = content
	if whole.Composite {
		return Object{Key: key, Checksum: whole}, nil
	}
	return Object{Key: key, Checksum: s.reported(o.Algorithm, content)}, nil
}

func (s *fakeStore) Abort(ctx context.Context, key, _ string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aborts++
	if s.abortErr != nil {
		return s.abortErr
	}
	delete(s.uploads, key)
	return nil
}

func (s *fakeStore) Head(_ context.Context, key string) (Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	content, ok := s.objects[key]
	if !ok {
		return Object{}, errors.New("no such object")
	}
	return Object{Key: key, Size: int64(len(content)), ETag: "1", Checksum: s.reported(s.algorithm, content)}, nil
}

func (s *fakeStore) Get(_ context.Context, key, _ string, offset, length int64) (io.ReadCloser, error) {
	if s.beforeGet != nil {
		if err := s.beforeGet(); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	content := s.objects[key][offset : offset+length]
	if s.cut > 0 {
		s.cut--
		content = content[:length/2]
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

func (s *fakeStore) List(context.Context, string, func(Object) error) error { return nil }

func (s *fakeStore) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	return nil
}

func engineFor(t *testing.T, s Store, o Options) *Engine {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	e, err := New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
