package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
)

// source is an open file that is being uploaded, as it was when it was opened.
type source struct {
	*os.File
	name string
	info fs.FileInfo
}

// Found is a file that was found in a directory. Others may write to that, so a symbolic link that has got the file's name
// is not followed.
type Found struct {
	Name string
	Is   *journal.Identity // which file it was; nil: any regular file that has the name
	Tree *os.Root          // what the file must lie in, although a directory above it may be a link by now; nil: not known
	Rel  string            // its name in Tree
}

func (f Found) open(follow bool) (*os.File, error) {
	if f.Tree != nil {
		return openWithin(f.Tree, f.Rel)
	}
	return open(f.Name, follow)
}

// openWithin opens a file of a tree, and no other that a link leads to.
func openWithin(tree *os.Root, name string) (*os.File, error) {
	f, err := tree.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	return unlinked(f, name, tree.Lstat)
}

// unlinked returns a file that was opened by a name, unless the name is a symbolic link's; then it closes it.
func unlinked(f *os.File, name string, lstat func(string) (fs.FileInfo, error)) (*os.File, error) {
	opened, err := f.Stat()
	named, lstatErr := lstat(name)
	if err = errors.Join(err, lstatErr); err == nil && !os.SameFile(opened, named) {
		err = errors.New("it is a symbolic link")
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// openSource opens the file; follow says whether what a symbolic link points to is taken.
func openSource(file Found, follow bool) (*source, error) {
	f, err := file.open(follow)
	if err != nil {
		return nil, local("open", file.Name, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		_ = f.Close()
		return nil, local("upload", file.Name, err)
	}
	if file.Is != nil {
		now, err := journal.Identify(file.Name, info)
		if err == nil && (!now.Same(*file.Is) || now.Device != file.Is.Device) {
			err = &ChangedError{What: "file " + file.Name}
		}
		if err != nil {
			_ = f.Close()
			return nil, err
		}
	}
	return &source{f, file.Name, info}, nil
}

func (s *source) size() int64 { return s.info.Size() }

// unchanged returns a *ChangedError if somebody wrote to the file since it was opened.
func (s *source) unchanged() error {
	now, err := s.Stat()
	if err != nil {
		return local("stat", s.name, err)
	}
	if now.Size() != s.size() || !now.ModTime().Equal(s.info.ModTime()) {
		return &ChangedError{What: "file " + s.name}
	}
	return nil
}

// section is the content of part number n, counted from 0.
func (s *source) section(n, part int64) *io.SectionReader {
	offset := n * part
	return io.NewSectionReader(s.File, offset, min(part, s.size()-offset))
}

// UploadFile stores a regular file under key. It opens the file once; a file whose size or modification time changes
// before the object is complete fails with a *ChangedError, and no object is made. With a journal, a multipart upload
// that fails stays as it is, for another UploadFile to go on with (*ResumableError); without one it is aborted.
func (e *Engine) UploadFile(ctx context.Context, name, key string, o ObjectOptions, m Meter) (Object, error) {
	src, err := openSource(Found{Name: name}, true)
	if err != nil {
		return Object{}, err
	}
	return e.upload(ctx, src, key, o, m)
}

// UploadFound is UploadFile for a file that was found in a directory. One that is another by now fails with a *ChangedError
// before anything is sent.
func (e *Engine) UploadFound(ctx context.Context, file Found, key string, o ObjectOptions, m Meter) (Object, error) {
	src, err := openSource(file, false)
	if err != nil {
		return Object{}, err
	}
	return e.upload(ctx, src, key, o, m)
}

func (e *Engine) upload(ctx context.Context, src *source, key string, o ObjectOptions, m Meter) (Object, error) {
	defer func() { _ = src.Close() }()
	part, err := planPartSize(src.size(), e.opts.PartSize)
	if err != nil {
		return Object{}, &LocalError{Doing: "upload " + src.name, Err: err}
	}
	o.Algorithm = e.opts.Algorithm
	switch {
	case src.size() <= min(part, DefaultPartSize):
		return e.put(ctx, key, io.NewSectionReader(src.File, 0, src.size()), src.size(), o, orNone(m), src.unchanged)
	case e.opts.Journal != nil:
		return e.uploadResumable(ctx, src, key, part, o, orNone(m))
	}
	return e.multipart(ctx, key, o, src.unchanged, src.feed(part, orNone(m)))
}

// feed sends all parts of the file that the upload does not have.
func (s *source) feed(part int64, m Meter) func(context.Context, *upload) error {
	return func(ctx context.Context, u *upload) error {
		for n := range parts(s.size(), part) {
			section := s.section(n, part)
			if u.keeps(section.Size(), m) {
				continue
			}
			if err := u.send(ctx, section, section.Size(), m, func() {}); err != nil {
				return err
			}
		}
		return nil
	}
}

// put stores an object with one request. unchanged runs before the last byte goes out, so that S3 never has all of
// a file that changed.
func (e *Engine) put(ctx context.Context, key string, src io.ReadSeeker, size int64, o ObjectOptions, m Meter, unchanged func() error) (Object, error) {
	if err := e.gate.acquire(ctx); err != nil {
		return Object{}, err
	}
	defer e.gate.release()
	t := e.tap(ctx, src, size, m)
	t.last = unchanged
	var obj Object
	var lost *Checksum // of an attempt that sent everything and got no answer: S3 may have the object
	err := e.try(ctx, "put object", key, func(ctx context.Context, w *watchdog) error {
		body, err := t.attempt(ctx, w)
		if err != nil {
			return local("read", "the data of "+key, err)
		}
		obj, err = e.store.Put(ctx, key, body, o)
		switch {
		case lost != nil && errorCode(err) == codePreconditionFailed:
			obj, err = e.landed(ctx, key, size, *lost, err)
			return err
		case err != nil:
			if p := t.piece(); p.size == t.size && unanswered(err) {
				lost = &Checksum{t.algorithm, encodeSum(p.sum), false}
			}
			return whyOf(err, unchanged)
		}
		ours, err := t.confirmed(key, obj.Checksum)
		obj.Checksum = ours
		return err
	})
	if err != nil {
		return Object{}, err
	}
	obj.Key, obj.Size = key, size
	return obj, nil
}

// landed finds out whether the object is there because an earlier request, whose answer was lost, has made it: then it has
// our checksum. Without the permission to read, or without checksums, nobody knows, and the error stays and says so.
func (e *Engine) landed(ctx context.Context, key string, size int64, ours Checksum, because error) (Object, error) {
	obj, err := e.store.Head(ctx, key)
	switch {
	case err != nil && Denied(err), err == nil && obj.Size == size && (ours.Value == "" || obj.Checksum.Value == ""):
		return Object{}, fmt.Errorf("%w; a request before it, whose answer was lost, may have made the object", because)
	case err != nil, obj.Size != size, obj.Checksum != ours:
		return Object{}, because
	}
	return obj, nil
}

// whyOf is the reason for a failed request: that the file changed, which makes it fail in many ways, or the error.
func whyOf(err error, unchanged func() error) error {
	if changed := unchanged(); changed != nil {
		return changed
	}
	return err
}

// confirmed compares what was read for a request with what S3 says it got, and returns our checksum.
func (t *tap) confirmed(key string, theirs Checksum) (Checksum, error) {
	p := t.piece()
	if p.size != t.size {
		return Checksum{}, fmt.Errorf("object %s: %d of %d bytes were sent", key, p.size, t.size)
	}
	if t.algorithm == None {
		return Checksum{}, nil
	}
	ours := Checksum{t.algorithm, encodeSum(p.sum), false}
	return ours, verify(key, ours, theirs)
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
