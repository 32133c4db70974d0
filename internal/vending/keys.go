package vending

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
)

const (
	keysTTL      = time.Hour        // keys younger than this are used as they are, older ones while they are fetched anew
	keysMaxAge   = 24 * time.Hour   // keys older than this are not used at all, whatever the issuer's trouble
	keysInterval = 30 * time.Second // between two fetches, whoever asks: unknown kids must not become a flood
	keysTimeout  = 5 * time.Second
	maxKeyBytes  = 1 << 20
	maxKeys      = 100
)

var (
	errUnknownKey = errors.New("the issuer has no such key")
	errNoKeys     = errors.New("the issuer's keys are not known")
)

// KeyClient returns the client that fetches keys over transport. It follows no redirect: keys come from where the
// configuration or the discovery document says.
func KeyClient(transport http.RoundTripper) *http.Client {
	return &http.Client{Transport: transport, Timeout: keysTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// keySet is an issuer's public keys. They are fetched when first needed, when they are an hour old, and when a token
// names a key that is not among them, but never more often than once in keysInterval. Only who has no usable key waits for
// them: an issuer that hangs does not slow down the clients whose keys are known.
type keySet struct {
	running         context.Context // ends with the service, and a fetch with it
	issuer, jwksURI string
	client          *http.Client
	now             func() time.Time

	flights   singleflight.Group
	mu        sync.RWMutex
	keys      []jose.JSONWebKey
	fetched   time.Time // of keys, by the time of day: a service that was suspended is to know their age
	attempted time.Time // last fetch, good or not
	failure   error     // of that fetch
}

func newKeySet(running context.Context, i Issuer, client *http.Client, now func() time.Time) *keySet {
	return &keySet{running: running, issuer: i.URL, jwksURI: i.JWKSURI, client: client, now: now}
}

// find returns the key of that id for the algorithm. Errors: errUnknownKey, errNoKeys with its cause, the context's.
func (k *keySet) find(ctx context.Context, kid string, alg jose.SignatureAlgorithm) (jose.JSONWebKey, error) {
	key, found, fresh := k.look(kid, alg)
	if found && fresh {
		return key, nil
	}
	if k.due() {
		flight := k.flights.DoChan("", func() (any, error) { k.refresh(); return nil, nil })
		if found { // the fetch goes on behind the caller's back
			return key, nil
		}
		select {
		case <-ctx.Done():
			return key, fmt.Errorf("%w: %w", errNoKeys, ctx.Err())
		case <-flight:
		}
		key, found, _ = k.look(kid, alg)
	}
	if found {
		return key, nil
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.fetched.IsZero() || k.now().Sub(k.fetched) >= keysMaxAge {
		return key, fmt.Errorf("%w: %w", errNoKeys, k.failure)
	}
	return key, errUnknownKey
}

func (k *keySet) look(kid string, alg jose.SignatureAlgorithm) (key jose.JSONWebKey, found, fresh bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	age := k.now().Sub(k.fetched)
	if k.fetched.IsZero() || age >= keysMaxAge {
		return key, false, false
	}
	for _, key := range k.keys {
		if key.KeyID == kid && (key.Algorithm == "" || key.Algorithm == string(alg)) {
			return key, true, age < keysTTL
		}
	}
	return key, false, age < keysTTL
}

func (k *keySet) due() bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.attempted.IsZero() || k.now().Sub(k.attempted) >= keysInterval
}

func (k *keySet) refresh() {
	if !k.due() { // another flight has landed since
		return
	}
	// The client's time-out is that of one request; discovery and keys together have no longer.
	ctx, cancel := context.WithTimeout(k.running, cmp.Or(k.client.Timeout, keysTimeout))
	defer cancel()
	keys, err := k.fetch(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.attempted, k.failure = k.now(), err
	if err == nil {
		k.keys, k.fetched = keys, k.attempted.Round(0)
	}
}

func (k *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	uri := k.jwksURI
	if uri == "" {
		var err error
		if uri, err = k.discover(ctx); err != nil {
			return nil, err
		}
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := k.get(ctx, uri, &set); err != nil {
		return nil, err
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("%s lists %d keys; %d are taken", uri, len(set.Keys), maxKeys)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		// A key of a kind that is not known here is none of ours: the others count.
		if json.Unmarshal(raw, &key) == nil && key.Valid() && key.IsPublic() && (key.Use == "" || key.Use == "sig") && key.KeyID != "" {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s lists no usable key", uri)
	}
	return keys, nil
}

// discover reads the jwks_uri from the issuer's discovery document, which has to be about that very issuer.
// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation
func (k *keySet) discover(ctx context.Context) (string, error) {
	var document struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	uri := strings.TrimSuffix(k.issuer, "/") + "/.well-known/openid-configuration"
	if err := k.get(ctx, uri, &document); err != nil {
		return "", err
	}
	if document.Issuer != k.issuer {
		return "", fmt.Errorf("%s is about the issuer %q, not %q", uri, document.Issuer, k.issuer)
	}
	if err := checkURL("jwks_uri", document.JWKSURI); err != nil {
		return "", fmt.Errorf("%s: %w", uri, err)
	}
	return document.JWKSURI, nil
}

func (k *keySet) get(ctx context.Context, uri string, to any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	resp, err := k.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: status %d", uri, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeyBytes+1))
	if err != nil {
		return fmt.Errorf("GET %s: %w", uri, err)
	}
	if len(body) > maxKeyBytes {
		return fmt.Errorf("GET %s: more than %d bytes", uri, maxKeyBytes)
	}
	if err := json.Unmarshal(body, to); err != nil {
		return fmt.Errorf("GET %s: %w", uri, err)
	}
	return nil
}
