package entra

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

const keyBits = 2048

// keyring holds the keys that tokens are signed with. All of them are published, the newest signs.
type keyring struct {
	mu   sync.RWMutex
	keys []jose.JSONWebKey // private, oldest first
}

func newKeyring() (*keyring, error) {
	k := &keyring{}
	return k, k.rotate()
}

func newKey() (jose.JSONWebKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("generate an RSA key: %w", err)
	}
	key := jose.JSONWebKey{Key: private, Algorithm: string(jose.RS256), Use: "sig"}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("name an RSA key: %w", err)
	}
	key.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint[:20])
	return key, nil
}

// rotate puts a new key in front. The old ones stay published.
func (k *keyring) rotate() error {
	key, err := newKey()
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys = append(k.keys, key)
	return nil
}

func (k *keyring) newest() jose.JSONWebKey {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keys[len(k.keys)-1]
}

// find returns the public key of that id.
func (k *keyring) find(id string) (jose.JSONWebKey, bool) {
	set := k.public()
	if found := set.Key(id); len(found) > 0 {
		return found[0], true
	}
	return jose.JSONWebKey{}, false
}

func (k *keyring) public() jose.JSONWebKeySet {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var set jose.JSONWebKeySet
	for _, key := range k.keys {
		set.Keys = append(set.Keys, key.Public())
	}
	return set
}

// sign makes a token of the claims. Its header carries the key's id as kid, and as real tokens of version 1 do, as x5t.
func sign(key jose.JSONWebKey, version int, claims map[string]any) (string, error) {
	options := (&jose.SignerOptions{}).WithType("JWT")
	if version == 1 {
		options = options.WithHeader("x5t", key.KeyID)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, options)
	if err != nil {
		return "", fmt.Errorf("set up the signer of a token: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write a token's claims: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return signed.CompactSerialize()
}

// RotateKeys makes the tenant sign with a new key from now on. The former ones stay published, so that their tokens
// remain valid.
func (t *Tenant) RotateKeys() error { return t.keys.rotate() }

// Mint says what a token shall look like that the login host would not issue.
type Mint struct {
	Version int            // of the issuer: 1 or 2
	Claims  map[string]any // added to iss, tid, iat, nbf, exp and ver; a nil value takes the claim away
	Forged  bool           // signed with another key, under the key id of the tenant's
}

// MintToken returns a token of any claims, for tests of what others refuse.
func (t *Tenant) MintToken(m Mint) (string, error) {
	claims := t.standardClaims(m.Version)
	maps.Copy(claims, m.Claims)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	key := t.keys.newest()
	if m.Forged {
		other, err := newKey()
		if err != nil {
			return "", err
		}
		other.KeyID, key = key.KeyID, other
	}
	return sign(key, m.Version, claims)
}
