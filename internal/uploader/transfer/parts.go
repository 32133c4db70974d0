package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
)

// abortTime bounds the removal of a failed upload's parts. The caller's context may be over by then.
const abortTime = 15 * time.Second

// upload is a multipart upload in progress. keeps, send and complete are called by one goroutine.
type upload struct {
	engine    *Engine
	key, id   string
	options   ObjectOptions
	unchanged func() error
	entry     *journal.Entry  // nil: nothing is noted
	kept      map[int32]*sent // what an earlier run has sent
	repeated  bool            // S3 may be completing it already, for an earlier run
	group     *errgroup.Group
	parts     []*sent
}

// sent is a part and the checksum of what was read for it. Its sender alone writes to it.
type sent struct {
	part  Part
	piece piece
}

func (u *upload) next() int32 { return int32(len(u.parts)) + 1 } // #nosec G115 -- send refuses more than MaxParts

// keeps reports whether S3 has the next part already, and counts it.
func (u *upload) keeps(size int64, m Meter) bool {
	s := u.kept[u.next()]
	if s == nil {
		return false
	}
	u.parts = append(u.parts, s)
	m.Add(size)
	return true
}

// send starts the next part as soon as there is room for a request; done is called when its bytes are no longer needed.
func (u *upload) send(ctx context.Context, src io.ReadSeeker, size int64, m Meter, done func()) error {
	if len(u.parts) >= MaxParts {
		done()
		return &LocalError{Doing: "upload " + u.key, Err: fmt.Errorf("more than %d parts: use a larger --part-size", MaxParts)}
	}
	if err := u.engine.gate.acquire(ctx); err != nil {
		done()
		return err
	}
	s := &sent{part: Part{Number: u.next(), Size: size}}
	u.parts = append(u.parts, s)
	u.group.Go(func() error {
		defer done()
		defer u.engine.gate.release()
		return u.sendOne(ctx, s, u.engine.tap(ctx, src, size, m))
	})
	return nil
}

func (u *upload) sendOne(ctx context.Context, s *sent, t *tap) error {
	number := s.part.Number
	err := u.engine.try(ctx, fmt.Sprintf("upload part %d of", number), u.key, func(ctx context.Context, w *watchdog) error {
		body, err := t.attempt(ctx, w)
		if err != nil {
			return local("read", "the data of "+u.key, err)
		}
		part, err := u.engine.store.PutPart(ctx, u.key, u.id, number, body, u.options.Algorithm)
		if err != nil {
			return whyOf(err, u.unchanged)
		}
		s.part.ETag = part.ETag
		s.part.Checksum, err = t.confirmed(u.key, part.Checksum)
		return err
	})
	if err != nil {
		return err
	}
	s.piece = t.piece()
	if u.entry != nil {
		u.entry.Part(journal.Part{Number: number, Size: t.size, ETag: s.part.ETag, Sum: s.piece.sum})
	}
	return nil
}

// run lets feed send the parts, and completes the upload.
func (u *upload) run(ctx context.Context, feed func(context.Context, *upload) error) (Object, error) {
	group, groupCtx := errgroup.WithContext(ctx)
	u.group = group
	err := feed(groupCtx, u)
	if failed := group.Wait(); failed != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = failed
	}
	if changed := u.unchanged(); changed != nil && ctx.Err() == nil {
		err = changed // whatever else failed, this is why
	}
	if err == nil && u.entry != nil {
		if err = u.entry.Completing(); err != nil {
			err = &LocalError{Doing: "remember the upload", Err: err}
		}
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
	return Object{}, err
}

func (u *upload) complete(ctx context.Context) (Object, error) {
	var size int64
	list := make([]Part, len(u.parts))
	pieces := make([]piece, len(u.parts))
	for i, s := range u.parts {
		list[i], pieces[i] = s.part, s.piece
		size += s.piece.size
	}
	whole := u.options.Algorithm.combine(pieces)
	obj, err := u.engine.store.Complete(ctx, u.key, u.id, list, size, whole, u.options)
	if code := errorCode(err); code == codeNoSuchUpload || code == codePreconditionFailed && u.gone(ctx) {
		obj, err = u.engine.landed(ctx, u.key, size, whole, err)
	}
	if err == nil && u.repeated && obj.Checksum.Value == "" {
		err = u.appears(ctx, size, whole)
	}
	if err != nil {
		return Object{}, err
	}
	if err := verify(u.key, whole, obj.Checksum); err != nil {
		return Object{}, err
	}
	obj.Key, obj.Size = u.key, size
	if whole.Value != "" {
		obj.Checksum = whole
	}
	return obj, nil
}

// gone reports whether S3 no longer has the upload: it is complete, or was aborted.
func (u *upload) gone(ctx context.Context) bool {
	return errorCode(u.engine.store.Parts(ctx, u.key, u.id, u.options.Algorithm, func(Part) {})) == codeNoSuchUpload
}

// appearTime is how long S3 may take to assemble an object.
const appearTime = 2 * time.Minute

// appears waits for the object of an upload that an earlier run has asked to complete. versitygw, for one, answers a
// second request with success while it still works on the first. Without the permission to read its word has to do.
func (u *upload) appears(ctx context.Context, size int64, whole Checksum) error {
	const pause = 250 * time.Millisecond
	for range appearTime / pause {
		obj, err := u.engine.store.Head(ctx, u.key)
		switch {
		case err == nil && obj.Size == size && (whole.Value == "" || obj.Checksum.Value == "" || obj.Checksum == whole):
			return nil
		case err != nil && Denied(err):
			return nil
		case err != nil && errorCode(err) != "NotFound" && errorCode(err) != "NoSuchKey":
			return err
		}
		if err := u.engine.opts.Retry.Sleep(ctx, pause); err != nil {
			return err
		}
	}
	return &S3Error{Doing: "complete multipart upload of", Key: u.key, Err: errors.New("S3 says that it is complete, but the object is not there")}
}

// multipart begins an upload, lets feed send its parts, and completes it; or aborts it whatever happens.
func (e *Engine) multipart(ctx context.Context, key string, o ObjectOptions, unchanged func() error, feed func(context.Context, *upload) error) (Object, error) {
	id, err := e.store.Begin(ctx, key, o)
	if err != nil {
		return Object{}, err
	}
	e.opts.Log.Debug("began multipart upload", "key", key, "upload", id)
	u := &upload{engine: e, key: key, id: id, options: o, unchanged: unchanged}
	obj, err := u.run(ctx, feed)
	if err != nil {
		return Object{}, e.abort(ctx, key, id, err)
	}
	return obj, nil
}

// abort removes the parts of an upload that failed, and returns why it failed.
func (e *Engine) abort(ctx context.Context, key, id string, because error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	if err := e.store.Abort(ctx, key, id); err != nil && errorCode(err) != codeNoSuchUpload {
		return &AbortError{Key: key, UploadID: id, Err: because, Abort: err}
	}
	e.opts.Log.Debug("aborted multipart upload", "key", key, "upload", id)
	return because
}

// Pending calls yield for each unfinished upload whose key begins with prefix.
func (e *Engine) Pending(ctx context.Context, prefix string, yield func(Pending)) error {
	return e.store.Pending(ctx, prefix, yield)
}

// Abort removes the parts of an unfinished upload. One that is gone already is no error.
func (e *Engine) Abort(ctx context.Context, p Pending) error {
	if err := e.store.Abort(ctx, p.Key, p.UploadID); err != nil && errorCode(err) != codeNoSuchUpload {
		return err
	}
	return nil
}
