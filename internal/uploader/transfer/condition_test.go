package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// brokenOff is what a connection says that ends without an answer; it is repeated.
var brokenOff = &S3Error{Doing: "put object", Key: "k", Err: io.ErrUnexpectedEOF}

// An object that must be new, and whose answer was lost, is there when it is asked for again: it is ours, and not another's.
func TestIfNoneMatchAfterALostAnswer(t *testing.T) {
	t.Parallel()
	content := noise(1 * mib)
	other := noise(2 * mib)[mib:]
	for name, c := range map[string]struct {
		store   func(*fakeStore)
		options Options
		fails   string // part of the error; empty: it succeeds
	}{
		"ours":                    {store: func(s *fakeStore) { s.putErr = brokenOff }, options: Options{Algorithm: CRC64NVME}},
		"another's, no loss":      {store: func(s *fakeStore) { s.objects["k"] = other }, options: Options{Algorithm: CRC64NVME}, fails: codePreconditionFailed},
		"the same bytes, no loss": {store: func(s *fakeStore) { s.objects["k"] = content }, options: Options{Algorithm: CRC64NVME}, fails: codePreconditionFailed},
		"may only write": {store: func(s *fakeStore) { s.putErr, s.headErr = brokenOff, refusal("AccessDenied") }, options: Options{Algorithm: CRC64NVME},
			fails: "a request before it, whose answer was lost, may have made the object"},
		"no checksums": {store: func(s *fakeStore) { s.putErr, s.algorithm = brokenOff, None }, options: Options{Algorithm: None},
			fails: "a request before it, whose answer was lost, may have made the object"},
		"another's, after a loss": {store: func(s *fakeStore) { s.putErr, s.flip = brokenOff, true }, options: Options{Algorithm: CRC64NVME}, fails: codePreconditionFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFake()
			c.store(s)
			obj, err := engineFor(t, s, c.options).UploadFile(t.Context(), fileOf(t, content), "k", ObjectOptions{IfNoneMatch: true}, nil)
			switch {
			case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails) || errorCode(err) != codePreconditionFailed):
				t.Errorf("%+v, %v", obj, err)
			case c.fails == "" && (err != nil || obj.Size != mib || obj.Checksum != sumOf(CRC64NVME, content) || !bytes.Equal(s.objects["k"], content)):
				t.Errorf("%+v, %v", obj, err)
			}
		})
	}
}

// twice is a store whose client asks again to complete an upload when the answer is lost, as the SDK's does.
type twice struct{ *fakeStore }

func (s twice) Complete(ctx context.Context, key, id string, parts []Part, size int64, whole Checksum, o ObjectOptions) (Object, error) {
	obj, err := s.fakeStore.Complete(ctx, key, id, parts, size, whole, o)
	if errors.Is(err, brokenOff) {
		return s.fakeStore.Complete(ctx, key, id, parts, size, whole, o)
	}
	return obj, err
}

func TestIfNoneMatchOfPartsAfterALostAnswer(t *testing.T) {
	t.Parallel()
	content := noise(20 * mib)
	o := ObjectOptions{IfNoneMatch: true}
	s := newFake()
	s.completeErr = brokenOff
	e := engineFor(t, twice{s}, Options{Algorithm: CRC64NVME, PartSize: 8 * mib})
	if obj, err := e.UploadFile(t.Context(), fileOf(t, content), "k", o, nil); err != nil || obj.Size != 20*mib || s.aborts > 0 {
		t.Errorf("%+v, %v, %d aborted", obj, err, s.aborts)
	}
	s.completeErr = nil
	if _, err := e.UploadFile(t.Context(), fileOf(t, content), "k", o, nil); errorCode(err) != codePreconditionFailed || s.aborts != 1 || len(s.uploads) > 0 {
		t.Errorf("the object is there since long: %v, %d aborted, left %v", err, s.aborts, s.uploads)
	}
}
