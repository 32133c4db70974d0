package auth0

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// publicKey is a key that a host proves itself with.
type publicKey struct {
	id  string // RFC 7638 thumbprint, which is what Auth0 gives as kid
	pem string // SubjectPublicKeyInfo
}

// parseKey reads an RSA public key in PEM: as SubjectPublicKeyInfo, PKCS #1 or the subject of a certificate.
func parseKey(text string) (publicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return publicKey{}, errors.New("it is not PEM")
	}
	var key any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = certificate.PublicKey
		}
	default:
		return publicKey{}, errors.New("it is neither a public key nor a certificate")
	}
	if err != nil {
		return publicKey{}, errors.New("it does not parse")
	}
	if _, ok := key.(*rsa.PublicKey); !ok {
		return publicKey{}, errors.New("it is not an RSA key, and Auth0 takes no other")
	}
	sum, err := (&jose.JSONWebKey{Key: key}).Thumbprint(crypto.SHA256)
	if err != nil {
		return publicKey{}, errors.New("it does not parse")
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return publicKey{}, errors.New("it does not parse")
	}
	return publicKey{
		id:  base64.RawURLEncoding.EncodeToString(sum),
		pem: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}, nil
}

// wantedKeys reads the keys that a spec asks for, each once.
func wantedKeys(spec idp.Spec) ([]publicKey, error) {
	if spec.Method != idp.PrivateKeyJWT {
		return nil, nil
	}
	var keys []publicKey
	for i, text := range spec.PublicKeys {
		key, err := parseKey(text)
		if err != nil {
			return nil, fmt.Errorf("public key %d cannot be used: %w", i+1, err)
		}
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 || len(keys) > maxCredentials {
		return nil, fmt.Errorf("private_key_jwt takes one or two public keys, not %d", len(keys))
	}
	return keys, nil
}

func invalidKeys(spec idp.Spec, err error) error {
	return &apierror.Error{Kind: apierror.Invalid, Service: service, Operation: partAuthentication, Object: "client " + spec.Name, Err: err}
}

// newCredentials describes the wanted keys as Auth0 takes them.
func newCredentials(spec idp.Spec) ([]any, error) {
	keys, err := wantedKeys(spec)
	if err != nil {
		return nil, invalidKeys(spec, err)
	}
	var credentials []any
	for _, key := range keys {
		credentials = append(credentials, newCredential(key))
	}
	return credentials, nil
}

func newCredential(key publicKey) map[string]any {
	return map[string]any{"credential_type": credentialType, "name": "oidcs3 " + key.id[:8], "pem": key.pem, "alg": signingAlg}
}

func privateKeyJWT(credentials any) map[string]any {
	return map[string]any{"private_key_jwt": map[string]any{"credentials": credentials}}
}

// record writes which credential is which key, so that shared reads, which show credentials' ids only, tell.
func record(credentials []credential) string {
	var entries []string
	for _, c := range credentials {
		entries = append(entries, c.ID+"="+c.KeyID)
	}
	slices.Sort(entries)
	return strings.Join(entries, " ")
}

// parseRecord reads what record wrote: key ids by credential id. What does not parse is left out.
func parseRecord(text string) map[string]string {
	keys := map[string]string{}
	for _, entry := range strings.Fields(text) {
		if id, key, ok := strings.Cut(entry, "="); ok && id != "" && key != "" {
			keys[id] = key
		}
	}
	return keys
}

// keyStep is one change on the way from the keys that a client has to those that it shall have.
type keyStep struct {
	verb string   // addKey, enableKeys, removeKey
	keys []string // key ids: one to add or remove, all that shall be enabled
}

const (
	addKey     = "add"
	enableKeys = "enable"
	removeKey  = "remove"
)

// planKeys lists the changes. Auth0 stores two credentials of a client, so that an old one may have to go before a new
// one comes; where any key is wanted there is always one enabled, once there is one at all.
// https://auth0.com/docs/get-started/applications/rotate-credentials
func planKeys(stored, enabled, wanted []string) []keyStep {
	var plan []keyStep
	stored, enabled = slices.Clone(stored), slices.Clone(enabled)
	enable := func(keys []string) {
		if !sameSet(keys, enabled) {
			plan = append(plan, keyStep{enableKeys, keys})
			enabled = slices.Clone(keys)
		}
	}
	remove := func(key string) {
		plan = append(plan, keyStep{removeKey, []string{key}})
		stored = slices.DeleteFunc(stored, func(k string) bool { return k == key })
	}
	for _, key := range wanted {
		if slices.Contains(stored, key) {
			continue
		}
		for len(stored) >= maxCredentials {
			victim := leastMissed(stored, enabled, wanted)
			if slices.Contains(enabled, victim) {
				// Whoever uses another key goes on with it.
				rest := slices.DeleteFunc(union(enabled, both(wanted, stored)), func(k string) bool { return k == victim })
				enable(rest)
			}
			remove(victim)
		}
		plan = append(plan, keyStep{addKey, []string{key}})
		stored = append(stored, key)
	}
	if len(wanted) > 0 {
		enable(slices.Clone(wanted))
	}
	for _, key := range slices.Clone(stored) {
		if !slices.Contains(wanted, key) {
			remove(key)
		}
	}
	return plan
}

// leastMissed picks a stored key that is not wanted: a disabled one before an enabled one.
func leastMissed(stored, enabled, wanted []string) string {
	victim := ""
	for _, key := range stored {
		if slices.Contains(wanted, key) {
			continue
		}
		if !slices.Contains(enabled, key) {
			return key
		}
		if victim == "" {
			victim = key
		}
	}
	return victim
}

func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, key := range b {
		if !slices.Contains(all, key) {
			all = append(all, key)
		}
	}
	return all
}

func both(a, b []string) []string {
	var common []string
	for _, key := range a {
		if slices.Contains(b, key) {
			common = append(common, key)
		}
	}
	return common
}
