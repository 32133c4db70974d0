package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
)

// beginSkew is by how much S3's clock may be behind ours when we look for an upload whose ID was never learnt.
const beginSkew = 2 * time.Second

// uploadResumable is a multipart upload of a file that goes on where an earlier one was cut off, and can be cut off.
func (e *Engine) uploadResumable(ctx context.Context, src *source, key string, part int64, o ObjectOptions, m Meter) (obj Object, err error) {
	entry, err := e.opts.Journal.Open(src.name, e.opts.Scope, key)
	var locked *journal.LockedError
	switch {
	case errors.As(err, &locked):
		return Object{}, err
	case err != nil:
		return Object{}, &LocalError{Doing: "remember the upload", Err: err}
	}
	defer func() {
		if failed := entry.Close(); failed != nil && err != nil {
			e.opts.Warn(failed.Error())
		}
	}()
	want, err := e.plan(src, key, part, o)
	if err != nil {
		return Object{}, err
	}
	u := &upload{engine: e, key: key, options: o, unchanged: src.unchanged, entry: entry}
	if err := e.recall(ctx, u, src, &want); err != nil {
		return Object{}, &ResumableError{Key: key, Err: err}
	}
	if obj, done := u.finished(ctx); done {
		return obj, entry.Remove()
	}
	if u.id == "" {
		if err := u.begin(ctx, want); err != nil {
			return Object{}, err
		}
	}
	obj, err = u.run(ctx, src.feed(want.PartSize, m))
	switch {
	case err == nil:
		for _, s := range u.kept {
			obj.Kept += s.part.Size
		}
		return obj, entry.Remove()
	case !final(err):
		return Object{}, &ResumableError{Key: key, Err: err}
	}
	err = e.abort(ctx, key, u.id, err)
	var left *AbortError
	if !errors.As(err, &left) { // otherwise clean needs to know of it
		err = errors.Join(err, entry.Remove())
	}
	return Object{}, err
}

// final reports whether an upload that failed so will never be complete.
func final(err error) bool {
	var changed *ChangedError
	var mismatch *MismatchError
	if errors.As(err, &changed) || errors.As(err, &mismatch) {
		return true
	}
	switch errorCode(err) {
	case codeNoSuchUpload, "BadDigest", "InvalidPart", "InvalidPartOrder", "EntityTooSmall", "EntityTooLarge", codePreconditionFailed, "NoSuchBucket":
		return true
	}
	return false
}

// plan is the upload as it would begin now.
func (e *Engine) plan(src *source, key string, part int64, o ObjectOptions) (journal.Upload, error) {
	file, err := journal.Identify(src.name, src.info)
	if err != nil {
		return journal.Upload{}, local("stat", src.name, err)
	}
	options, err := json.Marshal(o) // maps in the order of their keys
	if err != nil {
		return journal.Upload{}, err
	}
	return journal.Upload{File: file, Bucket: e.opts.Scope, Key: key, Options: string(options), PartSize: part,
		Algorithm: string(o.Algorithm), Began: e.opts.Now().UTC()}, nil
}

// begin notes what is to be begun before it begins, so that an upload whose ID is never learnt can be looked for.
func (u *upload) begin(ctx context.Context, want journal.Upload) error {
	if err := u.entry.Begin(want); err != nil {
		return &LocalError{Doing: "remember the upload", Err: err}
	}
	id, err := u.engine.store.Begin(ctx, u.key, u.options)
	if err != nil {
		if errorCode(err) != "" && !judge(err).again { // S3 has said no
			err = errors.Join(err, u.entry.Remove())
		}
		return err
	}
	u.id = id
	if err := u.entry.Started(id); err != nil {
		return u.engine.abort(ctx, u.key, id, &LocalError{Doing: "remember the upload", Err: err})
	}
	u.engine.opts.Log.Debug("began multipart upload", "key", u.key, "upload", id)
	return nil
}

// recall takes over what an earlier run left, where it is of the same content: the ID and the parts. Otherwise it
// aborts what is left, and the upload starts afresh.
func (e *Engine) recall(ctx context.Context, u *upload, src *source, want *journal.Upload) error {
	s := u.entry.State
	switch {
	case s == nil:
		return nil
	case !s.Upload.File.Same(want.File):
		e.opts.Warn("file " + src.name + " changed since its upload began: the upload starts afresh")
		return e.forget(ctx, s)
	case s.Upload.Options != want.Options:
		e.opts.Warn("the upload of " + src.name + " began with other options: it starts afresh")
		return e.forget(ctx, s)
	case s.ID == "":
		return e.forget(ctx, s)
	}
	want.PartSize = s.Upload.PartSize
	kept, err := e.stored(ctx, s, src)
	switch {
	case errorCode(err) == codeNoSuchUpload && s.Completing:
		kept = noted(s) // it may be complete already: finished asks
	case errorCode(err) == codeNoSuchUpload:
		e.opts.Warn("S3 no longer has the unfinished upload of " + src.name + ": it starts afresh")
		return nil
	case Denied(err):
		e.opts.Warn("s3:ListMultipartUploadParts is not permitted: going by this host's own notes of what S3 has")
		kept = noted(s)
	case err != nil:
		return err
	}
	u.id, u.kept, u.repeated = s.ID, kept, s.Completing
	e.opts.Log.Info("going on with an upload", "key", u.key, "upload", u.id, "parts stored", len(kept))
	return nil
}

// forget aborts an upload that is of no use any more. If that fails for now, so will everything else, and the journal
// keeps it for the next run.
func (e *Engine) forget(ctx context.Context, s *journal.State) error {
	if s.ID == "" {
		e.abortNameless(ctx, s)
		return nil
	}
	err := e.store.Abort(ctx, s.Upload.Key, s.ID)
	switch errorCode(err) {
	case codeNoSuchUpload:
		return nil
	case "AccessDenied":
		e.opts.Warn("the earlier upload cannot be aborted, and its parts are still stored: " + err.Error())
		return nil
	}
	return err
}

// abortNameless aborts the uploads of a key that began when a run was cut off before it learnt its upload's ID. The lock
// on the key's journal keeps other resumable uploads out of the way.
func (e *Engine) abortNameless(ctx context.Context, s *journal.State) {
	var found []Pending
	err := e.store.Pending(ctx, s.Upload.Key, func(p Pending) {
		if p.Key == s.Upload.Key && !p.Began.Before(s.Upload.Began.Add(-beginSkew)) {
			found = append(found, p)
		}
	})
	for _, p := range found {
		err = errors.Join(err, e.store.Abort(ctx, p.Key, p.UploadID))
	}
	if err != nil {
		e.opts.Log.Info("an upload that was cut off as it began may be left", "key", s.Upload.Key, "error", err)
	}
}

// stored asks S3 which parts it has, and keeps those that hold what the file holds: by our own notes or, where a crash
// took these, by reading the file again.
func (e *Engine) stored(ctx context.Context, s *journal.State, src *source) (map[int32]*sent, error) {
	kept := map[int32]*sent{}
	part := s.Upload.PartSize
	var unnoted []Part
	err := e.store.Parts(ctx, s.Upload.Key, s.ID, Algorithm(s.Upload.Algorithm), func(p Part) {
		if p.Number < 1 || int64(p.Number) > parts(src.size(), part) || p.Size != src.section(int64(p.Number)-1, part).Size() {
			return
		}
		note, ok := s.Parts[p.Number]
		if ok && note.ETag == p.ETag && (p.Checksum.Value == "" || p.Checksum.Value == encodeSum(note.Sum)) {
			kept[p.Number] = fromNote(note, Algorithm(s.Upload.Algorithm))
			return
		}
		if p.Checksum.Value != "" {
			unnoted = append(unnoted, p)
		}
	})
	if err != nil {
		return nil, err
	}
	for _, p := range unnoted {
		h := p.Checksum.Algorithm.newHash()
		if _, err := io.Copy(h, src.section(int64(p.Number)-1, part)); err != nil {
			return nil, local("read", src.name, err)
		}
		if sum := h.Sum(nil); encodeSum(sum) == p.Checksum.Value {
			kept[p.Number] = &sent{p, piece{sum, p.Size}}
		}
	}
	return kept, nil
}

// noted are the parts by our own notes alone. S3 checks them when the upload is completed: each ETag, and the checksum of
// the whole.
func noted(s *journal.State) map[int32]*sent {
	kept := map[int32]*sent{}
	for n, p := range s.Parts {
		kept[n] = fromNote(p, Algorithm(s.Upload.Algorithm))
	}
	return kept
}

func fromNote(p journal.Part, a Algorithm) *sent {
	s := &sent{Part{Number: p.Number, Size: p.Size, ETag: p.ETag}, piece{p.Sum, p.Size}}
	if a != None {
		s.part.Checksum = Checksum{a, encodeSum(p.Sum), false}
	}
	return s
}

// finished completes an upload of which everything was sent, and reports whether there is an object now. An upload that
// turns out to be gone starts afresh.
func (u *upload) finished(ctx context.Context) (Object, bool) {
	s := u.entry.State
	if s == nil || u.id == "" || !s.Completing || int64(len(u.kept)) < parts(s.Upload.File.Size, s.Upload.PartSize) {
		return Object{}, false
	}
	for n := range len(u.kept) {
		u.parts = append(u.parts, u.kept[int32(n)+1]) // #nosec G115 -- at most MaxParts
	}
	obj, err := u.complete(ctx)
	u.parts = nil
	if err == nil {
		obj.Kept = obj.Size
		return obj, true
	}
	if errorCode(err) == codeNoSuchUpload {
		u.engine.opts.Warn(fmt.Sprintf("S3 no longer has the unfinished upload of %s: it starts afresh", s.Upload.File.Path))
		u.id, u.kept, u.repeated = "", nil, false
	}
	return Object{}, false
}
