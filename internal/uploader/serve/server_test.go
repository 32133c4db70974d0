package serve

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener without a network, so that tests need not wait for real time to pass.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial returns when the connection is accepted.
func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// run serves over pipes until stop is called.
func run(t *testing.T, h http.HandlerFunc) (l *pipes, stop func()) {
	t.Helper()
	l = &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, l, h) }()
	return l, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

const request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

// TestConnectionsAreBounded: those beyond the bound wait, and are served when others end.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var accepted, served atomic.Int32
		l, stop := run(t, func(http.ResponseWriter, *http.Request) { served.Add(1); <-release })
		var all sync.WaitGroup
		for range mostConnections + 10 {
			all.Go(func() {
				c := l.dial()
				defer func() { _ = c.Close() }()
				accepted.Add(1)
				if _, err := io.WriteString(c, request); err != nil {
					t.Error(err)
				}
				if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != http.StatusOK {
					t.Errorf("no answer: %v", err)
				}
			})
		}
		synctest.Wait()
		if accepted.Load() != mostConnections || served.Load() != mostConnections {
			t.Errorf("%d connections accepted and %d requests served at once, want %d", accepted.Load(), served.Load(), mostConnections)
		}
		close(release)
		all.Wait()
		if served.Load() != mostConnections+10 {
			t.Errorf("%d requests served in all", served.Load())
		}
		stop()
	})
}

// TestConnectionsAreNotHeld has clients that say nothing, nothing more, half of something, or do not listen.
func TestConnectionsAreNotHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, stop := run(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") })
		for name, tc := range map[string]struct {
			says   string
			hears  bool
			within time.Duration
		}{
			"silent":     {"", false, headerTime},
			"half":       {"GET / HTTP/1.1\r\nHos", false, headerTime},
			"idle":       {request, true, idleTime},
			"never read": {request, false, answerTime},
		} {
			c := l.dial()
			if _, err := io.WriteString(c, tc.says); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if tc.hears {
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
			}
			time.Sleep(tc.within + time.Second)
			_ = c.SetReadDeadline(time.Now().Add(time.Second)) // fails on a pipe that is closed, as it should be
			// Half a request may be told so. Nobody waits with an answer for whoever comes back after so long.
			if left, err := io.ReadAll(c); err != nil || strings.Contains(string(left), " 200 ") {
				t.Errorf("%s: the connection is still there after %v: %q, %v", name, tc.within, left, err)
			}
			_ = c.Close()
		}
		stop()
	})
}
