// Package service lets the program run as a Windows service: the service control manager starts it with its usual
// command line, learns when it is ready, and asks it to reload or to end. Elsewhere Run does nothing, since services are
// processes like any other there, and systemd is told by sd_notify.
//
// What the commands do is none of this package's business.
package service

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
)

// Control is what a program has of the manager that runs it.
type Control struct {
	Stderr io.Writer          // the event log; a service has no terminal
	Notify func(state string) // takes the states of sd_notify(3); READY=1 means running
	Reload <-chan struct{}    // asks for configuration and secret to be read again
}

// Program runs until it is done or its context ends, and returns an exit code.
type Program func(context.Context, Control) int

// ready reports whether a state of sd_notify(3) says that the service runs.
func ready(state string) bool {
	for line := range strings.Lines(state) {
		if strings.TrimSpace(line) == "READY=1" {
			return true
		}
	}
	return false
}

// lines hands whole lines over, one at a time and without their ends. A line of more than 30,000 bytes is handed over in
// pieces: the event log takes no longer one.
type lines struct {
	each func(line string)

	mu   sync.Mutex
	rest []byte
}

const longestLine = 30_000

// Write implements io.Writer. It never fails.
func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, text...)
	for {
		end := bytes.IndexByte(l.rest, '\n')
		switch {
		case end >= 0 && end <= longestLine:
			l.each(strings.TrimSuffix(string(l.rest[:end]), "\r"))
			l.rest = l.rest[end+1:]
		case len(l.rest) > longestLine:
			l.each(string(l.rest[:longestLine]))
			l.rest = l.rest[longestLine:]
		default:
			return len(text), nil
		}
	}
}

// serious reports whether a line is an error, as the terminal's rules and the log's text and JSON forms write one.
func serious(line string) bool {
	return strings.HasPrefix(line, "error: ") || strings.Contains(line, "level=ERROR") || strings.Contains(line, `"level":"ERROR"`)
}
