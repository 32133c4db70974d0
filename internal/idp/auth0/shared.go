package auth0

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

const (
	fewLookups = 3 // from as many on, pages are thought of
	maxAge     = 10 * time.Minute
)

// shared answers lookups from pages of all clients and of the grants of each audience, read once for the whole run.
//
// Pages are read only when they are likely to be worth it: once the lookups so far have cost about a third of the calls
// that the pages would. A run of thousands of servers hardly notices these lookups, and none makes more than four times
// the calls that it had to. What is not on a page, and what this process has
// changed, is always read directly.
type shared struct {
	p   *Provider
	now func() time.Time

	mu      sync.Mutex
	lookups int
	worth   int  // number of lookups from which on pages are worth it
	off     bool // pages cannot be had
	written map[string]bool
	clients *snapshot[map[string]application]
	grants  map[string]*snapshot[map[string][]grant] // by audience, then client id
}

// snapshot is a read that is under way or done.
type snapshot[T any] struct {
	done  chan struct{}
	at    time.Time
	value T
	ok    bool
}

func newShared(p *Provider) *shared {
	return &shared{p: p, now: time.Now, worth: fewLookups, written: map[string]bool{}, grants: map[string]*snapshot[map[string][]grant]{}}
}

// wrote takes note that this process changes a client. It is called before the change.
func (s *shared) wrote(clientID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written[clientID] = true
}

// find answers a lookup by id, or says that it must be made directly.
func (s *shared) find(ctx context.Context, which idp.Lookup) (application, []grant, bool) {
	s.mu.Lock()
	s.lookups++
	skip := s.off || s.written[which.ID] || s.lookups < s.worth
	s.mu.Unlock()
	if skip || which.Audience == "" {
		return application{}, nil, false
	}
	clients, ok := await(ctx, s.allClients())
	if !ok {
		return application{}, nil, false
	}
	app, ok := clients[which.ID]
	if !ok {
		return application{}, nil, false
	}
	grants, ok := await(ctx, s.allGrants(which.Audience))
	if !ok {
		return application{}, nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	mine, ok := grants[which.ID]
	// A grant that is missing on the pages is missed directly before anybody calls it gone.
	return app, mine, ok && !s.written[which.ID]
}

// await waits for a read of others, as long as the caller cares.
func await[T any](ctx context.Context, read *snapshot[T]) (T, bool) {
	select {
	case <-read.done:
		return read.value, read.ok
	case <-ctx.Done():
		var none T
		return none, false
	}
}

func (s *shared) allClients() *snapshot[map[string]application] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients == nil || s.expired(s.clients.at) {
		s.clients = begin(s, func(ctx context.Context) (map[string]application, bool, error) { return s.readClients(ctx) })
	}
	return s.clients
}

func (s *shared) allGrants(audience string) *snapshot[map[string][]grant] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if read := s.grants[audience]; read == nil || s.expired(read.at) {
		s.grants[audience] = begin(s, func(ctx context.Context) (map[string][]grant, bool, error) {
			all, err := s.p.listGrants(ctx, url.Values{"audience": {audience}}, "client grants for "+audience)
			by := map[string][]grant{}
			for _, g := range all {
				by[g.ClientID] = append(by[g.ClientID], g)
			}
			return by, err == nil, err
		})
	}
	return s.grants[audience]
}

func (s *shared) expired(at time.Time) bool { return s.now().Sub(at) > maxAge }

// sharedTimeout bounds a read that several callers share, whose contexts do not.
const sharedTimeout = 10 * time.Minute

// begin starts a read that no single caller's context ends. The caller holds the lock.
func begin[T any](s *shared, read func(context.Context) (value T, ok bool, err error)) *snapshot[T] {
	snap := &snapshot[T]{done: make(chan struct{}), at: s.now()}
	go func() {
		defer close(snap.done)
		ctx, cancel := context.WithTimeout(context.Background(), sharedTimeout)
		defer cancel()
		var err error
		if snap.value, snap.ok, err = read(ctx); err != nil {
			s.giveUp(err)
		}
	}()
	return snap
}

// readClients reads the pages of clients. Where there are more of them than the lookups so far are worth, it stops after
// the first and says when to come again.
func (s *shared) readClients(ctx context.Context) (map[string]application, bool, error) {
	all := map[string]application{}
	for page := 0; ; page++ {
		some, total, err := s.p.clientPage(ctx, page, "")
		if err != nil {
			return nil, false, err
		}
		if page == 0 && s.tooEarly(total) {
			return nil, false, nil
		}
		for _, app := range some {
			all[app.ClientID] = app
		}
		if len(some) < pageSize {
			return all, true, nil
		}
	}
}

// tooEarly compares what pages of total clients cost with what the lookups so far have cost. A lookup takes two calls, and
// there are at most about as many pages of grants as of clients.
func (s *shared) tooEarly(total int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worth = max(fewLookups, total/pageSize/3)
	if s.lookups >= s.worth {
		return false
	}
	s.clients = nil
	return true
}

// giveUp goes back to direct reads for the rest of the run, and says so once.
func (s *shared) giveUp(err error) {
	s.mu.Lock()
	first := !s.off
	s.off = true
	s.mu.Unlock()
	if !first {
		return
	}
	why := "Reading all Auth0 clients at once failed, so each is read by itself, which takes more requests: " + err.Error()
	if apierror.Is(err, apierror.Denied) {
		why = "The Auth0 management token may not list clients or client grants, so each is read by itself, which takes more requests: " + err.Error()
	}
	s.p.warn(why)
}
