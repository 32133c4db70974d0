package entra

import (
	"context"
	"sync"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
)

// fewLookups is the number of lookups from which on lists of all our applications are worth their calls.
const fewLookups = 3

// shared answers lookups from lists of all applications and service principals that carry our tag, read once for the whole
// run: two calls for each thousand. What is not on a list, and what this process has changed, is always read directly.
type shared struct {
	p    *Provider
	warn func(string)

	mu      sync.Mutex
	lookups int
	written map[string]bool
	lists   *lists
}

// lists are under way or done.
type lists struct {
	done         chan struct{}
	applications map[string]application // by appId
	principals   map[string]principal   // by appId
	ok           bool
}

func newShared(p *Provider, warn func(string)) *shared {
	return &shared{p: p, warn: warn, written: map[string]bool{}}
}

// wrote takes note that this process changes a client. It is called before the change.
func (s *shared) wrote(appID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written[appID] = true
}

// find fills in what the lists know of an application, or says that it must be read directly.
func (s *shared) find(ctx context.Context, appID string, f *found) bool {
	s.mu.Lock()
	s.lookups++
	// Lists of assignments are kept with the API and can be as long as it has clients: they are read one by one.
	skip := s.written[appID] || s.lookups < fewLookups || f.api == nil || f.api.principal.assignmentRequired
	if !skip && s.lists == nil {
		s.lists = &lists{done: make(chan struct{})}
		go s.read(s.lists) //nolint:gosec // G118: the lists are shared, so no one caller's context may end the read
	}
	lists := s.lists
	s.mu.Unlock()
	if skip {
		return false
	}
	select {
	case <-lists.done:
	case <-ctx.Done():
		return false
	}
	if !lists.ok {
		return false
	}
	app, hasApp := lists.applications[appID]
	principal, hasPrincipal := lists.principals[appID]
	s.mu.Lock()
	defer s.mu.Unlock()
	if !hasApp || !hasPrincipal || s.written[appID] {
		return false
	}
	f.app, f.principal = app, &principal
	return true
}

// sharedTimeout bounds a read that several callers share, whose contexts do not.
const sharedTimeout = 10 * time.Minute

// read reads the lists, apart from the context of whoever asked first.
func (s *shared) read(l *lists) {
	defer close(l.done)
	ctx, cancel := context.WithTimeout(context.Background(), sharedTimeout)
	defer cancel()
	filter := "tags/any(t:t eq " + quoted(tagMarker) + ")"
	applications, err := s.p.graph.listApplications(ctx, filter)
	var principals []principal
	if err == nil {
		principals, err = s.p.graph.listPrincipals(ctx, filter)
	}
	if err != nil {
		why := "Listing applications failed, so each is read by itself, which takes more requests: "
		if apierror.Is(err, apierror.Denied) {
			why = "Microsoft Graph does not let applications be listed, so each is read by itself, which takes more requests: "
		}
		s.warn(why + err.Error())
		return
	}
	l.applications, l.principals, l.ok = map[string]application{}, map[string]principal{}, true
	for _, app := range applications {
		l.applications[app.appID] = app
	}
	for _, one := range principals {
		l.principals[one.appID] = one
	}
}
