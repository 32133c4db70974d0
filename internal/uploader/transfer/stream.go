package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"golang.org/x/sync/semaphore"
)

// UploadStream stores what r gives until it ends. Up to one part is sent as one request.
func (e *Engine) UploadStream(ctx context.Context, r io.Reader, key string, o ObjectOptions, m Meter) (Object, error) {
	o.Algorithm = e.opts.Algorithm
	never := func() error { return nil }
	first, err := e.buffers.read(ctx, r, streamPartSize(1, e.opts.PartSize))
	if err != nil {
		return Object{}, err
	}
	if first.last {
		defer first.release()
		return e.put(ctx, key, bytes.NewReader(first.bytes), int64(len(first.bytes)), o, orNone(m), never)
	}
	return e.multipart(ctx, key, o, never, func(ctx context.Context, u *upload) error {
		for b := first; ; {
			if err := u.send(ctx, bytes.NewReader(b.bytes), int64(len(b.bytes)), orNone(m), b.release); err != nil {
				return err
			}
			if b.last {
				return nil
			}
			if b, err = e.buffers.read(ctx, r, streamPartSize(u.next(), e.opts.PartSize)); err != nil {
				return err
			}
			if len(b.bytes) == 0 {
				b.release()
				return nil
			}
		}
	})
}

// buffers are the memory for parts of streams. It is used again and again, and bounded.
type buffers struct {
	room *semaphore.Weighted // bytes

	mu   sync.Mutex
	free [][]byte
}

// buffer is a part of a stream in memory.
type buffer struct {
	bytes   []byte
	last    bool
	release func()
}

// read waits for room, and fills a buffer of size bytes, or less at the end of r.
func (b *buffers) read(ctx context.Context, r io.Reader, size int64) (buffer, error) {
	weight := min(size, streamMemory)
	if err := b.room.Acquire(ctx, weight); err != nil {
		return buffer{}, err
	}
	memory := b.take(size)
	n, err := readFull(ctx, r, memory)
	if ctx.Err() != nil {
		b.room.Release(weight)
		return buffer{}, ctx.Err() // the reader may still write to the memory
	}
	release := func() {
		b.put(memory)
		b.room.Release(weight)
	}
	end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !end {
		release()
		return buffer{}, &LocalError{Doing: "read standard input", Err: err}
	}
	return buffer{bytes: memory[:n], last: end, release: release}, nil
}

func (b *buffers) take(size int64) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.free) > 0 {
		last := b.free[len(b.free)-1]
		b.free = b.free[:len(b.free)-1]
		if int64(len(last)) == size {
			return last
		}
	}
	return make([]byte, size)
}

func (b *buffers) put(memory []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, memory)
}

// readFull is io.ReadFull, except that a read that hangs does not hold up the end of ctx.
func readFull(ctx context.Context, r io.Reader, memory []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := io.ReadFull(r, memory)
		done <- result{n, err}
	}()
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case r := <-done:
		return r.n, r.err
	}
}
