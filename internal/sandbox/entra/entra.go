// Package entra is one tenant of Microsoft Entra ID: its login host, which issues access tokens of version 1 and 2, and
// its Microsoft Graph v1.0, as far as applications, service principals and app role assignments go. Users, groups,
// consent and every interactive flow do not belong here.
//
// # Issuers
//
// The public cloud's issuer of version 1 is on another host, https://sts.windows.net/TENANT/. A loopback sandbox has no
// such host: here it is https://LOGIN/TENANT/, with the trailing slash of the real one. That of version 2 is
// https://LOGIN/TENANT/v2.0 as everywhere. Both have their discovery document below the issuer.
//
// # Ids
//
// The object id of an application, its appId and the object id of its service principal always differ, so that taking
// one for another fails.
package entra

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/store"
)

// Config is what a Tenant needs.
type Config struct {
	Now  func() time.Time // nil means time.Now
	Rand io.Reader        // of ids and secrets, safe for concurrent use; nil means crypto/rand

	TenantID  string // GUID; empty: a new one
	LoginHost string // host:port under which clients reach Login
	GraphHost string // host:port under which clients reach Graph
}

// Tenant is the directory that both services share.
type Tenant struct {
	cfg  Config
	keys *keyring
	lag  *replication

	// mu makes writes that touch several tables one step. Reads go without it.
	mu           sync.Mutex
	applications *store.Table[application] // by object id; deleted ones too
	principals   *store.Table[principal]   // by object id; deleted ones too
	assignments  *store.Table[assignment]  // by id
	byAppID      *store.Table[string]      // object id of the application of an appId
	byUniqueName *store.Table[string]      // object id of the application of a uniqueName
	byIdentifier *store.Table[string]      // object id of the application of an identifier URI
	principalOf  *store.Table[string]      // object id of the service principal of an appId
	noUpsert     bool
}

// New returns a tenant that holds nothing but the service principal of Microsoft Graph.
func New(cfg Config) (*Tenant, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.TenantID == "" {
		cfg.TenantID = guid(cfg.Rand)
	}
	keys, err := newKeyring()
	if err != nil {
		return nil, fmt.Errorf("make the signing key of tenant %s: %w", cfg.TenantID, err)
	}
	t := &Tenant{
		cfg: cfg, keys: keys, lag: &replication{},
		applications: store.NewTable[application](cfg.Now), principals: store.NewTable[principal](cfg.Now),
		assignments: store.NewTable[assignment](cfg.Now), byAppID: store.NewTable[string](cfg.Now),
		byUniqueName: store.NewTable[string](cfg.Now), byIdentifier: store.NewTable[string](cfg.Now),
		principalOf: store.NewTable[string](cfg.Now),
	}
	t.addGraph()
	return t, nil
}

// ID is the tenant's id.
func (t *Tenant) ID() string { return t.cfg.TenantID }

// Domain is the tenant's initial domain name, which may stand for its id in the paths of the login host.
func (t *Tenant) Domain() string { return "sandbox.onmicrosoft.com" }

// Issuer is the iss of the tenant's tokens of a version, 1 or 2.
func (t *Tenant) Issuer(version int) string {
	base := "https://" + t.cfg.LoginHost + "/" + t.cfg.TenantID + "/"
	if version == 2 {
		return base + "v2.0"
	}
	return base
}

// SetReplicationLag makes Graph forgetful: for the time d after a write, every other request of the same method and path,
// the first one included, is answered as if the write had not happened yet. 0 ends it. The login host is not affected.
func (t *Tenant) SetReplicationLag(d time.Duration) { t.lag.set(d) }

// SetUpsert says whether the cloud has the upsert of applications by uniqueName, as the public one does; some national
// clouds refuse it.
func (t *Tenant) SetUpsert(supported bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.noUpsert = !supported
}

func (t *Tenant) now() time.Time { return t.cfg.Now().UTC().Truncate(time.Second) }

func (t *Tenant) guid() string { return guid(t.cfg.Rand) }

// guid returns a random GUID of version 4. A source of randomness that fails gives the same one again and again.
func guid(source io.Reader) string {
	var b [16]byte
	_, _ = io.ReadFull(source, b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	text := hex.EncodeToString(b[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// secretAlphabet has the characters of real client secrets, some of which must be escaped in forms.
const secretAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789~._-"

// newSecret returns a client secret in the shape of real ones: 40 characters, "8Q~" from the fourth on.
func newSecret(source io.Reader) (string, error) {
	raw := make([]byte, 40)
	if _, err := io.ReadFull(source, raw); err != nil {
		return "", fmt.Errorf("make a client secret: %w", err)
	}
	for i := range raw {
		raw[i] = secretAlphabet[int(raw[i])%len(secretAlphabet)]
	}
	copy(raw[3:], "8Q~")
	return string(raw), nil
}

// replication decides which requests see the past.
type replication struct {
	mu    sync.Mutex
	delay time.Duration
	seen  map[string]int
}

func (r *replication) set(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay, r.seen = max(d, 0), map[string]int{}
}

// context returns the moment that a request sees. key tells the requests that are counted together.
func (r *replication) context(ctx context.Context, key string, now time.Time) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.delay == 0 {
		return ctx
	}
	r.seen[key]++
	if r.seen[key]%2 == 0 {
		return ctx
	}
	return store.AsOf(ctx, now.Add(-r.delay))
}
