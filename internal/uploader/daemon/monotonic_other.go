//go:build !linux

package daemon

// Monotonic is empty: there is no systemd.
func Monotonic() string { return "" }
