package auth0

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// credential is a public key of a client.
type credential struct {
	ID, Name, Kid, Alg string
	Created, Updated   time.Time
	Expires            time.Time // zero: never
	Key                *rsa.PublicKey
}

// maxCredentials is how many keys a client may have for private_key_jwt.
// https://auth0.com/docs/get-started/applications/credentials
const maxCredentials = 2

// credentialsOf finds the credentials in a client's client_authentication_methods.
func credentialsOf(client document) ([]any, bool) {
	methods, _ := client["client_authentication_methods"].(map[string]any)
	jwt, _ := methods["private_key_jwt"].(map[string]any)
	list, ok := jwt["credentials"].([]any)
	return list, ok
}

func privateKeyJWT(credentials []any) map[string]any {
	return map[string]any{"private_key_jwt": map[string]any{"credentials": credentials}}
}

func references(credentials []credential) []any {
	var list []any
	for _, c := range credentials {
		list = append(list, map[string]any{"id": c.ID})
	}
	return list
}

func described(credentials []credential) []any {
	var list []any
	for _, c := range credentials {
		list = append(list, c.describe())
	}
	return list
}

func (c credential) describe() map[string]any {
	shown := map[string]any{
		"id": c.ID, "name": c.Name, "kid": c.Kid, "alg": c.Alg, "credential_type": "public_key",
		"created_at": c.Created.UTC().Format(time.RFC3339Nano), "updated_at": c.Updated.UTC().Format(time.RFC3339Nano),
	}
	if !c.Expires.IsZero() {
		shown["expires_at"] = c.Expires.UTC().Format(time.RFC3339Nano)
	}
	return shown
}

// makeCredentials reads whole credentials, as a client may be created with.
func (t *Tenant) makeCredentials(given []any) ([]credential, error) {
	if len(given) == 0 || len(given) > maxCredentials {
		return nil, invalidBody("private_key_jwt takes 1 to %d credentials.", maxCredentials)
	}
	var made []credential
	for _, one := range given {
		body, _ := one.(map[string]any)
		c, err := t.makeCredential(body)
		if err != nil {
			return nil, err
		}
		made = append(made, c)
	}
	return made, nil
}

func (t *Tenant) makeCredential(body document) (credential, error) {
	if body.text("credential_type") != "public_key" {
		return credential{}, invalidBody("'No enum match for: %q' on property credential_type.", body.text("credential_type"))
	}
	key, notAfter := parsePublicKey(body.text("pem"))
	if key == nil {
		return credential{}, invalidBody("'pem must be an RSA public key of 2,048 bits or more, or a certificate of one' on property pem.")
	}
	alg := body.text("alg")
	if alg == "" {
		alg = "RS256"
	}
	if !slices.Contains([]string{"RS256", "RS384", "PS256"}, alg) {
		return credential{}, invalidBody("'No enum match for: %s' on property alg.", alg)
	}
	expires, err := expiryOf(body)
	if err != nil {
		return credential{}, err
	}
	if body["parse_expiry_from_cert"] == true {
		expires = notAfter
	}
	thumbprint, err := (&jose.JSONWebKey{Key: key}).Thumbprint(crypto.SHA256)
	if err != nil {
		return credential{}, invalidBody("the key has no thumbprint.")
	}
	now := t.cfg.Now()
	return credential{
		ID: "cred_" + t.newID(22), Name: body.text("name"), Kid: base64.RawURLEncoding.EncodeToString(thumbprint), Alg: alg,
		Created: now, Updated: now, Expires: expires, Key: key,
	}, nil
}

// expiryOf reads expires_at; zero: never.
func expiryOf(body document) (time.Time, error) {
	if body["expires_at"] == nil {
		return time.Time{}, nil
	}
	expires, err := time.Parse(time.RFC3339, body.text("expires_at"))
	if err != nil {
		return time.Time{}, invalidBody("'Object didn't pass validation for format date-time' on property expires_at.")
	}
	return expires, nil
}

const smallestKey = 2048

// parsePublicKey reads a public key or a certificate, whose end is notAfter. The key is nil where it is not an RSA key
// that the tenant takes.
func parsePublicKey(text string) (key *rsa.PublicKey, notAfter time.Time) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, notAfter
	}
	var parsed any
	var err error
	switch block.Type {
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			parsed, notAfter = certificate.PublicKey, certificate.NotAfter
		}
	case "RSA PUBLIC KEY":
		parsed, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "PUBLIC KEY":
		parsed, err = x509.ParsePKIXPublicKey(block.Bytes)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if err != nil || !ok || key.N.BitLen() < smallestKey {
		return nil, time.Time{}
	}
	return key, notAfter
}

// knownCredentials refuses references to credentials that the client does not have.
func (t *Tenant) knownCredentials(ctx context.Context, clientID string, given []any) error {
	if len(given) == 0 || len(given) > maxCredentials {
		return invalidBody("private_key_jwt takes 1 to %d credentials.", maxCredentials)
	}
	have, _ := t.credentials.Get(t.latest(ctx), clientID)
	for _, one := range given {
		reference, _ := one.(map[string]any)
		id := document(reference).text("id")
		if !slices.ContainsFunc(have, func(c credential) bool { return c.ID == id }) {
			return invalidBody("The credential %q does not exist.", id)
		}
	}
	return nil
}

var credentialFields = fields("credential_type", "name", "pem", "alg", "parse_expiry_from_cert", "expires_at")

func (t *Tenant) createCredential(c *call) (int, any, error) {
	body, err := c.body(credentialFields)
	if err != nil {
		return 0, nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	id := c.PathValue("id")
	if _, ok := t.clients.Get(t.latest(c.Context()), id); !ok {
		return 0, nil, notFound("inexistent_client", "client")
	}
	made, err := t.makeCredential(body)
	if err != nil {
		return 0, nil, err
	}
	have, _ := t.credentials.Get(t.latest(c.Context()), id)
	if len(have) >= maxCredentials {
		return 0, nil, &apiError{status: http.StatusBadRequest, code: "too_many_credentials", message: "The client has reached the maximum number of credentials"}
	}
	t.credentials.Put(id, append(slices.Clone(have), made))
	return http.StatusCreated, made.describe(), nil
}

func (t *Tenant) listCredentials(c *call) (int, any, error) {
	if _, ok := t.clients.Get(c.Context(), c.PathValue("id")); !ok {
		return 0, nil, notFound("inexistent_client", "client")
	}
	have, _ := t.credentials.Get(c.Context(), c.PathValue("id"))
	return http.StatusOK, append([]any{}, described(have)...), nil
}

func (t *Tenant) getCredential(c *call) (int, any, error) {
	have, _ := t.credentials.Get(c.Context(), c.PathValue("id"))
	for _, one := range have {
		if one.ID == c.PathValue("credential") {
			return http.StatusOK, one.describe(), nil
		}
	}
	return 0, nil, notFound("inexistent_credential", "credential")
}

// updateCredential changes when a credential expires, which is all that can be changed of one.
// https://auth0.com/docs/api/management/v2/clients/patch-credentials-by-credential-id
func (t *Tenant) updateCredential(c *call) (int, any, error) {
	body, err := c.body(fields("expires_at"))
	if err != nil {
		return 0, nil, err
	}
	if len(body) == 0 {
		return 0, nil, invalidBody("'Too few properties defined (0), minimum 1'.")
	}
	expires, err := expiryOf(body)
	if err != nil {
		return 0, nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	id := c.PathValue("id")
	have, _ := t.credentials.Get(t.latest(c.Context()), id)
	i := slices.IndexFunc(have, func(one credential) bool { return one.ID == c.PathValue("credential") })
	if i < 0 {
		return 0, nil, notFound("inexistent_credential", "credential")
	}
	have = slices.Clone(have)
	have[i].Expires, have[i].Updated = expires, t.cfg.Now()
	t.credentials.Put(id, have)
	return http.StatusOK, have[i].describe(), nil
}

// deleteCredential removes a credential that no longer authenticates the client. One that is not there is no error.
func (t *Tenant) deleteCredential(c *call) (int, any, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id, gone := c.PathValue("id"), c.PathValue("credential")
	client, ok := t.clients.Get(t.latest(c.Context()), id)
	if !ok {
		return 0, nil, notFound("inexistent_client", "client")
	}
	enabled, _ := credentialsOf(client)
	for _, one := range enabled {
		if reference, _ := one.(map[string]any); document(reference).text("id") == gone {
			return 0, nil, &apiError{status: http.StatusBadRequest, code: "credential_in_use", message: "The credential is in use by client_authentication_methods"}
		}
	}
	have, _ := t.credentials.Get(t.latest(c.Context()), id)
	t.credentials.Put(id, slices.DeleteFunc(slices.Clone(have), func(c credential) bool { return c.ID == gone }))
	return http.StatusNoContent, nil, nil
}
