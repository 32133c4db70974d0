package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
)

// Bounds of what programs on this host can hold. A request takes a moment and comes once in a while; each connection beyond
// the bound waits for another to end, and none is held for nothing.
const (
	mostConnections = 256
	headerTime      = 5 * time.Second // for a request to come, once there is a connection
	idleTime        = 15 * time.Second
	answerTime      = 2 * time.Minute // from a request to the end of its answer, a renewal with its retries between them
)

// AddressError says that an address cannot be meant. Other errors of listening are the moment's: a port that is in use, an
// address that the host does not have yet.
type AddressError struct{ Address, Reason string }

func (e *AddressError) Error() string { return "listen on " + e.Address + ": " + e.Reason }

// Listen opens a port on a loopback address, and on no other: "127.0.0.1:0", "[::1]:9911", "localhost:9911". Of what cannot
// be meant it says *AddressError.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	return listen(ctx, address, true)
}

// ListenAnywhere opens a port on any address of this host. Errors are as Listen's.
func ListenAnywhere(ctx context.Context, address string) (net.Listener, error) {
	return listen(ctx, address, false)
}

// listen makes sockets whose packets pass no router, as the instance metadata service's do by default (hop limit 1): a
// forwarded port or a container's network does not carry credentials away. Connections inherit it from the listener.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-IMDS-new-instances.html
func listen(ctx context.Context, address string, onlyLoopback bool) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &AddressError{address, "want HOST:PORT"}
	}
	if _, err := net.DefaultResolver.LookupPort(ctx, "tcp", port); err != nil {
		return nil, &AddressError{address, "there is no port " + port}
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); onlyLoopback && (err != nil || !ip.IsLoopback()) {
		return nil, &AddressError{address, "only a loopback address is served, such as 127.0.0.1"}
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return limitHops(c) }}
	return config.Listen(ctx, "tcp", net.JoinHostPort(host, port))
}

// Run serves until the context ends, lets requests under way finish for a few seconds, and closes the listener. It holds
// mostConnections at once.
func Run(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: headerTime, ReadTimeout: 2 * headerTime,
		WriteTimeout: answerTime, IdleTimeout: idleTime, MaxHeaderBytes: 16 << 10}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		_ = server.Shutdown(grace) // a client that does not let go is left behind
		close(stopped)
	})
	err := server.Serve(netutil.LimitListener(l, mostConnections))
	if !stop() { // the context ended
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
