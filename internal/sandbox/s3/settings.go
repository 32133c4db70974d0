package s3

import (
	"io"
	"sync/atomic"
)

// settings are the switches for tests of clients. They may be changed at any time.
type settings struct {
	refuseTrailers atomic.Bool
	corrupt        atomic.Bool
	truncate       atomic.Bool
}

// RefuseTrailers makes the service answer 501 to a body with trailers, as some S3-compatible servers do.
func (s *Service) RefuseTrailers(on bool) { s.settings.refuseTrailers.Store(on) }

// CorruptNextGet changes one byte of the next object that is read; its headers tell of the right data.
func (s *Service) CorruptNextGet() { s.settings.corrupt.Store(true) }

// TruncateNextGet ends the connection half way through the next object that is read.
func (s *Service) TruncateNextGet() { s.settings.truncate.Store(true) }

// disturb returns the data as the switches want them.
func (s *settings) disturb(data io.Reader, size int64) io.Reader {
	if size > 0 && s.corrupt.CompareAndSwap(true, false) {
		return &corrupted{in: data, at: size / 2}
	}
	if size > 0 && s.truncate.CompareAndSwap(true, false) {
		return io.MultiReader(io.LimitReader(data, size/2), endEarly{})
	}
	return data
}

// corrupted flips the byte at an offset.
type corrupted struct {
	in io.Reader
	at int64
}

func (c *corrupted) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	if c.at >= 0 && c.at < int64(n) {
		p[c.at] ^= 0xff
	}
	c.at -= int64(n)
	return n, err
}

type endEarly struct{}

func (endEarly) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
