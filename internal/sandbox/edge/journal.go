package edge

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"time"
)

// Call is one line of the journal. Status is 0 where the connection was dropped without an answer.
type Call struct {
	Time      time.Time `json:"time"`
	Service   string    `json:"service"`
	Operation string    `json:"operation"`
	Status    int       `json:"status"`
	Caller    string    `json:"caller,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
	Fault     string    `json:"fault,omitempty"`
}

// Journal lists the calls made so far, in the order in which they ended.
type Journal struct {
	mu    sync.Mutex
	calls []Call
}

// Calls returns a copy of the journal.
func (j *Journal) Calls() []Call {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Call(nil), j.calls...)
}

// Clear empties the journal.
func (j *Journal) Clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls = nil
}

func (j *Journal) add(c Call) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls = append(j.calls, c)
}

// PeekBody reads up to limit bytes of the body and puts them back, so that Operation can look at a form.
func PeekBody(r *http.Request, limit int64) []byte {
	if r.Body == nil {
		return nil
	}
	head, err := io.ReadAll(io.LimitReader(r.Body, limit))
	body := r.Body
	rest := io.Reader(body)
	if err != nil {
		rest = failing{err}
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), rest), body}
	return head
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
