package serve

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Headers and paths of the instance metadata service, version 2.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
const (
	ttlHeader     = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	sessionHeader = "X-Aws-Ec2-Metadata-Token"
	sessionPath   = "/latest/api/token"
	rolePath      = "/latest/meta-data/iam/security-credentials"
	longestTTL    = 21600 // seconds
	mostSessions  = 1024
)

// IMDS is the endpoint that AWS_EC2_METADATA_SERVICE_ENDPOINT names, with that part of the instance metadata service
// which gives credentials. As there, any program on the host can open a session; version 1, without one, is refused.
// Every answer is the last: nothing redirects.
func IMDS(o Options) http.Handler {
	m := &metadata{Options: o, sessions: map[[sha256.Size]byte]time.Time{}}
	return o.guarded(http.HandlerFunc(m.serve))
}

// metadata holds the sessions by the hashes of their tokens: looking one up takes a time that says nothing of the token.
type metadata struct {
	Options
	mu       sync.Mutex
	sessions map[[sha256.Size]byte]time.Time // to its end
}

func (m *metadata) serve(w http.ResponseWriter, r *http.Request) {
	route := strings.TrimSuffix(r.URL.Path, "/") // SDKs ask with and without the slash
	name, ofRole := strings.CutPrefix(route, rolePath+"/")
	switch {
	case route == sessionPath && r.Method == http.MethodPut:
		m.open(w, r)
	case r.Method != http.MethodGet || route == sessionPath:
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "sessions are opened by PUT, and all else is read by GET")
	case !m.live(r.Header):
		refuse(w, http.StatusUnauthorized, "Unauthorized", "the session token is missing, unknown or expired; version 1 is not served")
	case route == rolePath:
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write([]byte(m.name())) // a caller that is gone has no use for an error
	case ofRole && name == m.name():
		m.credentials(w, r)
	default:
		notFound(w, r)
	}
}

// open gives a session.
func (m *metadata) open(w http.ResponseWriter, r *http.Request) {
	values := r.Header.Values(ttlHeader)
	seconds := 0
	if len(values) == 1 {
		seconds, _ = strconv.Atoi(values[0]) // what is no number is out of range
	}
	if seconds < 1 || seconds > longestTTL {
		refuse(w, http.StatusBadRequest, "BadTTL", ttlHeader+" is not within 1 to 21600")
		return
	}
	token := rand.Text()
	m.keep(sha256.Sum256([]byte(token)), m.Now(), time.Duration(seconds)*time.Second)
	w.Header().Set(ttlHeader, strconv.Itoa(seconds))
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write([]byte(token))
}

// keep notes a session. Too many of them cost the one that would end first: its owner opens another, as SDKs do when a
// session is unknown, whereas refusing new ones would lock everybody out for hours.
func (m *metadata) keep(session [sha256.Size]byte, now time.Time, life time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sessions) >= mostSessions {
		m.forget(now)
	}
	m.sessions[session] = now.Add(life)
}

// forget drops the sessions that have ended, or else the one that will end first.
func (m *metadata) forget(now time.Time) {
	var first [sha256.Size]byte
	var end time.Time
	before := len(m.sessions)
	for s, e := range m.sessions {
		if !now.Before(e) {
			delete(m.sessions, s)
		} else if end.IsZero() || e.Before(end) {
			first, end = s, e
		}
	}
	if len(m.sessions) == before {
		delete(m.sessions, first)
	}
}

// live reports whether the request belongs to a session.
func (m *metadata) live(h http.Header) bool {
	values := h.Values(sessionHeader)
	if len(values) != 1 {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	end, known := m.sessions[sha256.Sum256([]byte(values[0]))]
	return known && m.Now().Before(end)
}

// name is the role's; servers behind vending may not know their role.
func (m *metadata) name() string {
	if m.RoleARN != "" {
		return path.Base(m.RoleARN)
	}
	return "oidcs3"
}

func (m *metadata) credentials(w http.ResponseWriter, r *http.Request) {
	a, err := m.answer(r)
	if err != nil {
		m.Log.Error("no credentials to serve", "error", err)
		refuse(w, http.StatusServiceUnavailable, "NoCredentials", "no credentials at the moment; the log of oidcs3-upload says why")
		return
	}
	a.Code, a.Type, a.LastUpdated = "Success", "AWS-HMAC", m.Now().UTC().Format(time.RFC3339)
	write(w, http.StatusOK, a)
}
