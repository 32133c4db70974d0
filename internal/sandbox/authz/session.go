package authz

import (
	"sync"
	"time"
)

// Session is a set of temporary credentials of a role.
type Session struct {
	AccessKeyID, Secret, Token string

	RoleName, RoleARN, RoleID string
	Name                      string // RoleSessionName
	ARN                       string // of the assumed role
	Policies                  []string
	Context                   map[string][]string // condition keys that the session carries
	Issued, Expires           time.Time
}

// UserID is the unique id of the session: the role's and the session's name.
func (s Session) UserID() string { return s.RoleID + ":" + s.Name }

// keptAfterExpiry is how long an expired session is still told from one that never was.
const keptAfterExpiry = time.Hour

// sessions are keyed by access key id.
type sessions struct {
	mu sync.RWMutex
	by map[string]Session
	// swept is when the expired ones were last thrown away.
	swept time.Time
}

func (s *sessions) add(session Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if session.Issued.Sub(s.swept) > keptAfterExpiry {
		for id, old := range s.by {
			if session.Issued.Sub(old.Expires) > keptAfterExpiry {
				delete(s.by, id)
			}
		}
		s.swept = session.Issued
	}
	s.by[session.AccessKeyID] = session
}

func (s *sessions) get(accessKeyID string) (Session, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	session, ok := s.by[accessKeyID]
	return session, ok
}
