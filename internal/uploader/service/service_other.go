//go:build !windows

package service

// Run reports that nothing runs this program as a Windows service.
func Run(Program) (code int, ran bool, err error) { return 0, false, nil }
