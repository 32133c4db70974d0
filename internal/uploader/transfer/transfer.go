// Package transfer moves bytes between files or streams and S3: parallel, in bounded memory, checked end to end.
//
// It talks to S3 through the Store interface and knows nothing of prefixes, configuration or terminals.
package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
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
	DefaultStall       = 30 * time.Second
	DefaultAttempts    = 8
	streamMemory       = 48 << 20 // for parts of streams, in all, unless one part alone is larger
)

// Body is the content of one request.
type Body struct {
	io.ReadSeeker
	Size      int64
	Algorithm Algorithm     // of the checksum to send
	Sum       func() []byte // the checksum of what has been read since the start
}

// NewBody is a body of a few bytes, which are hashed anew for each request.
func NewBody(content []byte, a Algorithm) Body {
	return Body{ReadSeeker: bytes.NewReader(content), Size: int64(len(content)), Algorithm: a, Sum: func() []byte {
		h := a.newHash()
		if h == nil {
			return nil
		}
		_, _ = h.Write(content) // a hash takes everything
		return h.Sum(nil)
	}}
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
	Kept      int64 // bytes of an upload that an earlier run had sent
}

// ObjectOptions is what is stored beside the bytes, and on which condition.
type ObjectOptions struct {
	ContentType  string
	Metadata     map[string]string
	StorageClass string
	Tags         map[string]string
	Encryption   string    // AES256 or aws:kms; empty: the bucket's default
	KMSKeyID     string    // for aws:kms; empty: the account's key for S3
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

// Pending is a multipart upload that is not complete.
type Pending struct {
	Key, UploadID string
	Began         time.Time
}

// Store is S3 as this package needs it, for one bucket. Errors are the SDK's, wrapped with what was being done. Put,
// PutPart and Get are one attempt each, which the Engine repeats; the others repeat their requests themselves.
type Store interface {
	Put(ctx context.Context, key string, body Body, o ObjectOptions) (Object, error)
	PutPart(ctx context.Context, key, uploadID string, number int32, body Body, a Algorithm) (Part, error)
	// Get reads length bytes from offset, of the version that has the ETag.
	Get(ctx context.Context, key, etag string, offset, length int64) (io.ReadCloser, error)

	Begin(ctx context.Context, key string, o ObjectOptions) (uploadID string, err error)
	// Parts calls yield for each part that S3 has of an upload.
	Parts(ctx context.Context, key, uploadID string, a Algorithm, yield func(Part)) error
	// Pending calls yield for each unfinished upload whose key begins with prefix.
	Pending(ctx context.Context, prefix string, yield func(Pending)) error
	// Complete gives the checksum of the whole object to S3, which refuses the upload if it finds another.
	Complete(ctx context.Context, key, uploadID string, parts []Part, size int64, whole Checksum, o ObjectOptions) (Object, error)
	Abort(ctx context.Context, key, uploadID string) error
	Head(ctx context.Context, key string) (Object, error)
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
	Concurrency int           // requests at once; 0: DefaultConcurrency
	PartSize    int64         // bytes; 0: from the size of the file
	Algorithm   Algorithm     // of the checksums
	BytesPerSec int64         // 0: no limit
	Stall       time.Duration // without a byte, after which an attempt is given up; 0: DefaultStall
	Retry       retry.Policy  // of one request; the zero Policy: DefaultAttempts, with pauses up to 20 s
	Renew       func()        // makes the next request use new credentials; may be nil
	Journal     *journal.Store
	Scope       string       // of the journal: endpoint and bucket. Without a Journal uploads cannot be resumed
	Warn        func(string) // of what the user should know although all goes on; may be nil
	Now         func() time.Time
	Log         *slog.Logger
}

// Engine moves objects. Its methods may be called from any goroutine; the limits hold for all of them together.
type Engine struct {
	store   Store
	opts    Options
	gate    *gate
	buffers *buffers      // of streams
	limiter *rate.Limiter // nil: no limit
}

// New returns an engine. Options out of range are an error.
func New(store Store, o Options) (*Engine, error) {
	switch {
	case o.Concurrency < 0 || o.Concurrency > 256:
		return nil, errors.New("concurrency is not within 1 to 256")
	case o.PartSize != 0 && (o.PartSize < MinPartSize || o.PartSize > MaxPartSize):
		return nil, errors.New("part size is not within 5 MiB to 5 GiB")
	case o.BytesPerSec < 0:
		return nil, errors.New("rate limit is negative")
	case o.Stall < 0:
		return nil, errors.New("stall time is negative")
	}
	o = o.withDefaults()
	e := &Engine{store: store, opts: o, gate: newGate(o.Concurrency), buffers: &buffers{room: semaphore.NewWeighted(streamMemory)}}
	if o.BytesPerSec > 0 {
		e.limiter = rate.NewLimiter(rate.Limit(o.BytesPerSec), int(min(max(o.BytesPerSec, 1024), 64<<10)))
	}
	return e, nil
}

func (o Options) withDefaults() Options {
	if o.Concurrency == 0 {
		o.Concurrency = DefaultConcurrency
	}
	if o.Stall == 0 {
		o.Stall = DefaultStall
	}
	if o.Retry.Attempts == 0 {
		o.Retry = retry.Policy{Attempts: DefaultAttempts, Base: 500 * time.Millisecond, Cap: 20 * time.Second, Sleep: retry.Sleep, Jitter: retry.FullJitter}
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Delete removes an object. One that does not exist is no error, as with S3.
func (e *Engine) Delete(ctx context.Context, key string) error { return e.store.Delete(ctx, key) }

// List calls yield for each object whose key begins with prefix.
func (e *Engine) List(ctx context.Context, prefix string, yield func(Object) error) error {
	return e.store.List(ctx, prefix, yield)
}
