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
	ctx     context.Context
	src     io.ReadSeeker
	pos     int64 // where the next read begins
	hash    hash.Hash
	hashed  int64 // bytes from the start that the hash has seen
	meter   Meter
	limiter *rate.Limiter
}

func (e *Engine) tap(ctx context.Context, src io.ReadSeeker, m Meter) *tap {
	return &tap{ctx: ctx, src: src, hash: e.opts.Algorithm.newHash(), meter: m, limiter: e.limiter}
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
	if t.limiter != nil && n > 0 {
		if wait := t.limiter.WaitN(t.ctx, n); wait != nil {
			return n, wait
		}
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
func (t *tap) piece() piece {
	if t.hash == nil {
		return piece{size: t.hashed}
	}
	return piece{sum: t.hash.Sum(nil), size: t.hashed}
}
