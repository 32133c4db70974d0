package daemon

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Monotonic is the line that systemd wants beside RELOADING=1; empty where there is no such clock.
func Monotonic() string {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return ""
	}
	return fmt.Sprintf("MONOTONIC_USEC=%d", t.Nano()/1000)
}
