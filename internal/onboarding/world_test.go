package onboarding

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// world is the clouds as a controller sees them through its interfaces, small enough to be obviously right. Every
// changing call goes through strike, where a test injects what goes wrong.
type world struct {
	mu         sync.Mutex
	roles      map[string]iam.Role
	clients    map[string]*registered
	rows       map[string]rolemap.Row
	listed     map[string]bool
	vault      map[string]kept // by name
	nextID     int
	calls      []string // changing calls that were tried
	strike     func(call int, name string) blow
	breaches   []string // promises seen broken
	readable   bool     // whether the identity provider shows secrets
	byName     bool     // whether it can hold no onboarding id, so that a client is searched by its name
	api        idp.API
	complete   func(role iam.Role) bool // whether all else stands when a role is opened
	reads      int
	deadReads  bool // reads fail too
	blind      int  // so many reads still find nothing
	undoFails  bool // even closing a role may fail then
	remembered Reference
	secret     idp.Secret // that goes with it
}

type registered struct {
	client  idp.Client
	made    time.Time
	granted bool
}

// answers reports whether a search without an id finds the client.
func (r *registered) answers(which idp.Lookup, byName bool) bool {
	if byName {
		return r.client.Name == which.Name && !which.Since.IsZero() && !r.made.Before(which.Since)
	}
	return which.OnboardingID != "" && r.client.OnboardingID == which.OnboardingID
}

// blow is what happens to one call.
type blow int

const (
	none       blow = iota
	lostBefore      // no effect, no answer
	lostAfter       // effect, no answer
	refused         // no effect, a clear refusal
	crash           // no effect, and the process is gone
	crashAfter      // effect, and the process is gone
)

// died is how the process ends in a test: by panic, so that no deferred undo can run.
type died struct{ call string }

func newWorld() *world {
	w := &world{
		roles: map[string]iam.Role{}, clients: map[string]*registered{}, rows: map[string]rolemap.Row{}, listed: map[string]bool{},
		vault:    map[string]kept{},
		readable: true,
		api:      idp.API{Audience: audience, Issuer: "https://tenant.example/", TokenEndpoint: "https://tenant.example/oauth/token"},
	}
	w.strike = func(int, string) blow { return none }
	return w
}

// change makes one changing call: effect runs unless the call is struck before it.
func (w *world) change(name string, effect func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, name)
	b := w.strike(len(w.calls), name)
	lost := &apierror.Error{Kind: apierror.Ambiguous, Service: "test", Operation: name, Message: "connection reset"}
	switch b {
	case lostBefore:
		return lost
	case refused:
		return &apierror.Error{Kind: apierror.Denied, Service: "test", Operation: name, Message: "refused"}
	case crash:
		panic(died{name})
	case none, lostAfter, crashAfter:
	}
	err := effect()
	switch b {
	case lostAfter:
		return lost
	case crashAfter:
		panic(died{name})
	case none, lostBefore, refused, crash:
	}
	return err
}

func (w *world) breach(format string, args ...any) {
	w.breaches = append(w.breaches, fmt.Sprintf(format, args...))
}

func failed(kind apierror.Kind, operation, object string) error {
	return &apierror.Error{Kind: kind, Service: "test", Operation: operation, Object: object, Message: kind.String()}
}

// onRole changes a role that must exist.
func (w *world) onRole(operation, name string, f func(*iam.Role)) error {
	return w.change(operation, func() error {
		role, ok := w.roles[name]
		if !ok {
			return failed(apierror.NotFound, operation, "role "+name)
		}
		role.Tags, role.InlinePolicies = maps.Clone(role.Tags), maps.Clone(role.InlinePolicies)
		f(&role)
		w.roles[name] = role
		return nil
	})
}

// worldRoles is the world as Roles.
type worldRoles struct{ *world }

func (w worldRoles) Create(_ context.Context, s iam.RoleSpec) (role iam.Role, err error) {
	err = w.change("CreateRole", func() error {
		if _, ok := w.roles[s.Name]; ok {
			return failed(apierror.Exists, "CreateRole", "role "+s.Name)
		}
		if !access.IsDenyAll(s.TrustPolicy) {
			w.breach("role %s was created open", s.Name)
		}
		role = iam.Role{
			Name: s.Name, ARN: access.RoleARN("aws", "123456789012", s.Name), TrustPolicy: s.TrustPolicy, Tags: maps.Clone(s.Tags),
			MaxSessionDuration: s.MaxSessionDuration, PermissionsBoundary: s.PermissionsBoundary, InlinePolicies: map[string]string{}, Created: time.Now(),
		}
		w.roles[s.Name] = role
		return nil
	})
	if err != nil {
		return iam.Role{}, err
	}
	return role, nil
}

func (w worldRoles) Read(_ context.Context, name string) (iam.Role, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	if w.deadReads {
		return iam.Role{}, failed(apierror.Unavailable, "GetRole", "role "+name)
	}
	role, ok := w.roles[name]
	if !ok || w.misses() {
		return iam.Role{}, failed(apierror.NotFound, "GetRole", "role "+name)
	}
	return role, nil
}

// misses reports whether a read is answered by a replica that knows nothing yet; w.mu is held.
func (w *world) misses() bool {
	w.blind--
	return w.blind >= 0
}

func (w worldRoles) Look(ctx context.Context, name string) (iam.Role, error) {
	return w.Read(ctx, name)
}

func (w worldRoles) SetTrust(_ context.Context, name, document string) error {
	return w.onRole("UpdateAssumeRolePolicy", name, func(r *iam.Role) {
		r.TrustPolicy = document
		if !access.IsDenyAll(document) && w.complete != nil && !w.complete(*r) {
			w.breach("role %s was opened before everything else stood", name)
		}
	})
}

func (w worldRoles) SetMaxSessionDuration(_ context.Context, name string, d time.Duration, _ string) error {
	return w.onRole("UpdateRole", name, func(r *iam.Role) { r.MaxSessionDuration = d })
}

func (w worldRoles) SetPermissionsBoundary(_ context.Context, name, arn string) error {
	return w.onRole("PutRolePermissionsBoundary", name, func(r *iam.Role) { r.PermissionsBoundary = arn })
}

func (w worldRoles) PutPolicy(_ context.Context, name, policy, document string) error {
	return w.onRole("PutRolePolicy", name, func(r *iam.Role) { r.InlinePolicies = with(r.InlinePolicies, policy, document) })
}

func (w worldRoles) DeletePolicy(_ context.Context, name, policy string) error {
	return w.gone(w.onRole("DeleteRolePolicy", name, func(r *iam.Role) { r.InlinePolicies = with(r.InlinePolicies, policy, "") }))
}

func (w worldRoles) gone(err error) error {
	if apierror.Is(err, apierror.NotFound) {
		return nil
	}
	return err
}

func (w worldRoles) Tag(_ context.Context, name string, tags map[string]string) error {
	return w.onRole("TagRole", name, func(r *iam.Role) { maps.Copy(r.Tags, tags) })
}

func (w worldRoles) Untag(_ context.Context, name string, keys []string) error {
	return w.onRole("UntagRole", name, func(r *iam.Role) {
		for _, key := range keys {
			delete(r.Tags, key)
		}
	})
}

func (w worldRoles) Delete(_ context.Context, name string) error {
	return w.change("DeleteRole", func() error {
		role, ok := w.roles[name]
		if !ok {
			return nil
		}
		if len(role.InlinePolicies)+len(role.AttachedPolicies) > 0 {
			return failed(apierror.Conflict, "DeleteRole", "role "+name)
		}
		if !access.IsDenyAll(role.TrustPolicy) && !w.undoFails {
			w.breach("role %s was deleted while open", name)
		}
		delete(w.roles, name)
		return nil
	})
}

func (w worldRoles) OIDCProvider(_ context.Context, arn string) (iam.OIDCProvider, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := append([]string{audience}, slices.Sorted(maps.Keys(w.listed))...)
	return iam.OIDCProvider{ARN: arn, URL: strings.TrimPrefix(w.api.Issuer, "https://"), ClientIDs: ids}, nil
}

func (w worldRoles) AddAudience(_ context.Context, _, id string) error {
	return w.change("AddClientIDToOpenIDConnectProvider", func() error { w.listed[id] = true; return nil })
}

func (w worldRoles) RemoveAudience(_ context.Context, _, id string) error {
	return w.change("RemoveClientIDFromOpenIDConnectProvider", func() error { delete(w.listed, id); return nil })
}

// worldMappings is the world as Mappings.
type worldMappings struct{ *world }

func (w worldMappings) Put(_ context.Context, _ string, row rolemap.Row) error {
	return w.change("PutItem", func() error {
		if old, ok := w.rows[row.ClientID]; ok && (old.ServerName != row.ServerName || old.RoleARN != row.RoleARN) {
			return failed(apierror.Exists, "PutItem", row.ClientID)
		}
		w.rows[row.ClientID] = row
		return nil
	})
}

func (w worldMappings) Look(_ context.Context, _, key string) (rolemap.Row, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	row, ok := w.rows[key]
	if !ok {
		return rolemap.Row{}, failed(apierror.NotFound, "GetItem", key)
	}
	return row, nil
}

func (w worldMappings) Read(ctx context.Context, table, key string) (rolemap.Row, error) {
	return w.Look(ctx, table, key)
}

func (w worldMappings) Delete(_ context.Context, _, key, roleARN string) error {
	return w.change("DeleteItem", func() error {
		if w.rows[key].RoleARN == roleARN {
			delete(w.rows, key)
		}
		return nil
	})
}

// worldClients is the world as an identity provider of the simplest kind: a client and its grant.
type worldClients struct{ *world }

func (w worldClients) Kind() idp.Kind { return idp.Auth0 }

func (w worldClients) API(context.Context, string) (idp.API, error) { return w.api, nil }

func (w worldClients) Find(_ context.Context, which idp.Lookup) (idp.Client, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deadReads {
		return idp.Client{}, failed(apierror.Unavailable, "GET client", which.ID)
	}
	if w.misses() {
		return idp.Client{}, failed(apierror.NotFound, "GET client", which.ID)
	}
	for id, r := range w.clients {
		if id == which.ID || (which.ID == "" && r.answers(which, w.byName)) {
			return w.shown(r), nil
		}
	}
	return idp.Client{}, failed(apierror.NotFound, "GET client", which.ID)
}

func (w worldClients) shown(r *registered) idp.Client {
	client := r.client
	client.Found = r.granted
	if !w.readable {
		client.Secret = ""
	}
	return client
}

func (w worldClients) Delete(_ context.Context, c idp.Client) error {
	return w.change("DELETE client", func() error { delete(w.clients, c.ID); return nil })
}

func (w worldClients) Parts() []idp.Part {
	return []idp.Part{{
		Name: "client",
		Deviations: func(c idp.Client, s idp.Spec) []string {
			switch {
			case !c.Exists():
				return []string{"client is missing"}
			case c.Name != s.Name || c.OnboardingID != s.OnboardingID:
				return []string{"client is not as it should be"}
			}
			return nil
		},
		Apply: func(_ context.Context, c *idp.Client, s idp.Spec) error {
			if c.Exists() {
				return w.change("PATCH client", func() error {
					w.clients[c.ID].client.Name, w.clients[c.ID].client.OnboardingID = s.Name, s.OnboardingID
					c.Name, c.OnboardingID = s.Name, s.OnboardingID
					return nil
				})
			}
			var made idp.Client
			err := w.change("POST client", func() error {
				w.nextID++
				id := fmt.Sprintf("client-%d", w.nextID)
				made = idp.Client{ID: id, Subject: id + "@clients", Name: s.Name, OnboardingID: s.OnboardingID, Method: s.Method,
					Found: false}
				if s.Method == idp.ClientSecret {
					made.Secret = idp.Secret("secret-of-" + id)
				}
				w.clients[id] = &registered{client: made, made: time.Now()}
				return nil
			})
			if err == nil {
				*c = made
			}
			return err
		},
		Revert: func(_ context.Context, c *idp.Client, before idp.Client) error {
			return w.change("PATCH client", func() error {
				if r, ok := w.clients[c.ID]; ok {
					r.client.Name, r.client.OnboardingID = before.Name, before.OnboardingID
				}
				return nil
			})
		},
	}, {
		Name: "client secret",
		// As in a provider that does not show secrets: whether one is lost, only the controller can tell.
		Deviations: func(idp.Client, idp.Spec) []string { return nil },
		Apply: func(_ context.Context, c *idp.Client, _ idp.Spec) error {
			err := w.change("POST rotate-secret", func() error {
				w.clients[c.ID].client.Secret += "+"
				c.Secret = w.clients[c.ID].client.Secret
				return nil
			})
			return err
		},
		Revert: func(_ context.Context, c *idp.Client, before idp.Client) error {
			switch {
			case !before.Exists():
				return nil
			case before.Secret == "":
				return failed(apierror.Conflict, "PATCH client", c.ID)
			}
			return w.change("PATCH client", func() error {
				if r, ok := w.clients[c.ID]; ok {
					r.client.Secret, c.Secret = before.Secret, before.Secret
				}
				return nil
			})
		},
	}, {
		Name: "client grant",
		Deviations: func(c idp.Client, _ idp.Spec) []string {
			if granted, ok := c.Found.(bool); !ok || !granted {
				return []string{"client grant is missing"}
			}
			return nil
		},
		Apply: func(_ context.Context, c *idp.Client, _ idp.Spec) error {
			err := w.change("POST client-grant", func() error {
				r, ok := w.clients[c.ID]
				if !ok {
					return failed(apierror.NotFound, "POST client-grant", c.ID)
				}
				if r.granted {
					return failed(apierror.Exists, "POST client-grant", c.ID)
				}
				r.granted = true
				return nil
			})
			if err == nil {
				c.Found = true
			}
			return err
		},
		Revert: func(_ context.Context, c *idp.Client, before idp.Client) error {
			if was, _ := before.Found.(bool); was {
				return nil
			}
			return w.change("DELETE client-grant", func() error {
				if r, ok := w.clients[c.ID]; ok {
					r.granted = false
				}
				return nil
			})
		},
	}}
}

const (
	audience    = "https://s3.example"
	providerARN = "arn:aws:iam::123456789012:oidc-provider/tenant.example/"
)

// callsOfCreate names the changing calls of an onboarding in which nothing goes wrong.
func callsOfCreate(want Resolved) []string {
	w := newWorld()
	if _, err := w.controller().Create(context.Background(), want); err != nil {
		panic(err)
	}
	return w.calls
}

func serverNamed(name string) Resolved {
	d := Desired{
		Project: "oidc-s3", Environment: "dev", Server: name, Partition: "aws", Region: "eu-west-1",
		Bucket: "bucket-one", Prefix: "p/" + name + "/", Permission: access.Full, MaxSessionDuration: time.Hour,
		Tags: map[string]string{"Team": "a"}, Method: idp.ClientSecret, Wait: true,
		Identity: Identity{Audience: audience, ProviderARN: providerARN},
	}
	return Resolved{Desired: d, Mode: access.Plain, TokenAudience: audience, Issuer: "https://tenant.example/", TokenEndpoint: "https://tenant.example/oauth/token"}
}

func (w *world) controller() *Controller {
	ids := 0
	var mu sync.Mutex
	return New(Config{Roles: worldRoles{w}, Clients: worldClients{w}, Mappings: worldMappings{w}, Vaults: map[Storage]Vault{SecretsManager: worldVault{w}}, Probe: w.tried, NewID: func() string {
		mu.Lock()
		defer mu.Unlock()
		ids++
		return fmt.Sprintf("id-%p-%d", &ids, ids) // no two processes make the same
	}})
}

// tried is the world as a Probe. It counts as a call, so that it is struck like any other.
func (w *world) tried(_ context.Context, configuration string, secret idp.Secret) error {
	return w.change("probe", func() error {
		err := w.lets(configuration, secret)
		if err != nil {
			w.breach("the wait began too early, or with something else than the host will have: %v", err)
		}
		return err
	})
}

// lets reports why a host would get no credentials; w.mu is held.
func (w *world) lets(configuration string, secret idp.Secret) error {
	var host struct {
		Role   string `json:"aws_role_arn"`
		Client string `json:"auth0_client_id"`
	}
	if err := json.Unmarshal([]byte(configuration), &host); err != nil {
		return err
	}
	role, r := w.roles[host.Role[strings.LastIndex(host.Role, "/")+1:]], w.clients[host.Client]
	switch {
	case r == nil || r.client.Secret != secret:
		return fmt.Errorf("client %q has another secret", host.Client)
	case role.Name == "" || access.IsDenyAll(role.TrustPolicy):
		return fmt.Errorf("role %q is closed", host.Role)
	}
	return nil
}

// finished compares the world with what it must be when the server stands.
func (w *world) finished(want Resolved) error {
	var problems []string
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	role, ok := w.roles[want.Name()]
	if !ok {
		return errors.New("there is no role")
	}
	var mine []*registered
	for _, r := range w.clients {
		if r.client.Name == want.Name() {
			mine = append(mine, r)
		}
	}
	if len(mine) != 1 {
		return fmt.Errorf("there are %d clients", len(mine))
	}
	client := mine[0]
	if !client.granted {
		add("the grant is missing")
	}
	if !access.Equivalent(role.TrustPolicy, want.trust(client.client)) {
		add("the trust policy is %s", role.TrustPolicy)
	}
	if kept, ok := w.vault[want.SecretName()]; ok != (want.storage() != State) || ok && kept.value != client.client.Secret {
		add("the stored secret is there: %t, and is the client's: %t", ok, kept.value == client.client.Secret)
	}
	granted, revoked := policies(role)
	if !maps.EqualFunc(granted, want.Permissions().Policies(), access.Equivalent) || revoked != want.Disabled {
		add("the policies are %v", role.InlinePolicies)
	}
	if !maps.Equal(userTags(role.Tags), want.Tags) {
		add("the tags are %v", role.Tags)
	}
	if len(w.listed) > 1 {
		add("the OIDC provider lists %v", w.listed)
	}
	if j := parseJournal(role.Tags); j.Phase != Ready || j.ClientID != client.client.ID || j.Holder != "" {
		add("the journal says %+v", j)
	}
	wanted := map[string]rolemap.Row{}
	if want.Mode == access.Vending {
		key := rolemap.Key(want.Issuer, client.client.ID)
		wanted[key] = rolemap.Row{ClientID: key, RoleARN: role.ARN, ServerName: want.Server, Prefix: want.Prefix}
	}
	if rows := w.rowsOf(want); !maps.Equal(rows, wanted) {
		add("the mapping rows are %v", rows)
	}
	if w.listed[client.client.ID] != (want.Mode == access.AZP) {
		add("the client is listed at the OIDC provider: %v", w.listed[client.client.ID])
	}
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	return nil
}

// rowsOf are the mapping rows of the server.
func (w *world) rowsOf(want Resolved) map[string]rolemap.Row {
	rows := maps.Clone(w.rows)
	maps.DeleteFunc(rows, func(_ string, row rolemap.Row) bool { return row.ServerName != want.Server })
	return rows
}

// empty compares the world with nothing of the server.
func (w *world) empty(want Resolved) error {
	if _, ok := w.roles[want.Name()]; ok {
		return errors.New("the role is left")
	}
	for id, r := range w.clients {
		if r.client.Name == want.Name() {
			return fmt.Errorf("client %s is left", id)
		}
	}
	if _, ok := w.vault[want.SecretName()]; ok {
		return errors.New("the stored secret is left")
	}
	if rows := w.rowsOf(want); len(rows) > 0 {
		return fmt.Errorf("mapping rows are left: %v", rows)
	}
	if len(w.listed) > 0 {
		return fmt.Errorf("listed audiences are left: %v", w.listed)
	}
	return nil
}
