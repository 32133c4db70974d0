package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Listen opens a port on a loopback address, and on no other: "127.0.0.1:0", "[::1]:9911", "localhost:9911".
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: want HOST:PORT", address)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("listen on %s: only a loopback address is served, such as 127.0.0.1", address)
	}
	return config.Listen(ctx, "tcp", net.JoinHostPort(host, port))
}

// Run serves until the context ends, lets requests under way finish for a few seconds, and closes the listener.
func Run(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		_ = server.Shutdown(grace) // a client that does not let go is left behind
		close(stopped)
	})
	err := server.Serve(l)
	if !stop() { // the context ended
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
