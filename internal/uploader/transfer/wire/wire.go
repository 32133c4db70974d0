// Package wire makes the connections that bulk data goes through: TLS whose records are written and read many at a time.
//
// crypto/tls makes one system call for each record of 16 KiB, and net/http copies bodies through buffers of 4 and
// 32 KiB. For a transfer these calls cost more than the encryption. Nothing here changes what goes over the wire.
package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
)

const (
	block      = 256 << 10 // what is encrypted before it is written, and read before it is decrypted
	headerRoom = 32 << 10  // of net/http's own buffers: a request with a small body is one write
)

// Client is a copy of a client with an *http.Transport, which moves bulk data faster. It speaks HTTP/1.1, as S3 does.
// Connections through a proxy are net/http's own. Another client is returned as it is.
func Client(base *http.Client) *http.Client {
	t, ok := base.Transport.(*http.Transport)
	if !ok {
		return base
	}
	t = t.Clone()
	t.ForceAttemptHTTP2 = false
	t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	t.WriteBufferSize, t.ReadBufferSize = headerRoom, headerRoom
	t.DisableCompression = true
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.TLSClientConfig != nil {
		config = t.TLSClientConfig.Clone()
	}
	config.NextProtos = nil
	config.DynamicRecordSizingDisabled = true // the first byte is of no use before the last
	if config.ClientSessionCache == nil {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	dial, timeout := t.DialContext, t.TLSHandshakeTimeout
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		raw, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		return handshake(ctx, raw, address, config)
	}
	clone := *base
	clone.Transport = t
	return &clone
}

func handshake(ctx context.Context, raw net.Conn, address string, config *tls.Config) (net.Conn, error) {
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = address
		}
		config = config.Clone()
		config.ServerName = host
	}
	b := &batch{Conn: raw, in: bufio.NewReaderSize(raw, block/2)}
	c := &conn{Conn: tls.Client(b, config), records: b}
	if err := c.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return c, nil
}

// conn is a TLS connection that writes the records of one Write together.
type conn struct {
	*tls.Conn
	records *batch
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	c.records.hold()
	n, err := c.Conn.Write(p)
	if failed := c.records.flush(); err == nil && failed != nil {
		return 0, failed
	}
	return n, err
}

var blocks = sync.Pool{New: func() any { b := make([]byte, block); return &b }}

// ReadFrom implements io.ReaderFrom: net/http gives it the bodies of requests. It waits for a quarter of a block at
// least, so that the pieces that a body consists of do not become records of their own.
func (c *conn) ReadFrom(r io.Reader) (total int64, err error) {
	memory := blocks.Get().(*[]byte)
	defer blocks.Put(memory)
	for {
		n, err := io.ReadAtLeast(r, *memory, block/4)
		if n > 0 {
			written, failed := c.Write((*memory)[:n])
			total += int64(written)
			if failed != nil {
				return total, failed
			}
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return total, nil
		default:
			return total, err
		}
	}
}

// batch is the connection below TLS.
type batch struct {
	net.Conn
	in *bufio.Reader

	mu      sync.Mutex // TLS writes alerts and key updates while it reads
	holding bool
	out     *[]byte
}

// Read implements net.Conn. TLS asks for one record at a time.
func (b *batch) Read(p []byte) (int, error) { return b.in.Read(p) }

// Write implements net.Conn.
func (b *batch) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.holding {
		return b.Conn.Write(p)
	}
	if b.out == nil {
		b.out = sealed.Get().(*[]byte)
	}
	*b.out = append(*b.out, p...)
	return len(p), nil
}

// sealed are blocks as they go out, with the frames of their records.
var sealed = sync.Pool{New: func() any { b := make([]byte, 0, block+block/16); return &b }}

func (b *batch) hold() {
	b.mu.Lock()
	b.holding = true
	b.mu.Unlock()
}

func (b *batch) flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holding = false
	if b.out == nil {
		return nil
	}
	_, err := b.Conn.Write(*b.out)
	*b.out = (*b.out)[:0]
	sealed.Put(b.out)
	b.out = nil
	return err
}
