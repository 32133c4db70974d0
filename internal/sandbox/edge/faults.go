package edge

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Kinds of fault. "429", "500" and "503" refuse before the call takes effect.
const (
	TooManyRequests    = "429"
	InternalError      = "500"
	ServiceUnavailable = "503"
	DropBefore         = "drop-before" // the connection closes, nothing happened
	DropAfter          = "drop-after"  // the call takes effect, the connection closes without an answer
	ErrorAfter         = "error-after" // the call takes effect, the answer is Status (default 500)
	Slow               = "slow"        // the call waits DelayMS first
	Stale              = "stale"       // reads see the state of DelayMS ago
)

// Fault is one rule. It applies to calls of Service (empty: any) whose operation is Operation (empty: any), to the Nth
// such call from now (1 is the next; 0 is every call), Times times (0: once for an Nth rule, for ever otherwise).
type Fault struct {
	Service    string `json:"service"`
	Operation  string `json:"operation"`
	Nth        int    `json:"nth"`
	Times      int    `json:"times"`
	Kind       string `json:"kind"`
	Status     int    `json:"status,omitempty"`
	DelayMS    int    `json:"delay_ms,omitempty"` // default 30,000
	RetryAfter string `json:"retry_after,omitempty"`

	seen, fired int
}

// Delay is how long a slow call waits, how far back a stale read looks.
func (f Fault) Delay() time.Duration {
	if f.DelayMS == 0 {
		return 30 * time.Second
	}
	return time.Duration(f.DelayMS) * time.Millisecond
}

func (f Fault) status() int {
	if f.Status != 0 {
		return f.Status
	}
	if f.Kind == ErrorAfter {
		return http.StatusInternalServerError
	}
	n, err := strconv.Atoi(f.Kind)
	if err != nil {
		return http.StatusInternalServerError
	}
	return n
}

func (f Fault) valid() error {
	switch f.Kind {
	case TooManyRequests, InternalError, ServiceUnavailable, DropBefore, DropAfter, ErrorAfter, Slow, Stale:
	default:
		return fmt.Errorf("unknown kind of fault %q", f.Kind)
	}
	if f.Nth < 0 || f.Times < 0 || f.DelayMS < 0 {
		return fmt.Errorf("nth, times and delay_ms must not be negative")
	}
	return nil
}

// Faults is the list of rules in force.
type Faults struct {
	mu    sync.Mutex
	rules []*Fault
}

// Add puts a rule into force.
func (f *Faults) Add(rule Fault) error {
	if err := rule.valid(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, &rule)
	return nil
}

// Clear removes every rule.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// match counts the call against every rule and returns the first that fires.
func (f *Faults) match(service, operation string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var hit *Fault
	for _, rule := range f.rules {
		if (rule.Service != "" && rule.Service != service) || (rule.Operation != "" && rule.Operation != operation) {
			continue
		}
		rule.seen++
		if hit == nil && rule.due() {
			rule.fired++
			hit = rule
		}
	}
	if hit == nil {
		return Fault{}, false
	}
	return *hit, true
}

func (f *Fault) due() bool {
	if f.Nth == 0 {
		return f.Times == 0 || f.fired < f.Times
	}
	return f.seen >= f.Nth && f.fired < max(f.Times, 1)
}
