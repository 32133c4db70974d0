package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
)

// fakeStore is a Store in memory. Its hooks run before a call does anything.
type fakeStore struct {
	beforePart func(number int32) error
	beforeGet  func() error
	cut        int  // the first bodies given out that end after half
	flip       bool // the checksum reported for the whole object is another

	mu          sync.Mutex
	objects     map[string][]byte
	uploads     map[string]map[int32][]byte
	begun       int
	received    int64 // bytes of parts
	aborts      int
	abortErr    error
	beginErr    error // the upload begins, and the answer is lost
	partsErr    error
	headErr     error
	putErr      error     // once: the object is stored, and the answer is lost
	late        int       // reads of an object that is being assembled, before it is there
	completeErr error     // the upload is complete, and the answer is lost
	algorithm   Algorithm // of Head's checksum
	inFlight    int
	most        int
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
	if _, taken := s.objects[key]; taken && o.IfNoneMatch {
		return Object{}, refusal(codePreconditionFailed)
	}
	s.objects[key] = content
	if lost := s.putErr; lost != nil {
		s.putErr = nil
		return Object{}, lost
	}
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
	s.begun++
	id := fmt.Sprintf("%s#%d", key, s.begun)
	s.uploads[id] = map[int32][]byte{}
	return id, s.beginErr
}

// refusal is an error with S3's code.
func refusal(code string) error {
	return &S3Error{Doing: "try", Key: "k", Err: &smithy.GenericAPIError{Code: code, Message: "refused"}}
}

func (s *fakeStore) Parts(_ context.Context, _, id string, a Algorithm, yield func(Part)) error {
	if s.partsErr != nil {
		return s.partsErr
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	parts, ok := s.uploads[id]
	if !ok {
		return refusal("NoSuchUpload")
	}
	for _, n := range slices.Sorted(maps.Keys(parts)) {
		yield(Part{Number: n, Size: int64(len(parts[n])), ETag: fmt.Sprint(n), Checksum: sumOf(a, parts[n])})
	}
	return nil
}

func (s *fakeStore) Pending(_ context.Context, prefix string, yield func(Pending)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.uploads {
		if key, _, _ := strings.Cut(id, "#"); strings.HasPrefix(key, prefix) {
			yield(Pending{Key: key, UploadID: id, Began: time.Now()})
		}
	}
	return nil
}

func (s *fakeStore) PutPart(ctx context.Context, _, id string, number int32, body Body, a Algorithm) (Part, error) {
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
	if s.uploads[id] == nil {
		return Part{}, refusal("NoSuchUpload")
	}
	s.uploads[id][number] = content
	s.received += int64(len(content))
	return Part{Number: number, ETag: fmt.Sprint(number), Checksum: sumOf(a, content)}, nil
}

func (s *fakeStore) enter(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight += n
	s.most = max(s.most, s.inFlight)
}

func (s *fakeStore) Complete(_ context.Context, key, id string, parts []Part, size int64, whole Checksum, o ObjectOptions) (Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.objects[key]; taken && o.IfNoneMatch {
		return Object{}, refusal(codePreconditionFailed)
	}
	if s.uploads[id] == nil {
		return Object{}, refusal("NoSuchUpload")
	}
	var content []byte
	for _, p := range parts {
		content = append(content, s.uploads[id][p.Number]...)
	}
	if int64(len(content)) != size || (!whole.Composite && whole != sumOf(o.Algorithm, content)) {
		return Object{}, errors.New("the checksum or size of the whole is wrong")
	}
	if s.completeErr == nil || s.late == 0 {
		delete(s.uploads, id)
	}
	s.objects[key] = content
	if s.completeErr != nil {
		return Object{}, s.completeErr
	}
	if s.late > 0 {
		return Object{Key: key}, nil
	}
	if whole.Composite {
		return Object{Key: key, Checksum: whole}, nil
	}
	return Object{Key: key, Checksum: s.reported(o.Algorithm, content)}, nil
}

func (s *fakeStore) Abort(ctx context.Context, _, id string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aborts++
	if s.abortErr != nil {
		return s.abortErr
	}
	delete(s.uploads, id)
	return nil
}

func (s *fakeStore) Head(_ context.Context, key string) (Object, error) {
	if s.headErr != nil {
		return Object{}, s.headErr
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	content, ok := s.objects[key]
	if s.late > 0 {
		s.late--
		ok = false
	}
	if !ok {
		return Object{}, refusal("NotFound")
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
	o.Retry = retry.Policy{Attempts: 5, Base: time.Millisecond, Cap: time.Millisecond, Sleep: retry.Sleep, Jitter: retry.FullJitter}
	e, err := New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
