package s3

import (
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime"
)

// blob is a file of data. It never changes; it is removed once nothing refers to it.
type blob struct{ path string }

// segment is a stretch of a blob. An object is a list of segments: completing an upload and copying move no data.
type segment struct {
	blob         *blob
	offset, size int64 // bytes
}

// spill writes exactly size bytes of body into a new blob and into the hashes.
func (s *Service) spill(body io.Reader, size int64, hashes ...hash.Hash) (_ *blob, _ int64, err error) {
	f, err := os.CreateTemp(s.cfg.Dir, "data-")
	if err != nil {
		return nil, 0, fmt.Errorf("create a file for data: %w", err)
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	writers := []io.Writer{f}
	for _, h := range hashes {
		writers = append(writers, h)
	}
	n, err := io.CopyBuffer(io.MultiWriter(writers...), io.LimitReader(body, size+1), make([]byte, 256<<10))
	var f1 *failure
	switch {
	case errors.As(err, &f1):
		return nil, 0, f1
	case errors.Is(err, io.ErrUnexpectedEOF), err == nil && n != size:
		return nil, 0, errEnd
	case err != nil:
		return nil, 0, errEnd
	}
	b := &blob{path: f.Name()}
	runtime.AddCleanup(b, func(path string) { _ = os.Remove(path) }, b.path) // Close removes what is left
	return b, n, nil
}

// reader reads a range of a list of segments.
type reader struct {
	segments []segment
	file     *os.File
	current  io.Reader
}

// open returns a reader of size bytes from offset.
func open(segments []segment, offset, size int64) (*reader, error) {
	r := &reader{segments: cut(segments, offset, size)}
	return r, r.advance()
}

// cut returns the segments of a range.
func cut(segments []segment, offset, size int64) []segment {
	var out []segment
	for _, s := range segments {
		if offset >= s.size {
			offset -= s.size
			continue
		}
		n := min(s.size-offset, size)
		if n <= 0 {
			break
		}
		out = append(out, segment{s.blob, s.offset + offset, n})
		offset, size = 0, size-n
	}
	return out
}

func (r *reader) advance() error {
	if err := r.Close(); err != nil {
		return err
	}
	r.current = nil
	if len(r.segments) == 0 {
		return nil
	}
	next := r.segments[0]
	f, err := os.Open(next.blob.path)
	if err != nil {
		return fmt.Errorf("open data: %w", err)
	}
	r.file, r.current = f, io.NewSectionReader(f, next.offset, next.size)
	return nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	for r.current != nil {
		n, err := r.current.Read(p)
		if errors.Is(err, io.EOF) {
			r.segments = r.segments[1:]
			err = r.advance()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

// Close closes the file at hand.
func (r *reader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}
