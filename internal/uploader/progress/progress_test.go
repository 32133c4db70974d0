package progress

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// screen is a terminal that may be written and read at once.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestBar(t *testing.T) {
	t.Parallel()
	s := &screen{}
	b := New(s, "file", 0)
	b.Total(4 << 20)
	b.Add(3 << 20)
	b.Add(-1 << 20)
	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(s.String(), "2.0 MiB / 4.0 MiB") && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	b.Done()
	if !strings.Contains(s.String(), "file 2.0 MiB / 4.0 MiB") {
		t.Errorf("drawn: %q", s.String())
	}
}

func TestNilBar(t *testing.T) {
	t.Parallel()
	var b *Bar
	b.Total(1)
	b.Add(1)
	b.Done()
}
