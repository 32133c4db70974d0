package lambda

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
)

const (
	runtimeBase   = "/2018-06-01/runtime"
	extensionBase = "/2018-06-01/extension"
	stopGrace     = 2 * time.Second
	restartPause  = 100 * time.Millisecond
)

// errFunction is a function that failed, by its own word or by ending.
var errFunction = errors.New("the function failed")

// invocation is one event on its way.
type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	result   chan result              // of one element
	owner    atomic.Pointer[instance] // that it went to
}

type result struct {
	body []byte
	err  error
}

// invoke passes an event to the next instance that asks for one.
func (f *Function) invoke(ctx context.Context, payload []byte) ([]byte, error) {
	v := &invocation{id: awsquery.NewRequestID(f.cfg.Rand), payload: payload, result: make(chan result, 1)}
	select {
	case f.queue <- v:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-f.done:
		return nil, errFunction
	}
	timer := time.NewTimer(f.cfg.Timeout)
	defer timer.Stop()
	select {
	case r := <-v.result:
		return r.body, r.err
	case <-timer.C: // Lambda ends the process of an invocation that takes too long
		if owner := v.owner.Load(); owner != nil {
			owner.kill()
		}
		return nil, fmt.Errorf("%w: time-out", errFunction)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// instance is one child process and its runtime API.
type instance struct {
	f      *Function
	server *http.Server
	api    string // host:port
	ended  chan struct{}
	ready  chan struct{} // closed at the first poll

	mu       sync.Mutex
	process  *exec.Cmd
	current  *invocation
	polled   bool
	restarts int
}

func (f *Function) startInstance(ctx context.Context) (*instance, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i := &instance{f: f, api: listener.Addr().String(), ended: make(chan struct{}), ready: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+runtimeBase+"/invocation/next", i.next)
	mux.HandleFunc("POST "+runtimeBase+"/invocation/{id}/response", i.respond)
	mux.HandleFunc("POST "+runtimeBase+"/invocation/{id}/error", i.fail)
	mux.HandleFunc("POST "+runtimeBase+"/init/error", i.failInit)
	mux.HandleFunc("POST "+extensionBase+"/register", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Lambda-Extension-Identifier", awsquery.NewRequestID(f.cfg.Rand))
	})
	mux.HandleFunc("GET "+extensionBase+"/event/next", func(_ http.ResponseWriter, r *http.Request) {
		select { // no event but the end
		case <-r.Context().Done():
		case <-f.done:
		}
	})
	i.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = i.server.Serve(listener) }() // ends with Close
	if err := i.spawn(); err != nil {
		return nil, errors.Join(err, i.server.Close())
	}
	go i.supervise()
	return i, nil
}

// spawn starts the child. It lives on when the context of Start ends: Close stops it.
func (i *instance) spawn() error {
	cfg := i.f.cfg
	cmd := exec.CommandContext(context.Background(), cfg.Binary) //nolint:gosec // the sandbox runs what it is told to
	cmd.Stdout, cmd.Stderr = cfg.Logs, cfg.Logs
	env := map[string]string{
		"AWS_LAMBDA_RUNTIME_API": i.api, "AWS_LAMBDA_FUNCTION_NAME": cfg.Name, "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_EXECUTION_ENV": "AWS_Lambda_provided.al2023",
		"AWS_REGION": cfg.Region, "AWS_DEFAULT_REGION": cfg.Region, "_HANDLER": "bootstrap", "TZ": ":UTC", "LANG": "en_US.UTF-8",
	}
	for name, value := range cfg.Env {
		env[name] = value
	}
	cmd.Env = []string{}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run the bootstrap: %w", err)
	}
	i.process, i.polled = cmd, false
	return nil
}

// supervise starts the child anew whenever it ends by itself, as Lambda does for the next invocation.
func (i *instance) supervise() {
	defer close(i.ended)
	for {
		i.mu.Lock()
		cmd := i.process
		i.mu.Unlock()
		_ = cmd.Wait() // however it ended, what was under way has failed
		i.settle(result{err: fmt.Errorf("%w: its process ended", errFunction)})
		select {
		case <-i.f.done:
			return
		case <-time.After(restartPause):
		}
		i.mu.Lock()
		i.restarts++
		i.mu.Unlock()
		if err := i.spawn(); err != nil {
			_, _ = fmt.Fprintln(i.f.cfg.Logs, err)
			return
		}
	}
}

func (i *instance) awaitReady(ctx context.Context) error {
	timer := time.NewTimer(time.Minute) // Lambda gives its init phase 10 seconds, on a machine that nobody else uses
	defer timer.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-i.ready:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return errors.New("the bootstrap did not ask for an event within a minute")
		case <-tick.C:
			if n := i.restartCount(); n > 0 {
				return errors.New("the bootstrap ended before it asked for an event; see its logs")
			}
		}
	}
}

func (i *instance) restartCount() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.restarts
}

func (i *instance) kill() {
	i.mu.Lock()
	defer i.mu.Unlock()
	_ = i.process.Process.Kill() // it may have ended already
}

func (i *instance) stop() error {
	i.mu.Lock()
	process := i.process.Process
	i.mu.Unlock()
	_ = process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-i.ended:
	case <-time.After(stopGrace):
		_ = process.Kill()
		<-i.ended
	}
	return i.server.Close()
}

// next is the long poll for an event.
func (i *instance) next(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	if !i.polled {
		i.polled = true
		select {
		case <-i.ready:
		default:
			close(i.ready)
		}
	}
	i.mu.Unlock()
	select {
	case <-r.Context().Done():
	case <-i.f.done:
		w.WriteHeader(http.StatusGone)
	case v := <-i.f.queue:
		v.deadline = i.f.cfg.Now().Add(i.f.cfg.Timeout)
		i.mu.Lock()
		i.current = v
		v.owner.Store(i)
		i.mu.Unlock()
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", v.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(v.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", fmt.Sprintf("arn:%s:lambda:%s:%s:function:%s", i.f.cfg.Partition, i.f.cfg.Region, i.f.cfg.AccountID, i.f.cfg.Name))
		_, _ = w.Write(v.payload)
	}
}

func (i *instance) respond(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
	if err != nil || len(body) > maxPayload {
		i.settle(result{err: errFunction})
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	if !i.isCurrent(r.PathValue("id")) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	i.settle(result{body: bytes.Clone(body)})
	w.WriteHeader(http.StatusAccepted)
}

func (i *instance) fail(w http.ResponseWriter, r *http.Request) {
	if !i.isCurrent(r.PathValue("id")) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	i.settle(result{err: errFunction})
	w.WriteHeader(http.StatusAccepted)
}

func (i *instance) failInit(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusAccepted) // the child ends by itself now
}

func (i *instance) isCurrent(id string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.current != nil && i.current.id == id
}

func (i *instance) settle(r result) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.current != nil {
		i.current.result <- r
		i.current = nil
	}
}
