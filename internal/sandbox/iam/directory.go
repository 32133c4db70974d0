// Package iam is the sandbox's IAM: roles, users, managed policies and OIDC providers of one account, over IAM's query
// API as aws-sdk-go-v2, boto3 and the AWS CLI speak it. Directory holds the state, and authz and sts read it; Service is
// the API.
//
// The URL of an OIDC provider may carry a port here, as a provider on loopback needs one; AWS's documentation says that
// it should not. A trailing slash of the URL is part of it, and of its ARN.
//
// What a caller may do is decided by authz, never here.
package iam

import (
	"context"
	"crypto/rand"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/store"
)

// DirectoryConfig is what a Directory needs.
type DirectoryConfig struct {
	Now       func() time.Time
	Rand      io.Reader // of ids, access keys and secrets, safe for concurrent use; nil means crypto/rand
	AccountID string
	Partition string
}

// Directory is the state of IAM.
type Directory struct {
	cfg DirectoryConfig
	// mu is held by every write, as some look at several tables.
	mu        sync.Mutex
	roles     *store.Table[role] // roles and users by name in lower case: names differ by more than case
	users     *store.Table[user]
	keys      *store.Table[accessKey] // by access key id
	policies  *store.Table[managedPolicy]
	providers *store.Table[provider] // by URL without https://
	lastUsed  *store.Table[time.Time]
	roleQuota atomic.Int64
}

var _ authz.Directory = (*Directory)(nil)

// NewDirectory returns a directory that holds a few of AWS's own managed policies.
func NewDirectory(cfg DirectoryConfig) *Directory {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	d := &Directory{
		cfg:       cfg,
		roles:     store.NewTable[role](cfg.Now),
		users:     store.NewTable[user](cfg.Now),
		keys:      store.NewTable[accessKey](cfg.Now),
		policies:  store.NewTable[managedPolicy](cfg.Now),
		providers: store.NewTable[provider](cfg.Now),
		lastUsed:  store.NewTable[time.Time](cfg.Now),
	}
	d.roleQuota.Store(defaultRoleQuota)
	d.seedManagedPolicies()
	return d
}

// SetRoleQuota changes how many roles the account may have; the default is 1,000. It may be called at any time.
func (d *Directory) SetRoleQuota(n int) { d.roleQuota.Store(int64(n)) }

// MarkUsed notes that a session of the role was made, for RoleLastUsed.
func (d *Directory) MarkUsed(roleName string) { d.lastUsed.Put(roleName, d.cfg.Now()) }

// latest undoes a stale read: a write always starts from what is.
func (d *Directory) latest(ctx context.Context) context.Context { return store.AsOf(ctx, d.cfg.Now()) }

func (d *Directory) arn(resource string) string {
	return "arn:" + d.cfg.Partition + ":iam::" + d.cfg.AccountID + ":" + resource
}

func (d *Directory) role(ctx context.Context, name string) (role, bool) {
	r, ok := d.roles.Get(ctx, strings.ToLower(name))
	return r, ok && r.Name == name
}

func (d *Directory) user(ctx context.Context, name string) (user, bool) {
	u, ok := d.users.Get(ctx, strings.ToLower(name))
	return u, ok && u.Name == name
}

// UserByKey implements authz.Directory.
func (d *Directory) UserByKey(ctx context.Context, accessKeyID string) (authz.Identity, string, bool) {
	key, ok := d.keys.Get(ctx, accessKeyID)
	if !ok || !key.Active {
		return authz.Identity{}, "", false
	}
	identity, ok := d.User(ctx, key.UserName)
	return identity, key.secret, ok
}

// User implements authz.Directory.
func (d *Directory) User(ctx context.Context, name string) (authz.Identity, bool) {
	u, ok := d.user(ctx, name)
	if !ok {
		return authz.Identity{}, false
	}
	identity := authz.Identity{Name: u.Name, ARN: u.ARN, ID: u.ID, Tags: u.Tags, Admin: u.Admin}
	d.addPolicies(ctx, &identity, u.holder)
	return identity, true
}

// Role implements authz.Directory.
func (d *Directory) Role(ctx context.Context, name string) (authz.Identity, bool) {
	r, ok := d.role(ctx, name)
	if !ok {
		return authz.Identity{}, false
	}
	identity := authz.Identity{
		Name: r.Name, ARN: r.ARN, ID: r.ID, Tags: r.Tags,
		TrustPolicy: d.renderTrust(ctx, r), MaxSessionDuration: time.Duration(r.MaxSession) * time.Second,
	}
	d.addPolicies(ctx, &identity, r.holder)
	return identity, true
}

func (d *Directory) addPolicies(ctx context.Context, identity *authz.Identity, h holder) {
	for _, name := range sortedKeys(h.Inline) {
		identity.Policies = append(identity.Policies, h.Inline[name])
	}
	for _, arn := range h.Attached {
		document, _ := d.PolicyDocument(ctx, arn) // one that is gone parses as nothing, and nothing is allowed
		identity.Policies = append(identity.Policies, document)
	}
	if h.Boundary != "" {
		identity.HasBoundary = true
		identity.Boundary, _ = d.PolicyDocument(ctx, h.Boundary)
	}
}

// PolicyDocument returns the default version of a managed policy.
func (d *Directory) PolicyDocument(ctx context.Context, arn string) (string, bool) {
	p, ok := d.policies.Get(ctx, arn)
	if !ok {
		return "", false
	}
	return p.version(p.Default).Document, true
}

// OIDCProvider is an OIDC identity provider as STS needs it.
type OIDCProvider struct {
	ARN       string
	URL       string // without https://
	ClientIDs []string
}

// OIDCProviderOf returns the provider whose URL is that of the issuer, character for character.
func (d *Directory) OIDCProviderOf(ctx context.Context, issuer string) (OIDCProvider, bool) {
	const scheme = "https://"
	if len(issuer) <= len(scheme) || issuer[:len(scheme)] != scheme {
		return OIDCProvider{}, false
	}
	p, ok := d.providers.Get(d.latest(ctx), issuer[len(scheme):])
	return OIDCProvider{ARN: p.ARN, URL: p.URL, ClientIDs: p.ClientIDs}, ok
}
