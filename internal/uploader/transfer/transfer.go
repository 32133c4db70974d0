// Package transfer moves bytes between files or streams and S3: parallel, in bounded memory, checked end to end.
//
// It talks to S3 through the Store interface and knows nothing of prefixes, configuration or terminals.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

// Limits of S3. https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const (
	MinPartSize = 5 << 20
	MaxPartSize = 5 << 30
	MaxParts    = 10_000
	MaxObject   = MaxParts * MaxPartSize // 48.8 TiB
)

// Defaults of Options.
const (
	DefaultConcurrency = 8
	DefaultPartSize    = 16 << 20
	bufferLimit        = 512 << 20 // memory for parts of streams, in all
)

// Body is the content of one request. The store reads it from the start, and again from the start for each retry.
type Body struct {
	io.ReadSeeker
	Size int64
}

// Checksum is a checksum as S3 reports it. The zero Checksum means that none was reported.
type Checksum struct {
	Algorithm Algorithm
	Value     string // base64
	Composite bool   // computed over the parts' checksums, not over the bytes
}

// Object describes an object that exists.
type Object struct {
	Key       string
	Size      int64
	Modified  time.Time
	ETag      string // with its quotes
	VersionID string // empty in a bucket without versions
	Checksum  Checksum
}

// ObjectOptions is what is stored beside the bytes, and on which condition.
type ObjectOptions struct {
	ContentType  string
	Metadata     map[string]string
	StorageClass string
	IfNoneMatch  bool      // only where no object has the key
	Algorithm    Algorithm // of the checksums; None where the server refuses them
}

// Part is one uploaded part.
type Part struct {
	Number   int32
	Size     int64
	ETag     string
	Checksum Checksum
}

// Store is S3 as this package needs it, for one bucket. Errors are the SDK's, wrapped with what was being done.
type Store interface {
	Put(ctx context.Context, key string, body Body, o ObjectOptions) (Object, error)
	Begin(ctx context.Context, key string, o ObjectOptions) (uploadID string, err error)
	PutPart(ctx context.Context, key, uploadID string, number int32, body Body, a Algorithm) (Part, error)
	// Complete gives the checksum of the whole object to S3, which refuses the upload if it finds another.
	Complete(ctx context.Context, key, uploadID string, parts []Part, size int64, whole Checksum, o ObjectOptions) (Object, error)
	Abort(ctx context.Context, key, uploadID string) error
	Head(ctx context.Context, key string) (Object, error)
	// Get reads length bytes from offset, of the version that has the ETag.
	Get(ctx context.Context, key, etag string, offset, length int64) (io.ReadCloser, error)
	// List calls yield for each object whose key begins with prefix, in the order of the keys, until yield fails.
	List(ctx context.Context, prefix string, yield func(Object) error) error
	Delete(ctx context.Context, key string) error
}

// Meter is told of the bytes that moved. Bytes are negative where a retry starts a request again.
type Meter interface{ Add(bytes int64) }

// sized is a Meter that wants to know how many bytes are to come.
type sized interface{ Total(bytes int64) }

type noMeter struct{}

func (noMeter) Add(int64) {}

// Options are the limits of an Engine.
type Options struct {
	Concurrency int       // requests at once; 0: DefaultConcurrency
	PartSize    int64     // bytes; 0: from the size of the file
	Algorithm   Algorithm // of the checksums
	BytesPerSec int64     // 0: no limit
	Log         *slog.Logger
}

// Engine moves objects. Its methods may be called from any goroutine; the limits hold for all of them together.
type Engine struct {
	store   Store
	opts    Options
	slots   *semaphore.Weighted // requests
	memory  *semaphore.Weighted // bytes of buffered parts
	limiter *rate.Limiter       // nil: no limit
}

// New returns an engine. Options out of range are an error.
func New(store Store, o Options) (*Engine, error) {
	if o.Concurrency == 0 {
		o.Concurrency = DefaultConcurrency
	}
	switch {
	case o.Concurrency < 1 || o.Concurrency > 256:
		return nil, errors.New("concurrency is not within 1 to 256")
	case o.PartSize != 0 && (o.PartSize < MinPartSize || o.PartSize > MaxPartSize):
		return nil, errors.New("part size is not within 5 MiB to 5 GiB")
	case o.BytesPerSec < 0:
		return nil, errors.New("rate limit is negative")
	}
	e := &Engine{store: store, opts: o, slots: semaphore.NewWeighted(int64(o.Concurrency)), memory: semaphore.NewWeighted(bufferLimit)}
	if o.BytesPerSec > 0 {
		e.limiter = rate.NewLimiter(rate.Limit(o.BytesPerSec), int(min(max(o.BytesPerSec, 1024), 64<<10)))
	}
	return e, nil
}

// Delete removes an object. One that does not exist is no error, as with S3.
func (e *Engine) Delete(ctx context.Context, key string) error { return e.store.Delete(ctx, key) }

// List calls yield for each object whose key begins with prefix.
func (e *Engine) List(ctx context.Context, prefix string, yield func(Object) error) error {
	return e.store.List(ctx, prefix, yield)
}

// MismatchError says that the bytes that were sent or received are not the bytes that S3 has.
type MismatchError struct{ Key, Ours, Theirs string }

func (e *MismatchError) Error() string {
	return fmt.Sprintf("object %s: checksum mismatch: %s here, %s at S3", e.Key, e.Ours, e.Theirs)
}

// ChangedError says that a file or object changed while it was being transferred.
type ChangedError struct {
	What string
	Err  error // may be nil
}

func (e *ChangedError) Error() string { return e.What + " changed during the transfer" }

func (e *ChangedError) Unwrap() error { return e.Err }

// LocalError is a failure of this host's files: unreadable, no space left.
type LocalError struct {
	Doing string
	Err   error
}

func (e *LocalError) Error() string { return e.Doing + ": " + e.Err.Error() }

func (e *LocalError) Unwrap() error { return e.Err }

// AbortError says that an upload failed, and that its parts could not be removed either.
type AbortError struct {
	Key, UploadID string
	Err           error // why the upload failed
	Abort         error // why the parts are still there
}

func (e *AbortError) Error() string {
	return fmt.Sprintf("%v; upload %s of %s could not be aborted and its parts are still stored: %v", e.Err, e.UploadID, e.Key, e.Abort)
}

func (e *AbortError) Unwrap() error { return e.Err }
