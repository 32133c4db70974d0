// Package lambda is the sandbox's AWS Lambda behind an HTTP API: it runs a bootstrap binary as the runtime provided.al2023
// does, in child processes that poll the Lambda runtime API, and passes them HTTP requests as events of payload format
// 2.0. What the function does is none of its business.
//
// Sources: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
package lambda

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

// Config is what a Function needs.
type Config struct {
	Binary    string            // path of the bootstrap
	Env       map[string]string // the function's whole environment, beside what Lambda adds
	Name      string            // of the function; also its name in the journal; default "vending"
	Stage     string            // of the HTTP API; default "$default", which is not part of the path
	Instances int               // how many invocations may run at once; default 1
	Timeout   time.Duration     // of one invocation; default 10 s
	Logs      io.Writer         // stdout and stderr of the instances; nil discards them
	Now       func() time.Time
	Rand      io.Reader // of request ids, safe for concurrent use; nil means crypto/rand
	AccountID string
	Region    string
	Partition string
}

// maxIntegration is the longest that an HTTP API waits for a function.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
const maxIntegration = 30 * time.Second

// Function is a running function. It is an edge.Service: the HTTP API in front of it.
type Function struct {
	cfg       Config
	queue     chan *invocation
	instances []*instance
	done      chan struct{}
	close     sync.Once
}

var _ edge.Service = (*Function)(nil)

// Start runs the function's instances and returns once each has asked for its first event. Close ends them.
func Start(ctx context.Context, cfg Config) (*Function, error) {
	if cfg.Name == "" {
		cfg.Name = "vending"
	}
	if cfg.Stage == "" {
		cfg.Stage = defaultStage
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	cfg.Timeout = min(cfg.Timeout, maxIntegration)
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Logs == nil {
		cfg.Logs = io.Discard
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Logs = &lockedWriter{to: cfg.Logs}
	f := &Function{cfg: cfg, queue: make(chan *invocation), done: make(chan struct{})}
	for range max(cfg.Instances, 1) {
		i, err := f.startInstance(ctx)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("start function %s: %w", cfg.Name, err), f.Close())
		}
		f.instances = append(f.instances, i)
	}
	for _, i := range f.instances {
		if err := i.awaitReady(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("start function %s: %w", cfg.Name, err), f.Close())
		}
	}
	return f, nil
}

// Close ends the instances: SIGTERM, and SIGKILL after two seconds.
func (f *Function) Close() error {
	var problems []error
	f.close.Do(func() {
		close(f.done)
		for _, i := range f.instances {
			problems = append(problems, i.stop())
		}
	})
	return errors.Join(problems...)
}

// Name implements edge.Service.
func (f *Function) Name() string { return f.cfg.Name }

// Operation implements edge.Service.
func (f *Function) Operation(r *http.Request) string { return r.Method + " " + r.URL.Path }

// Refuse implements edge.Service, in the form of an HTTP API's own errors.
func (f *Function) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	f.refuse(w, awsquery.NewRequestID(f.cfg.Rand), status)
}

func (f *Function) refuse(w http.ResponseWriter, requestID string, status int) {
	message := http.StatusText(status)
	if status == http.StatusTooManyRequests {
		message = "Too Many Requests"
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Apigw-Requestid", requestID)
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "{\"message\":%q}", message) // the client has gone: nobody to tell
}

// State tells how many instances run and how often one had to be started anew.
func (f *Function) State(context.Context) any {
	out := struct {
		Function  string `json:"function"`
		Instances int    `json:"instances"`
		Restarts  int    `json:"restarts"`
	}{Function: f.cfg.Name, Instances: len(f.instances)}
	for _, i := range f.instances {
		out.Restarts += i.restartCount()
	}
	return out
}

// lockedWriter keeps the lines of several instances apart.
type lockedWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(b)
}
