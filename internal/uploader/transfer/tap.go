package transfer

import (
	"context"
	"hash"
	"io"

	"golang.org/x/time/rate"
)

// tap is what a request's body is read through: it hashes, counts and slows down. A read from the start, as a retry
// does it, starts the checksum anew and takes the counted bytes back.
type tap struct {
	ctx       context.Context
	src       io.ReadSeeker
	size      int64
	pos       int64 // where the next read begins
	algorithm Algorithm
	hash      hash.Hash
	hashed    int64 // bytes from the start that the hash has seen
	meter     Meter
	limiter   *rate.Limiter
	watchdog  *watchdog
	last      func() error // runs before the last byte is handed out; its error fails the read
}

func (e *Engine) tap(ctx context.Context, src io.ReadSeeker, size int64, m Meter) *tap {
	return &tap{ctx: ctx, src: src, size: size, algorithm: e.opts.Algorithm, hash: e.opts.Algorithm.newHash(), meter: m, limiter: e.limiter}
}

// attempt is the body for one attempt at a request.
func (t *tap) attempt(ctx context.Context, w *watchdog) (Body, error) {
	t.ctx, t.watchdog = ctx, w
	if _, err := t.Seek(0, io.SeekStart); err != nil {
		return Body{}, err
	}
	return Body{ReadSeeker: t, Size: t.size, Algorithm: t.algorithm, Sum: t.sum}, nil
}

func (t *tap) sum() []byte {
	if t.hash == nil {
		return nil
	}
	return t.hash.Sum(nil)
}

func (t *tap) Seek(offset int64, whence int) (int64, error) {
	pos, err := t.src.Seek(offset, whence)
	if err == nil {
		t.pos = pos
	}
	return pos, err
}

func (t *tap) Read(p []byte) (int, error) {
	if err := t.ctx.Err(); err != nil {
		return 0, err
	}
	if t.limiter != nil && len(p) > t.limiter.Burst() {
		p = p[:t.limiter.Burst()]
	}
	if t.pos == 0 {
		t.restart()
	}
	n, err := t.src.Read(p)
	if t.pos == t.hashed && n > 0 {
		if t.hash != nil {
			_, _ = t.hash.Write(p[:n])
		}
		t.hashed += int64(n)
		t.meter.Add(int64(n))
	}
	t.pos += int64(n)
	if t.last != nil && t.pos >= t.size {
		if failed := t.last(); failed != nil {
			return 0, failed
		}
	}
	if t.limiter != nil && n > 0 {
		if wait := t.limiter.WaitN(t.ctx, n); wait != nil {
			return n, wait
		}
	}
	if t.pos >= t.size {
		t.watchdog.sent()
	} else {
		t.watchdog.moved()
	}
	return n, err
}

func (t *tap) restart() {
	if t.hashed == 0 {
		return
	}
	t.meter.Add(-t.hashed)
	t.hashed = 0
	if t.hash != nil {
		t.hash.Reset()
	}
}

// piece is the checksum of what was read.
func (t *tap) piece() piece { return piece{sum: t.sum(), size: t.hashed} }
