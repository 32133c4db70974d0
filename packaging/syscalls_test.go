package packaging_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// traces reports whether strace may watch a program here, and systemd's sets of system calls can be had.
func traces(t *testing.T) bool {
	t.Helper()
	return exec.CommandContext(t.Context(), "strace", "-o", "/dev/null", "true").Run() == nil &&
		exec.CommandContext(t.Context(), "systemd-analyze", "syscall-filter", "@default").Run() == nil
}

// filtered holds the system calls of the trace against the unit's filter.
func (s *service) filtered() {
	s.t.Helper()
	allowed := s.allowed()
	for name := range s.called() {
		if !allowed[name] {
			s.t.Errorf("the unit's SystemCallFilter refuses %s", name)
		}
	}
}

var call = regexp.MustCompile(`(?m)^\d+ +([a-z0-9_]+)\(`)

// called are the system calls since the binary took the process over. The tracer ends a little later than the program.
func (s *service) called() map[string]bool {
	s.t.Helper()
	var text string
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		all, err := os.ReadFile(s.trace)
		if err != nil {
			s.t.Fatal(err)
		}
		_, ours, found := strings.Cut(string(all), `execve("/usr/bin/oidcs3-upload"`)
		text = ours
		if found && strings.Contains(ours, "exit_group(") {
			break
		}
		if time.Now().After(deadline) {
			s.t.Fatal("strace saw no beginning or no end")
		}
	}
	names := map[string]bool{}
	for _, m := range call.FindAllStringSubmatch(text, -1) {
		names[m[1]] = true
	}
	if !names["openat"] || !names["connect"] {
		s.t.Fatalf("the trace is none of this program: %v", names)
	}
	return names
}

// allowed evaluates the filter as systemd.exec(5) describes it: the first line begins a list of what is allowed, to which
// @default belongs, and each further one adds or, with ~, takes away.
func (s *service) allowed() map[string]bool {
	s.t.Helper()
	sets := syscallSets(s.t)
	allowed := map[string]bool{}
	var change func(name string, allow bool)
	change = func(name string, allow bool) {
		if !strings.HasPrefix(name, "@") {
			allowed[name] = allow
			return
		}
		members, known := sets[name]
		if !known {
			s.t.Fatalf("systemd knows no set %s", name)
		}
		for _, m := range members {
			change(m, allow)
		}
	}
	for _, line := range s.unit["SystemCallFilter"] {
		names, refuse := strings.CutPrefix(line, "~")
		for _, name := range strings.Fields(names) {
			change(name, !refuse)
		}
	}
	change("@default", true)
	return allowed
}

// syscallSets are the sets by name, as this systemd defines them.
func syscallSets(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "--no-pager", "syscall-filter").Output()
	if err != nil {
		t.Fatal(err)
	}
	sets, set := map[string][]string{}, ""
	for line := range strings.Lines(string(out)) {
		name := strings.TrimSpace(line)
		switch {
		case name == "" || strings.HasPrefix(name, "#"):
		case line[0] == '@':
			set = name
		case set != "":
			sets[set] = append(sets[set], name)
		}
	}
	return sets
}
