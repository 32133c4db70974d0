package auth0

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// signingKeys are the tenant's keys, the current one first.
type signingKeys struct {
	mu   sync.RWMutex
	keys []jose.JSONWebKey
}

const signingKeySize = 2048

func newSigningKeys() (*signingKeys, error) {
	s := &signingKeys{}
	return s, s.rotate()
}

// rotate makes a new key the current one. The old ones stay in the key set.
func (s *signingKeys) rotate() error {
	private, err := rsa.GenerateKey(rand.Reader, signingKeySize)
	if err != nil {
		return err
	}
	key := jose.JSONWebKey{Key: private, Algorithm: string(jose.RS256), Use: "sig"}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return err
	}
	key.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)[:21]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append([]jose.JSONWebKey{key}, s.keys...)
	return nil
}

func (s *signingKeys) retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = s.keys[:1]
}

func (s *signingKeys) current() jose.JSONWebKey {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.keys[0]
}

func (s *signingKeys) public() jose.JSONWebKeySet {
	s.mu.RLock()
	defer s.mu.RUnlock()
	set := jose.JSONWebKeySet{}
	for _, key := range s.keys {
		set.Keys = append(set.Keys, key.Public())
	}
	return set
}

// ownClaims are the claims that the tenant checks of its own tokens.
type ownClaims struct {
	jwt.Claims

	Scope string `json:"scope"`
}

// verify checks a token's signature and returns its claims, which the caller judges.
func (s *signingKeys) verify(token string) (ownClaims, error) {
	var claims ownClaims
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return claims, err
	}
	keys := s.public()
	for _, header := range parsed.Headers {
		for _, key := range keys.Key(header.KeyID) {
			if parsed.Claims(key.Key, &claims) == nil {
				return claims, nil
			}
		}
	}
	return ownClaims{}, errors.New("no key of this tenant has signed the token")
}

// MintToken signs claims with the tenant's current key, whatever they say. header overrides the token's own header.
func (t *Tenant) MintToken(header, claims map[string]any) (string, error) {
	key := t.keys.current()
	options := (&jose.SignerOptions{}).WithType("JWT")
	for name, value := range header {
		options = options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, options)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return signed.CompactSerialize()
}

// RotateSigningKey makes a new key the current one; RetireSigningKeys then takes the old ones out of the key set.
func (t *Tenant) RotateSigningKey() error { return t.keys.rotate() }

// RetireSigningKeys removes all keys but the current one.
func (t *Tenant) RetireSigningKeys() { t.keys.retire() }

func (t *Tenant) jwks(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=15, stale-while-revalidate=15")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(t.keys.public()) // the client has gone away: nobody to tell
}

func (t *Tenant) discovery(w http.ResponseWriter, _ *http.Request) {
	issuer := t.Issuer()
	w.Header().Set("Cache-Control", "public, max-age=15, stale-while-revalidate=15")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(map[string]any{ // the client has gone away: nobody to tell
		"issuer":                                           issuer,
		"authorization_endpoint":                           issuer + "authorize",
		"token_endpoint":                                   issuer + "oauth/token",
		"jwks_uri":                                         issuer + ".well-known/jwks.json",
		"response_types_supported":                         []string{"code", "token", "id_token"},
		"subject_types_supported":                          []string{"public"},
		"id_token_signing_alg_values_supported":            []string{"RS256"},
		"token_endpoint_auth_methods_supported":            []string{"client_secret_basic", "client_secret_post", "private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS256", "RS384", "PS256"},
	})
}
