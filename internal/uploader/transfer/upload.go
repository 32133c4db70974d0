package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

// abortTime bounds the removal of a failed upload's parts. The caller's context may be over by then.
const abortTime = 15 * time.Second

// UploadFile stores a regular file under key. It opens the file once; a file whose size or modification time changes
// before the object is complete fails with a *ChangedError, and no object is made.
func (e *Engine) UploadFile(ctx context.Context, name, key string, o ObjectOptions, m Meter) (Object, error) {
	f, err := os.Open(name) // #nosec G304 -- the user names the file
	if err != nil {
		return Object{}, local("open", name, err)
	}
	defer func() { _ = f.Close() }()
	before, err := f.Stat()
	if err != nil {
		return Object{}, local("stat", name, err)
	}
	if !before.Mode().IsRegular() {
		return Object{}, local("upload", name, errors.New("not a regular file"))
	}
	unchanged := func() error {
		now, err := f.Stat()
		if err != nil {
			return local("stat", name, err)
		}
		if now.Size() != before.Size() || !now.ModTime().Equal(before.ModTime()) {
			return &ChangedError{What: "file " + name}
		}
		return nil
	}
	size := before.Size()
	part, err := planPartSize(size, e.opts.PartSize)
	if err != nil {
		return Object{}, &LocalError{Doing: "upload " + name, Err: err}
	}
	o.Algorithm = e.opts.Algorithm
	if size <= min(part, DefaultPartSize) {
		return e.uploadSmallFile(ctx, f, name, size, key, o, orNone(m), unchanged)
	}
	return e.multipart(ctx, key, o, unchanged, func(ctx context.Context, u *upload) error {
		for n := range parts(size, part) {
			offset := n * part
			length := min(part, size-offset)
			section := io.NewSectionReader(f, offset, length)
			if err := u.send(ctx, section, length, orNone(m), func() {}); err != nil {
				return err
			}
		}
		return nil
	})
}

// uploadSmallFile reads the whole file first, so that a file that changes meanwhile never becomes an object.
func (e *Engine) uploadSmallFile(ctx context.Context, f io.Reader, name string, size int64, key string, o ObjectOptions, m Meter, unchanged func() error) (Object, error) {
	if err := e.memory.Acquire(ctx, min(size+1, bufferLimit)); err != nil {
		return Object{}, err
	}
	defer e.memory.Release(min(size+1, bufferLimit))
	buf := make([]byte, size)
	if _, err := io.ReadFull(f, buf); err != nil {
		if changed := unchanged(); changed != nil {
			return Object{}, changed
		}
		return Object{}, local("read", name, err)
	}
	if err := unchanged(); err != nil {
		return Object{}, err
	}
	return e.put(ctx, key, buf, o, m)
}

// UploadStream stores what r gives until it ends. Up to one part is sent as one request.
func (e *Engine) UploadStream(ctx context.Context, r io.Reader, key string, o ObjectOptions, m Meter) (Object, error) {
	o.Algorithm = e.opts.Algorithm
	first, err := e.readPart(ctx, r, streamPartSize(1, e.opts.PartSize))
	if err != nil {
		return Object{}, err
	}
	if first.last {
		defer first.release()
		return e.put(ctx, key, first.bytes, o, orNone(m))
	}
	never := func() error { return nil }
	return e.multipart(ctx, key, o, never, func(ctx context.Context, u *upload) error {
		for b := first; ; {
			if err := u.send(ctx, bytes.NewReader(b.bytes), int64(len(b.bytes)), orNone(m), b.release); err != nil {
				return err
			}
			if b.last {
				return nil
			}
			next := int32(len(u.parts)) + 1 // #nosec G115 -- send refuses more than MaxParts
			if b, err = e.readPart(ctx, r, streamPartSize(next, e.opts.PartSize)); err != nil {
				return err
			}
			if len(b.bytes) == 0 {
				b.release()
				return nil
			}
		}
	})
}

// buffer is a part of a stream in memory.
type buffer struct {
	bytes   []byte
	last    bool
	release func()
}

func (e *Engine) readPart(ctx context.Context, r io.Reader, size int64) (buffer, error) {
	weight := min(size, bufferLimit)
	if err := e.memory.Acquire(ctx, weight); err != nil {
		return buffer{}, err
	}
	b := buffer{release: func() { e.memory.Release(weight) }}
	content, err := readFull(ctx, r, size)
	b.bytes = content
	switch {
	case errors.Is(err, io.EOF):
		b.last = true
	case err != nil:
		b.release()
		if ctx.Err() != nil {
			return buffer{}, ctx.Err()
		}
		return buffer{}, &LocalError{Doing: "read standard input", Err: err}
	}
	return b, nil
}

// readFull reads size bytes, or up to the end, and then returns io.EOF too. A read that hangs does not hold up the end
// of ctx.
func readFull(ctx context.Context, r io.Reader, size int64) ([]byte, error) {
	type result struct {
		content []byte
		err     error
	}
	done := make(chan result, 1)
	go func() {
		var b bytes.Buffer
		n, err := io.Copy(&b, io.LimitReader(r, size))
		if err == nil && n < size {
			err = io.EOF
		}
		done <- result{b.Bytes(), err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-done:
		return r.content, r.err
	}
}

func (e *Engine) put(ctx context.Context, key string, content []byte, o ObjectOptions, m Meter) (Object, error) {
	if err := e.slots.Acquire(ctx, 1); err != nil {
		return Object{}, err
	}
	defer e.slots.Release(1)
	t := e.tap(ctx, bytes.NewReader(content), m)
	if len(content) == 0 && t.hash != nil {
		t.hash.Reset()
	}
	obj, err := e.store.Put(ctx, key, Body{t, int64(len(content))}, o)
	if err != nil {
		return Object{}, err
	}
	p := t.piece()
	if p.size != int64(len(content)) {
		return Object{}, fmt.Errorf("object %s: %d of %d bytes were sent", key, p.size, len(content))
	}
	if o.Algorithm != None {
		if err := verify(key, Checksum{o.Algorithm, encodeSum(p.sum), false}, obj.Checksum); err != nil {
			return Object{}, err
		}
		obj.Checksum = Checksum{o.Algorithm, encodeSum(p.sum), false}
	}
	obj.Key, obj.Size = key, int64(len(content))
	return obj, nil
}

// verify compares what was read here with what S3 reports, where it reports the same kind.
func verify(key string, ours, theirs Checksum) error {
	if theirs.Value == "" || theirs.Algorithm != ours.Algorithm || theirs.Composite != ours.Composite || theirs.Value == ours.Value {
		return nil
	}
	return &MismatchError{Key: key, Ours: ours.Value, Theirs: theirs.Value}
}

func orNone(m Meter) Meter {
	if m == nil {
		return noMeter{}
	}
	return m
}

func local(doing, name string, err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return &LocalError{Doing: doing + " " + name, Err: err}
}

// multipart begins an upload, lets feed send its parts, and completes it; or aborts it whatever happens.
func (e *Engine) multipart(ctx context.Context, key string, o ObjectOptions, unchanged func() error, feed func(context.Context, *upload) error) (Object, error) {
	id, err := e.store.Begin(ctx, key, o)
	if err != nil {
		return Object{}, err
	}
	e.opts.Log.Debug("began multipart upload", "key", key, "upload", id)
	group, groupCtx := errgroup.WithContext(ctx)
	u := &upload{engine: e, key: key, id: id, options: o, group: group}
	err = feed(groupCtx, u)
	if failed := group.Wait(); failed != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = failed
	}
	if changed := unchanged(); changed != nil && ctx.Err() == nil {
		err = changed // whatever else failed, this is why
	}
	if err == nil {
		var obj Object
		if obj, err = u.complete(ctx); err == nil {
			return obj, nil
		}
	}
	if cause := ctx.Err(); cause != nil {
		err = cause
	}
	return Object{}, e.abort(ctx, key, id, err)
}

func (e *Engine) abort(ctx context.Context, key, id string, because error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	if err := e.store.Abort(ctx, key, id); err != nil {
		return &AbortError{Key: key, UploadID: id, Err: because, Abort: err}
	}
	e.opts.Log.Debug("aborted multipart upload", "key", key, "upload", id)
	return because
}
