//go:build unix

package serve

import (
	"errors"
	"syscall"
)

// limitHops keeps every packet of the socket from passing a router, IPv4 or IPv6, whichever the socket is.
func limitHops(c syscall.RawConn) error {
	var v4, v6 error
	err := c.Control(func(fd uintptr) {
		v4 = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_TTL, 1)              // #nosec G115 -- a descriptor
		v6 = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_UNICAST_HOPS, 1) // #nosec G115 -- a descriptor
	})
	if err != nil {
		return err
	}
	if v4 != nil && v6 != nil {
		return errors.Join(v4, v6)
	}
	return nil
}
