package sts

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
)

const (
	keyLifetime    = 10 * time.Minute
	refetchWindow  = time.Minute // an unknown key id leads to at most refetchesPer of these
	refetchesPer   = 10
	fetchTimeout   = 10 * time.Second
	maxKeyDocument = 1 << 20
	minRSABits     = 2048
)

// keyCache holds the signing keys of issuers. A key id that is not in it makes it fetch again, but only so often: a
// forged token costs the issuer nothing.
type keyCache struct {
	client *http.Client
	now    func() time.Time

	mu sync.Mutex
	by map[string]*issuerKeys
}

type issuerKeys struct {
	mu        sync.Mutex // held while fetching, so that concurrent calls share one fetch
	set       jose.JSONWebKeySet
	fetched   time.Time
	window    time.Time // start of the current refetch window
	refetches int
}

func newKeyCache(client *http.Client, now func() time.Time) *keyCache {
	return &keyCache{client: client, now: now, by: map[string]*issuerKeys{}}
}

func (c *keyCache) issuers() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := make([]string, 0, len(c.by))
	for name := range c.by {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (c *keyCache) entry(issuer string) *issuerKeys {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by[issuer] == nil {
		c.by[issuer] = &issuerKeys{}
	}
	return c.by[issuer]
}

// key returns the issuer's signing key of that id. The error is an *authz.Error.
func (c *keyCache) key(ctx context.Context, issuer, kid string) (jose.JSONWebKey, error) {
	if kid == "" {
		return jose.JSONWebKey{}, noKey()
	}
	e := c.entry(issuer)
	e.mu.Lock()
	defer e.mu.Unlock()
	now := c.now()
	if key, ok := e.find(kid); ok && now.Sub(e.fetched) < keyLifetime {
		return key, nil
	}
	if !e.mayFetch(now) {
		return jose.JSONWebKey{}, noKey()
	}
	set, err := c.fetch(ctx, issuer)
	if err != nil {
		if key, ok := e.find(kid); ok { // an issuer that is away for a moment does not lock everybody out
			return key, nil
		}
		return jose.JSONWebKey{}, err
	}
	e.set, e.fetched = set, now
	if key, ok := e.find(kid); ok {
		return key, nil
	}
	return jose.JSONWebKey{}, noKey()
}

func (e *issuerKeys) mayFetch(now time.Time) bool {
	if now.Sub(e.window) >= refetchWindow {
		e.window, e.refetches = now, 0
	}
	e.refetches++
	return e.refetches <= refetchesPer
}

// find returns the one public signing key of that id.
func (e *issuerKeys) find(kid string) (jose.JSONWebKey, bool) {
	for _, key := range e.set.Key(kid) {
		if key.Use != "" && key.Use != "sig" {
			continue
		}
		if public, isRSA := key.Key.(*rsa.PublicKey); isRSA && public.N.BitLen() < minRSABits {
			continue
		}
		if key.IsPublic() && key.Valid() {
			return key, true
		}
	}
	return jose.JSONWebKey{}, false
}

func noKey() *authz.Error {
	return invalidToken("Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements")
}

func (c *keyCache) fetch(ctx context.Context, issuer string) (jose.JSONWebKeySet, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	var discovery struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := c.get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", &discovery); err != nil {
		return jose.JSONWebKeySet{}, err
	}
	if discovery.Issuer != issuer || !strings.HasPrefix(discovery.JWKSURI, "https://") {
		return jose.JSONWebKeySet{}, noKey()
	}
	var set jose.JSONWebKeySet
	if err := c.get(ctx, discovery.JWKSURI, &set); err != nil {
		return jose.JSONWebKeySet{}, err
	}
	return set, nil
}

func (c *keyCache) get(ctx context.Context, url string, into any) error {
	if err := c.read(ctx, url, into); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return noKey()
		}
		return &authz.Error{
			Code: "IDPCommunicationError", Status: http.StatusBadRequest,
			Message: "The identity provider could not be reached to verify the token: " + err.Error(),
		}
	}
	return nil
}

func (c *keyCache) read(ctx context.Context, url string, into any) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeyDocument))
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}
