package service

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
)

// source is the event log's name for the program.
const source = "oidcs3-upload"

// eventID is of every event: the text says what happened. EventCreate.exe, which shows the text of a source that is
// registered with it, knows the ids 1 to 1000.
const eventID = 1

// Run runs the program as a service where the service control manager has started this process, and reports whether it
// did. It returns when the service has ended.
func Run(program Program) (code int, ran bool, err error) {
	is, err := svc.IsWindowsService()
	if err != nil || !is {
		return 0, false, err
	}
	log, err := eventlog.Open(source)
	if err != nil {
		return 0, true, fmt.Errorf("open event log: %w", err)
	}
	h := &handler{program: program, log: log}
	// The name is of no matter to a service that has a process of its own.
	err = errors.Join(svc.Run(source, h), log.Close())
	return h.code, true, err
}

type handler struct {
	program Program
	log     *eventlog.Log
	code    int
}

// Execute implements svc.Handler: it passes requests on until the program ends.
// https://learn.microsoft.com/windows/win32/services/service-control-handler-function
func (h *handler) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (specific bool, code uint32) {
	const accepts = svc.AcceptStop | svc.AcceptShutdown | svc.AcceptParamChange
	status <- svc.Status{State: svc.StartPending}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	running, reload, ended := make(chan struct{}, 1), make(chan struct{}, 1), make(chan int, 1)
	control := Control{Stderr: &lines{each: h.write}, Reload: reload, Notify: func(state string) {
		if ready(state) {
			offer(running)
		}
	}}
	go func() { ended <- h.program(ctx, control) }()
	current := svc.Status{State: svc.StartPending}
	for {
		select {
		case <-running:
			if current.State == svc.StartPending {
				current = svc.Status{State: svc.Running, Accepts: accepts}
				status <- current
			}
		case h.code = <-ended:
			status <- svc.Status{State: svc.StopPending}
			return h.code != 0, uint32(h.code) // #nosec G115 -- an exit code of ours, 0 to 130
		case request := <-requests:
			switch request.Cmd {
			case svc.Interrogate:
				status <- current
			case svc.ParamChange:
				offer(reload)
				status <- current
			case svc.Stop, svc.Shutdown:
				current = svc.Status{State: svc.StopPending}
				status <- current
				stop()
			}
		}
	}
}

// offer asks once: what has not been looked at yet is not asked for again.
func offer(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (h *handler) write(line string) {
	put := h.log.Info
	if serious(line) {
		put = h.log.Error
	}
	_ = put(eventID, line) // there is nobody else to tell
}
