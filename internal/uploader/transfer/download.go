package transfer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/disk"
)

// DownloadFile writes an object to the file name. The bytes go to a temporary file beside it, which takes its place
// only once size and checksum are right and the disk has them; whatever fails before that leaves an existing file as
// it was. An object that is replaced meanwhile fails with a *ChangedError.
func (e *Engine) DownloadFile(ctx context.Context, key, name string, m Meter) (Object, error) {
	obj, err := e.store.Head(ctx, key)
	if err != nil {
		return Object{}, err
	}
	if s, ok := m.(sized); ok {
		s.Total(obj.Size)
	}
	mode := fs.FileMode(0o666) // less the umask: that of new files
	if info, err := os.Stat(name); err == nil {
		if !info.Mode().IsRegular() { // a device, say, which must not be replaced
			return Object{}, local("replace", name, errors.New("not a regular file"))
		}
		mode = 0o600 // its own may be as narrow
	}
	f, err := createBeside(name, mode)
	if err != nil {
		return Object{}, local("create a file in", filepath.Dir(name), err)
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name()) // gone already where all went well
	}()
	if err := e.fill(ctx, f, obj, orNone(m)); err != nil {
		return Object{}, err
	}
	if info, err := os.Stat(name); err == nil { // a file that is replaced keeps its mode
		if err := f.Chmod(info.Mode().Perm()); err != nil {
			return Object{}, local("write", name, err)
		}
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return Object{}, local("write", name, err)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return Object{}, local("replace", name, err)
	}
	_ = disk.SyncDir(filepath.Dir(name)) // not every file system can, and the file is there
	return obj, nil
}

// createBeside makes a new file in the directory of name, with a mode less the umask.
func createBeside(name string, mode fs.FileMode) (*os.File, error) {
	unique := fmt.Sprintf(".oidcs3-%s.part", rand.Text())
	return os.OpenFile(filepath.Join(filepath.Dir(name), unique), os.O_RDWR|os.O_CREATE|os.O_EXCL, mode) // #nosec G304 -- the user names the directory
}

// fill reads all ranges of the object in parallel, and checks what it has read.
func (e *Engine) fill(ctx context.Context, f *os.File, obj Object, m Meter) error {
	size, err := planPartSize(obj.Size, e.opts.PartSize)
	if err != nil {
		return err
	}
	algorithm := None
	if !obj.Checksum.Composite && obj.Checksum.Algorithm.fullObject() {
		algorithm = obj.Checksum.Algorithm
	}
	pieces := make([]piece, parts(obj.Size, size))
	group, groupCtx := errgroup.WithContext(ctx)
	for i := range pieces {
		if err := e.gate.acquire(groupCtx); err != nil {
			break // the group knows why
		}
		offset := int64(i) * size
		group.Go(func() (err error) {
			defer e.gate.release()
			pieces[i], err = e.fetch(groupCtx, f, obj, offset, min(size, obj.Size-offset), algorithm, m)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if algorithm != None {
		return verify(obj.Key, algorithm.combine(pieces), obj.Checksum)
	}
	return e.verifyFile(f, obj)
}

// verifyFile reads the file again for a checksum that cannot be combined from its ranges. Checksums of checksums
// (composite ones) cannot be compared without the parts' sizes; size and ETag are what speaks for those objects.
func (e *Engine) verifyFile(f *os.File, obj Object) error {
	h := obj.Checksum.Algorithm.newHash()
	if h == nil || obj.Checksum.Composite {
		e.opts.Log.Info("no checksum of the whole object to compare with", "key", obj.Key)
		return nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return local("read", f.Name(), err)
	}
	if _, err := io.Copy(h, f); err != nil {
		return local("read", f.Name(), err)
	}
	return verify(obj.Key, Checksum{obj.Checksum.Algorithm, encodeSum(h.Sum(nil)), false}, obj.Checksum)
}

// fetch writes one range of the object to the file, and takes up a connection that breaks off.
func (e *Engine) fetch(ctx context.Context, f io.WriterAt, obj Object, offset, length int64, a Algorithm, m Meter) (piece, error) {
	h := a.newHash()
	var sinks []io.Writer
	sinks = append(sinks, &diskWriter{io.NewOffsetWriter(f, offset)})
	if h != nil {
		sinks = append(sinks, h)
	}
	if err := e.copyRange(ctx, io.MultiWriter(sinks...), obj, offset, length, m); err != nil {
		return piece{}, err
	}
	if h == nil {
		return piece{size: length}, nil
	}
	return piece{sum: h.Sum(nil), size: length}, nil
}

// DownloadStream writes an object to w, in order. What was written before a failure stays written: the caller's exit
// code says that it is not the whole object.
func (e *Engine) DownloadStream(ctx context.Context, key string, w io.Writer, m Meter) (Object, error) {
	obj, err := e.store.Head(ctx, key)
	if err != nil {
		return Object{}, err
	}
	h := obj.Checksum.Algorithm.newHash()
	sink := io.Writer(&diskWriter{w})
	if h != nil && !obj.Checksum.Composite {
		sink = io.MultiWriter(sink, h)
	}
	if err := e.copyRange(ctx, sink, obj, 0, obj.Size, orNone(m)); err != nil {
		return Object{}, err
	}
	if h != nil && !obj.Checksum.Composite {
		err = verify(key, Checksum{obj.Checksum.Algorithm, encodeSum(h.Sum(nil)), false}, obj.Checksum)
	}
	return obj, err
}

// progress is how much of a range has to arrive before a connection that breaks off is taken up as if it were the first.
const progress = 1 << 20

// copyRange writes length bytes from offset to w, and takes up connections that break off where they broke off.
func (e *Engine) copyRange(ctx context.Context, w io.Writer, obj Object, offset, length int64, m Meter) error {
	var done int64
	for done < length {
		before := done
		err := e.try(ctx, "get object", obj.Key, func(ctx context.Context, dog *watchdog) error {
			n, err := e.copyOnce(ctx, w, obj, offset+done, length-done, m, dog)
			done += n
			if err == nil && done < length {
				err = io.ErrUnexpectedEOF
			}
			if done == length {
				return nil
			}
			return err
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && (done-before < progress || !judge(err).again):
			return err
		}
	}
	return nil
}

func (e *Engine) copyOnce(ctx context.Context, w io.Writer, obj Object, offset, length int64, m Meter, dog *watchdog) (int64, error) {
	body, err := e.store.Get(ctx, obj.Key, obj.ETag, offset, length)
	if err != nil {
		return 0, err
	}
	defer func() { _ = body.Close() }()
	memory := blocks.Get().(*[]byte)
	defer blocks.Put(memory)
	in := &inbound{ctx: ctx, src: body, meter: m, engine: e, watchdog: dog}
	var done int64
	for done < length {
		n, err := io.ReadFull(in, (*memory)[:min(int64(len(*memory)), length-done)])
		written, failed := w.Write((*memory)[:n])
		done += int64(written)
		switch {
		case failed != nil:
			return done, failed
		case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
			return done, fmt.Errorf("get object %s: the connection ended at byte %d: %w", obj.Key, offset+done, io.ErrUnexpectedEOF)
		case err != nil:
			return done, failedAt(obj.Key, offset+done, err)
		}
	}
	return done, nil
}

// failedAt wraps an error that came in the middle of a body.
func failedAt(key string, offset int64, err error) error {
	return &S3Error{Doing: fmt.Sprintf("get byte %d of object", offset), Key: key, Err: err}
}

// blocks are what downloads are read into: large enough that system calls do not count, small enough for the caches.
var blocks = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// diskWriter marks failures to write as ours, not S3's.
type diskWriter struct{ w io.Writer }

func (d *diskWriter) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	if err != nil {
		return n, local("write", "the downloaded object", err)
	}
	return n, nil
}

// inbound counts and slows down what is read of an object.
type inbound struct {
	ctx      context.Context
	src      io.Reader
	meter    Meter
	engine   *Engine
	watchdog *watchdog
}

func (r *inbound) Read(p []byte) (int, error) {
	l := r.engine.limiter
	if l != nil && len(p) > l.Burst() {
		p = p[:l.Burst()]
	}
	n, err := r.src.Read(p)
	r.meter.Add(int64(n))
	r.watchdog.moved()
	if l != nil && n > 0 {
		if wait := l.WaitN(r.ctx, n); wait != nil {
			return n, wait
		}
	}
	return n, err
}
