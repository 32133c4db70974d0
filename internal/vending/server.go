package vending

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

const (
	maxHeaderBytes  = 32 << 10
	shutdownTimeout = 15 * time.Second
)

// ServeHTTP is the front of the HTTPS server.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := s.Answer(r.Context(), Request{
		Method: r.Method, Path: r.URL.Path, Authorization: r.Header.Values("Authorization"), ID: newRequestID(),
	})
	for name, value := range out.Header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(out.Body)))
	w.WriteHeader(out.Status)
	_, _ = w.Write(out.Body) // the client has gone: nobody to tell
}

func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: https://pkg.go.dev/crypto/rand#Read
	return hex.EncodeToString(b[:])
}

// Serve answers on the listener over TLS until ctx ends, then lets requests under way finish. The key pair is read again
// when its files change, so that a renewed certificate needs no restart. The service is of no use afterwards.
func (s *Service) Serve(ctx context.Context, listener net.Listener, certFile, keyFile string) error {
	defer s.stop()
	pair := &keyPair{certFile: certFile, keyFile: keyFile}
	if _, err := pair.get(nil); err != nil {
		return err
	}
	server := &http.Server{
		Handler:           s,
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get},
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 15 * time.Second, IdleTimeout: 60 * time.Second,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // handshakes that port scanners give up
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(listener, "", "") }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		return errors.Join(fmt.Errorf("shut down: %w", err), server.Close())
	}
	return nil
}

// keyPair is the server's certificate and key, from files.
type keyPair struct {
	certFile, keyFile string

	mu       sync.Mutex
	loaded   *tls.Certificate
	modified time.Time // the later of the two files'
}

// get implements tls.Config.GetCertificate. Files that cannot be read leave the pair as it is: a renewal may be under way.
func (p *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	modified, err := latestChange(p.certFile, p.keyFile)
	if err == nil && (p.loaded == nil || !modified.Equal(p.modified)) {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(p.certFile, p.keyFile); err == nil {
			p.loaded, p.modified = &pair, modified
		}
	}
	if p.loaded == nil {
		return nil, fmt.Errorf("load certificate and key: %w", err)
	}
	return p.loaded, nil
}

func latestChange(files ...string) (latest time.Time, err error) {
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return latest, err
		}
		if info.ModTime().After(latest) {
			latest = info.ModTime()
		}
	}
	return latest, nil
}
