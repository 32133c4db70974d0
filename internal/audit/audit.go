// Package audit reads the access that the servers of an environment have, as roles, clients and mapping rows have it, and
// says what about it needs a person: what is unfinished, orphaned, overlapping, no longer as oidcs3 writes it, unused, or
// about to expire.
//
// It looks with the controller's own readers and calls nothing that changes anything. How a report is shown is not decided
// here, and neither is where the clouds are.
package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// Roles is AWS IAM. Of onboarding.Roles, only what reads is called.
type Roles interface {
	onboarding.Roles
	All(ctx context.Context) (map[string]iam.Role, error)
	ManagedPolicies(ctx context.Context) (map[string]string, error) // ARN → document
}

// Rows is the mapping table. Of onboarding.Mappings, only what reads is called.
type Rows interface {
	onboarding.Mappings
	Rows(ctx context.Context, table string) ([]rolemap.Row, error)
}

// Clients is an identity provider. Of idp.Provider, only what reads is called.
type Clients interface {
	idp.Provider
	idp.Inventory
}

// Config says what to read and what to make of it.
type Config struct {
	Project     string
	Environment string // empty: every environment of the project
	Region      string // of the bucket

	Roles   Roles
	Rows    Rows
	Table   string // mapping table; empty: there is none
	Clients map[idp.Kind]Clients
	Absent  map[idp.Kind]error // why there are no Clients, for each kind that is neither there nor ignored
	// Ignored are the identity providers that were left out on purpose: nothing is said of their clients.
	Ignored []idp.Kind
	Cognito Cognito
	// VendingRoleARN is the role of the credential vending service; empty: whatever a server's role trusts is taken for it.
	VendingRoleARN string

	Now           time.Time
	UnusedAfter   time.Duration // 0: nothing counts as unused
	ExpiresWithin time.Duration
}

// Cognito is where the user pool is, which a role does not tell.
type Cognito struct{ PoolID, Domain string }

// atOnce is how many servers are looked at at once. The clouds' own limits are kept by the adapters.
const atOnce = 16

// audit is one run.
type audit struct {
	Config
	roles       map[string]iam.Role // of the account, by name
	servers     []*subject
	entries     map[idp.Kind]map[string]idp.Entry // clients by id; no map: not read
	rows        []rolemap.Row
	controllers map[idp.Kind]*onboarding.Controller
	observers   map[idp.Kind]*observer

	mu     sync.Mutex
	report Report
}

// Run reads everything and reports. It fails where the account's roles cannot be read; what else cannot be read is in the
// report.
func Run(ctx context.Context, c Config) (Report, error) {
	a := &audit{Config: c, entries: map[idp.Kind]map[string]idp.Entry{}, controllers: map[idp.Kind]*onboarding.Controller{}, observers: map[idp.Kind]*observer{}}
	a.report = Report{
		Version: Version, Generated: c.Now.UTC().Truncate(time.Second), Project: c.Project, Environment: c.Environment,
		Servers: []Server{}, Findings: []Finding{}, Unread: []Unread{},
	}
	for kind, clients := range c.Clients {
		a.observers[kind] = &observer{Clients: clients, found: map[idp.Lookup]idp.Client{}}
		a.controllers[kind] = onboarding.New(onboarding.Config{Roles: c.Roles, Clients: a.observers[kind], Mappings: c.Rows, Vaults: unopened(), NewID: uuid.NewString})
	}
	roles, err := c.Roles.All(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("read the roles of the account: %w", err)
	}
	a.roles = maps.Clone(roles)
	if err := a.pick(ctx); err != nil {
		return Report{}, err
	}
	if err := a.readAround(ctx); err != nil {
		return Report{}, err
	}
	if err := a.each(ctx, a.examine); err != nil {
		return Report{}, err
	}
	a.orphans()
	a.overlaps()
	if err := a.reaches(ctx); err != nil {
		return Report{}, err
	}
	for _, s := range a.servers {
		a.age(s)
		a.report.Servers = append(a.report.Servers, s.shown)
	}
	a.report.sort()
	return a.report, nil
}

// each does the same with all servers, several at once. What it does fails only when the context ends.
func (a *audit) each(ctx context.Context, do func(context.Context, *subject)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, s := range a.servers {
		group.Go(func() error {
			do(ctx, s)
			return ctx.Err()
		})
	}
	return group.Wait()
}

// readAround reads clients and rows.
func (a *audit) readAround(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for kind, clients := range a.Clients {
		group.Go(func() error {
			a.readClients(ctx, kind, clients)
			return ctx.Err()
		})
	}
	group.Go(func() error {
		a.readRows(ctx)
		return ctx.Err()
	})
	return group.Wait()
}

func (a *audit) readClients(ctx context.Context, kind idp.Kind, clients Clients) {
	all, err := clients.Clients(ctx, a.named)
	if err != nil {
		a.unread("clients of "+string(kind), err)
		return
	}
	byID := map[string]idp.Entry{}
	for _, entry := range all {
		byID[entry.ID] = entry
		if entry.Undated != nil {
			a.unread("expiry of the keys of client "+entry.Name, entry.Undated)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.entries[kind] = byID
}

func (a *audit) readRows(ctx context.Context) {
	if a.Table == "" || a.Rows == nil {
		if slices.ContainsFunc(a.servers, func(s *subject) bool { return s.mode() == access.Vending }) {
			a.unread("mapping rows", errors.New("servers use credential vending, and nothing says which table it reads"))
		}
		return
	}
	rows, err := a.Rows.Rows(ctx, a.Table)
	if err != nil {
		a.unread("mapping rows of table "+a.Table, err)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rows = rows
}

// named reports whether a name may be that of a server of the environment.
func (a *audit) named(name string) bool {
	prefix := a.Project + "-"
	if a.Environment != "" {
		prefix = access.Name(a.Project, a.Environment, "")
	}
	return strings.HasPrefix(name, prefix) && name != prefix
}

func (a *audit) unread(what string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.report.Unread = append(a.report.Unread, Unread{What: what, Why: err.Error()})
}

func (a *audit) find(f Finding) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.report.Findings = append(a.report.Findings, f)
}

// pick finds the roles that are servers', and reads what a list of roles lacks.
func (a *audit) pick(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(a.roles)) {
		if s, ok := a.subjectOf(a.roles[name]); ok {
			a.servers = append(a.servers, s)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, s := range a.servers {
		group.Go(func() error {
			role, err := a.Roles.Look(ctx, s.role.Name)
			switch {
			case apierror.Is(err, apierror.NotFound): // deleted since the list was read
				s.gone = true
				return nil
			case err != nil:
				return fmt.Errorf("read role %s: %w", s.role.Name, err)
			}
			s.shown.MaxSessionDuration = int64(role.MaxSessionDuration / time.Second)
			s.role.MaxSessionDuration = role.MaxSessionDuration
			return nil
		})
	}
	err := group.Wait()
	a.servers = slices.DeleteFunc(a.servers, func(s *subject) bool {
		if s.gone {
			delete(a.roles, s.role.Name)
		}
		return s.gone
	})
	return err
}
