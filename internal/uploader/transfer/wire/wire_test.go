package wire

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func echo(t *testing.T, maximum uint16) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("the request came as %s", r.Proto)
		}
		content, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		_, _ = w.Write(content)
	}))
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: maximum}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestBytesArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := echo(t, version)
		c := Client(s.Client())
		var requests sync.WaitGroup
		for _, size := range []int{0, 1, 100, 16 << 10, headerRoom, block - 1, block, block + 1, 3*block + 7, 5 << 20} {
			requests.Go(func() {
				content := make([]byte, size)
				_, _ = rand.Read(content)
				for _, body := range []io.Reader{bytes.NewReader(content), struct{ io.Reader }{bytes.NewReader(content)}} {
					resp, err := c.Post(s.URL, "application/octet-stream", body)
					if err != nil {
						t.Errorf("%d bytes: %v", size, err)
						return
					}
					got, err := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					if err != nil || sha256.Sum256(got) != sha256.Sum256(content) {
						t.Errorf("%d bytes: %d other bytes came back, %v", size, len(got), err)
					}
				}
			})
		}
		requests.Wait()
	}
}

func TestCertificateIsChecked(t *testing.T) {
	t.Parallel()
	s := echo(t, tls.VersionTLS13)
	if _, err := Client(&http.Client{Transport: &http.Transport{}}).Get(s.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
	elsewhere := strings.Replace(s.URL, "127.0.0.1", "localhost", 1) // the test's certificate is for example.com and 127.0.0.1
	var name *tls.CertificateVerificationError
	if _, err := Client(s.Client()).Get(elsewhere); !errors.As(err, &name) {
		t.Errorf("another name: %v", err)
	}
}

func TestBodyThatFails(t *testing.T) {
	t.Parallel()
	s := echo(t, tls.VersionTLS13)
	broken := errors.New("broken")
	body := io.MultiReader(bytes.NewReader(make([]byte, block)), readerFunc(func([]byte) (int, error) { return 0, broken }))
	if _, err := Client(s.Client()).Post(s.URL, "text/plain", body); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestHandshakeEnds(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) // speaks no TLS, and waits
	t.Cleanup(s.Close)
	c := Client(&http.Client{Transport: &http.Transport{TLSHandshakeTimeout: 50 * time.Millisecond}})
	start := time.Now()
	if _, err := c.Get(strings.Replace(s.URL, "http:", "https:", 1)); err == nil || time.Since(start) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

func BenchmarkPut(b *testing.B) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer s.Close()
	content := make([]byte, 16<<20)
	for name, c := range map[string]*http.Client{"plain": s.Client(), "wire": Client(s.Client())} {
		b.Run(fmt.Sprint(name), func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				resp, err := c.Post(s.URL, "text/plain", struct{ io.Reader }{bytes.NewReader(content)})
				if err != nil {
					b.Fatal(err)
				}
				_ = resp.Body.Close()
			}
		})
	}
}
