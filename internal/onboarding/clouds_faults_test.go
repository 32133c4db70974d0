package onboarding

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

// TestFaultsThroughTheAdapters strikes every call of every operation, as the journal of a clean run lists them, with
// every fault that the sandbox knows: through the real adapters, over TLS. A new step or call is covered without a new
// test. OIDCS3_FAULTS=full plays all cases; otherwise a sample is, another for each operation.
func TestFaultsThroughTheAdapters(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	strides := map[string]int{"auth0": 11, "entra": 97, "cognito": 11} // Entra's replication is waited for in real time
	if os.Getenv("OIDCS3_FAULTS") == "full" {
		strides = map[string]int{"auth0": 1, "entra": 1, "cognito": 1}
	}
	total := &tally{rows: map[string]map[string]int{}}
	t.Run("idp", func(t *testing.T) {
		for _, kind := range []string{"auth0", "entra", "cognito"} {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				newCloud(t, kind).table(t, strides[kind], total)
			})
		}
	})
	total.print(t)
}

// blows are what can happen to one call. Second failures strike the undo.
var cloudFaults = []struct {
	name  string
	fault edge.Fault
}{
	{"reset before", edge.Fault{Kind: edge.DropBefore}},
	{"reset after", edge.Fault{Kind: edge.DropAfter}},
	{"500 before", edge.Fault{Kind: edge.InternalError}},
	{"500 after", edge.Fault{Kind: edge.ErrorAfter}},
	{"503", edge.Fault{Kind: edge.ServiceUnavailable}},
	{"429", edge.Fault{Kind: edge.TooManyRequests}},
	{"429 Retry-After", edge.Fault{Kind: edge.TooManyRequests, RetryAfter: "1"}},
	// It takes effect after the adapter has given up, and within the time that the controller looks for it. An effect that
	// comes later than that, where an object has no unique name, nobody can tell from none.
	{"time-out", edge.Fault{Kind: edge.Slow, DelayMS: int((impatience + 20*time.Millisecond) / time.Millisecond)}},
	{"stale read", edge.Fault{Kind: edge.Stale, DelayMS: 1000}},
	{"cancelled", edge.Fault{}},
}

// deed is an operation on a server, and how to make ready for it.
type deed struct {
	name  string
	ready bool // the server is onboarded before
	azp   bool
	do    func(t terraform, want Resolved) error
}

var deeds = []deed{
	{"create", false, false, func(t terraform, want Resolved) error { return t.apply(want) }},
	{"create azp", false, true, func(t terraform, want Resolved) error { return t.apply(want) }},
	{"update", true, false, func(t terraform, want Resolved) error { return t.apply(changed(want)) }},
	{"read", true, false, func(t terraform, _ Resolved) error { _, err := t.refresh(); return err }},
	{"delete", true, false, func(t terraform, _ Resolved) error { return t.destroy() }},
	{"delete azp", true, true, func(t terraform, _ Resolved) error { return t.destroy() }},
}

func changed(want Resolved) Resolved {
	want.Permission, want.Prefix, want.MaxSessionDuration = access.Full, "moved/", 2*time.Hour
	want.Tags = map[string]string{"Owner": "b"}
	return want
}

// table plays every stride-th case.
func (c *cloud) table(t *testing.T, stride int, total *tally) {
	for i, d := range deeds {
		if d.azp && c.kind == "cognito" {
			continue // its tokens have no azp
		}
		t.Run(strings.ReplaceAll(d.name, " ", "_"), func(t *testing.T) { c.tableOf(t, d, i, stride, total) })
	}
}

// tableOf plays every stride-th case of one deed; another share for each, by its number.
func (c *cloud) tableOf(t *testing.T, d deed, number, stride int, total *tally) {
	t.Helper()
	calls := c.journal(t, d)
	n := number
	for k, call := range calls {
		for _, f := range cloudFaults {
			for _, second := range []bool{false, true} {
				if second && d.name == "read" {
					continue // nothing to undo
				}
				if n++; n%stride != 0 {
					continue
				}
				name := fmt.Sprintf("%s %s: call %d of %d (%s %s) %s, undo struck too: %v", c.kind, d.name, k+1, len(calls), call.Service, call.Operation, f.name, second)
				verdict := c.play(t, d, calls, k, f.fault, second)
				total.add(c.kind+" "+d.name, verdict)
				for _, v := range verdict {
					t.Errorf("%s: %s", name, v)
				}
			}
		}
	}
}

// journal lists the calls of a clean run.
func (c *cloud) journal(t *testing.T, d deed) []edge.Call {
	t.Helper()
	known, want := &remembered{}, c.server(t, d.azp)
	ctx := context.Background()
	if d.ready {
		if err := c.terraform(ctx, nil, known).apply(want); err != nil {
			t.Fatalf("%s: %v", d.name, err)
		}
	}
	c.sandbox.Edge().Calls().Clear()
	if err := d.do(c.terraform(ctx, nil, known), want); err != nil {
		t.Fatalf("%s: %v", d.name, err)
	}
	calls := c.sandbox.Edge().Calls().Calls()
	if err := c.terraform(ctx, nil, known).destroy(); err != nil {
		t.Fatalf("%s: %v", d.name, err)
	}
	return calls
}

// play plays one case and returns the promises that were broken.
func (c *cloud) play(t *testing.T, d deed, calls []edge.Call, k int, fault edge.Fault, second bool) (broken []string) {
	t.Helper()
	say := func(promise, format string, args ...any) {
		broken = append(broken, promise+": "+fmt.Sprintf(format, args...))
	}
	before := c.dump()
	known, want := &remembered{}, c.server(t, d.azp)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if d.ready {
		if err := c.terraform(ctx, nil, known).apply(want); err != nil {
			say("not reached", "the onboarding before: %v", err)
			return broken
		}
	}
	ready, client := c.dump(), known.ref.ClientID
	c.early = nil
	c.sandbox.Edge().Calls().Clear()
	struck := false

	hook := func(int) {}
	if fault.Kind == "" {
		hook = func(n int) {
			if n == k+1 {
				struck = true
				cancel()
			}
		}
	} else {
		fault.Service, fault.Operation, fault.Nth = calls[k].Service, calls[k].Operation, 1
		for _, earlier := range calls[:k] {
			if earlier.Service == fault.Service && earlier.Operation == fault.Operation {
				fault.Nth++
			}
		}
		c.fault(t, fault)
	}
	if second {
		c.fault(t, edge.Fault{Kind: edge.InternalError, Nth: k + 2, Times: 12})
	}
	c.hurry = fault.Kind == edge.Slow
	err := d.do(c.terraform(ctx, hook, known), want)
	c.hurry = false
	c.sandbox.Edge().Faults().Clear()
	if fault.Kind == edge.Slow {
		time.Sleep(time.Duration(fault.DelayMS) * time.Millisecond) // until it is over at the server, and in its journal
	}
	struck = struck || slices.ContainsFunc(c.sandbox.Edge().Calls().Calls(), func(call edge.Call) bool { return call.Fault != "" })
	if !struck {
		say("not struck", "the call never came, so the case proves nothing")
	}
	broken = append(broken, c.early...)
	if failure, ok := errors.AsType[*Failure](err); ok && len(failure.Remains) == 0 && !strings.HasPrefix(failure.Operation, "remove ") {
		if now := c.dump(); now != ready {
			say("orphan", "failed with %v, and left %s", err, difference2(ready, now))
		}
	}

	ctx = context.Background()
	if strings.HasPrefix(d.name, "delete") {
		if err := c.terraform(ctx, nil, known).destroy(); err != nil {
			say("not reached", "failed first with %v; the next destroy: %v", err, err)
		}
	} else {
		next := want
		if d.name == "update" {
			next = changed(want)
		}
		if again := c.terraform(ctx, nil, known).apply(next); again != nil {
			say("not reached", "failed first with %v; the next apply: %v", err, again)
		}
		broken = append(broken, c.stands(known, next)...)
		if d.ready && known.ref.ClientID != client {
			say("not reached", "the client %s was replaced by %s", client, known.ref.ClientID)
		}
		if err := c.terraform(ctx, nil, known).destroy(); err != nil {
			say("not reached", "destroy: %v", err)
		}
	}
	if now := c.dump(); now != before {
		say("orphan or foreign", "failed first with %v; destroyed, and left %s", err, difference2(before, now))
	}
	return broken
}

func (c *cloud) fault(t *testing.T, f edge.Fault) {
	t.Helper()
	if err := c.sandbox.Edge().Faults().Add(f); err != nil {
		t.Fatal(err)
	}
}

// dump is all that the clouds hold, but for what they keep of deleted objects.
func (c *cloud) dump() string {
	state := c.sandbox.State(context.Background())
	delete(state, "sts")
	raw, err := json.Marshal(state)
	var v any
	if err == nil {
		err = json.Unmarshal(raw, &v)
	}
	if err == nil {
		raw, err = json.MarshalIndent(living(v), "", " ")
	}
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// living leaves out deleted objects.
func living(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, one := range v {
			if object, ok := one.(map[string]any); ok && object["deleted_at"] != nil {
				delete(v, key)
				continue
			}
			// Whose lock it is changes while an onboarding is undone, and nothing hangs on it.
			if key == tagLock {
				delete(v, key)
				continue
			}
			v[key] = living(one)
		}
		return v
	case []any:
		kept := []any{}
		for _, one := range v {
			if object, ok := one.(map[string]any); ok && object["deleted_at"] != nil {
				continue
			}
			kept = append(kept, living(one))
		}
		return kept
	}
	return v
}

// difference2 lists the lines that two dumps do not share.
func difference2(before, after string) string {
	had := map[string]int{}
	for line := range strings.Lines(before) {
		had[line]++
	}
	var more []string
	for line := range strings.Lines(after) {
		if had[line]--; had[line] < 0 {
			more = append(more, strings.TrimSpace(line))
		}
	}
	return strings.Join(more[:min(len(more), 12)], " ")
}

// tally counts broken promises by operation.
type tally struct {
	mu   sync.Mutex
	rows map[string]map[string]int
}

var promises = []string{"cases", "orphan", "duplicate", "orphan or foreign", "early access", "lost secret", "not reached", "not struck"}

func (y *tally) add(operation string, broken []string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	row := y.rows[operation]
	if row == nil {
		row = map[string]int{}
		y.rows[operation] = row
	}
	row["cases"]++
	for _, b := range broken {
		promise, _, _ := strings.Cut(b, ":")
		row[promise]++
	}
}

func (y *tally) print(t *testing.T) {
	t.Helper()
	sum := map[string]int{}
	line := func(name string, row map[string]int) string {
		out := fmt.Sprintf("%-20s", name)
		for _, p := range promises {
			out += fmt.Sprintf(" | %*d", len(p), row[p])
		}
		return out
	}
	lines := []string{fmt.Sprintf("%-20s | %s", "", strings.Join(promises, " | "))}
	names := []string{}
	for name, row := range y.rows {
		names = append(names, name)
		for p, n := range row {
			sum[p] += n
		}
	}
	slices.Sort(names)
	for _, name := range names {
		lines = append(lines, line(name, y.rows[name]))
	}
	t.Log("\n" + strings.Join(append(lines, line("total", sum)), "\n"))
}
