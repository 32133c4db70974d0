//go:build !unix

package serve

import "syscall"

// limitHops is a hope here: the system's sockets have another interface for it, and loopback passes no router anyway.
func limitHops(syscall.RawConn) error { return nil }
