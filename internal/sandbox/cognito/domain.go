package cognito

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

// maxForm bounds a token request, in bytes.
const maxForm = 64 << 10

// Domain is the host of the user pools' domains: the token endpoint, and each pool's discovery document and keys. One host
// stands for all domains, for the client id says whose pool is meant.
type Domain struct{ s *Service }

var _ edge.Service = Domain{}

// Domain returns the host, which is an edge.Service of its own.
func (s *Service) Domain() Domain { return Domain{s} }

// Name implements edge.Service.
func (d Domain) Name() string { return d.s.Name() }

// Operation implements edge.Service.
func (d Domain) Operation(r *http.Request) string {
	if poolID, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/.well-known/"); ok && poolID != "" {
		return r.Method + " /.well-known/" + rest
	}
	return r.Method + " " + r.URL.Path
}

// Refuse implements edge.Service.
func (d Domain) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	message := map[int]string{http.StatusTooManyRequests: "Too many requests", http.StatusServiceUnavailable: "Service unavailable"}[status]
	if message == "" {
		message = "Internal error"
	}
	writeJSON(w, status, map[string]string{"error": "server_error", "error_description": message})
}

// ServeHTTP implements http.Handler.
func (d Domain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/oauth2/token" {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		d.token(w, r)
		return
	}
	poolID, document, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/.well-known/")
	p, ok := d.s.pools.Get(r.Context(), poolID)
	switch {
	case !ok || r.Method != http.MethodGet:
		http.NotFound(w, r)
	case document == "openid-configuration":
		d.discovery(w, p)
	case document == "jwks.json":
		key := jose.JSONWebKey{Key: p.key.Public(), KeyID: p.keyID, Algorithm: string(jose.RS256), Use: "sig"}
		writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key}})
	default:
		http.NotFound(w, r)
	}
}

func (d Domain) discovery(w http.ResponseWriter, p *pool) {
	issuer := d.s.Issuer(p.id)
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer": issuer, "jwks_uri": issuer + "/.well-known/jwks.json", "token_endpoint": "https://" + d.s.cfg.Host + "/oauth2/token",
		"id_token_signing_alg_values_supported": []string{"RS256"}, "response_types_supported": []string{"code", "token"},
		"subject_types_supported": []string{"public"}, "scopes_supported": []string{"openid", "email", "phone", "profile"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
	})
}

// oauthError is an error of the token endpoint, always with status 400.
// https://docs.aws.amazon.com/cognito/latest/developerguide/token-endpoint.html
type oauthError string

func (e oauthError) Error() string { return string(e) }

const (
	invalidRequest     oauthError = "invalid_request"
	invalidClient      oauthError = "invalid_client"
	unauthorizedClient oauthError = "unauthorized_client"
	unsupportedGrant   oauthError = "unsupported_grant_type"
	invalidScope       oauthError = "invalid_scope"
)

func (d Domain) token(w http.ResponseWriter, r *http.Request) {
	token, lifetime, err := d.grant(r)
	var refused oauthError
	switch {
	case errors.As(err, &refused):
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": string(refused)})
	case err != nil:
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
	default:
		w.Header().Set("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate")
		writeJSON(w, http.StatusOK, map[string]any{"access_token": token, "expires_in": int(lifetime / time.Second), "token_type": "Bearer"})
	}
}

// grant is the client credentials grant, the only one there is without users.
func (d Domain) grant(r *http.Request) (token string, lifetime time.Duration, err error) {
	form, err := readForm(r)
	if err != nil {
		return "", 0, err
	}
	id, secret, err := clientCredentials(r, form)
	if err != nil {
		return "", 0, err
	}
	c, ok := d.s.clients.Get(r.Context(), id)
	if !ok || !c.hasSecret(secret) {
		return "", 0, invalidClient
	}
	edge.SetCaller(r.Context(), id)
	p, ok := d.s.pools.Get(r.Context(), c.UserPoolID)
	if !ok {
		return "", 0, invalidClient
	}
	if _, ok := d.s.domainOf(r.Context(), p.id); !ok { // without a domain there is no such endpoint
		return "", 0, invalidClient
	}
	switch form.Get("grant_type") {
	case "client_credentials":
	case "":
		return "", 0, invalidRequest
	case "authorization_code", "refresh_token":
		return "", 0, unauthorizedClient
	default:
		return "", 0, unsupportedGrant
	}
	if !c.AllowedOAuthFlowsUserPoolClient || !slices.Contains(c.AllowedOAuthFlows, "client_credentials") {
		return "", 0, unauthorizedClient
	}
	scopes, err := d.scopes(r.Context(), c, form.Get("scope"))
	if err != nil {
		return "", 0, err
	}
	if lifetime, err = c.lifetime(); err != nil {
		return "", 0, err
	}
	token, err = d.sign(p, c, scopes, lifetime)
	return token, lifetime, err
}

// scopes are those asked for, or all that the client is allowed where none is. One whose resource server is gone is none.
func (d Domain) scopes(ctx context.Context, c client, asked string) ([]string, error) {
	existing := d.s.poolScopes(ctx, c.UserPoolID)
	allowed := slices.DeleteFunc(slices.Clone(c.AllowedOAuthScopes), func(scope string) bool { return !slices.Contains(existing, scope) })
	if strings.TrimSpace(asked) == "" {
		if len(allowed) == 0 {
			return nil, invalidScope
		}
		return allowed, nil
	}
	scopes := strings.Fields(asked)
	for _, scope := range scopes {
		if !slices.Contains(allowed, scope) {
			return nil, invalidScope
		}
	}
	return scopes, nil
}

// sign makes an access token as Cognito does for a client: without aud.
// https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
func (d Domain) sign(p *pool, c client, scopes []string, lifetime time.Duration) (string, error) {
	now := d.s.cfg.Now()
	payload, err := json.Marshal(map[string]any{
		"sub": c.ClientID, "token_use": "access", "scope": strings.Join(scopes, " "), "auth_time": now.Unix(), "iss": d.s.Issuer(p.id),
		"exp": now.Add(lifetime).Unix(), "iat": now.Unix(), "version": 2, "jti": awsquery.NewRequestID(d.s.cfg.Rand), "client_id": c.ClientID,
	})
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: p.key, KeyID: p.keyID}}, nil)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed.CompactSerialize()
}

// readForm takes a form in the body and nothing else; parameters given twice are an error (RFC 6749, 3.2).
func readForm(r *http.Request) (url.Values, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, invalidRequest
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil || len(body) > maxForm {
		return nil, invalidRequest
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalidRequest
	}
	for _, name := range sortedKeys(form) {
		if len(form[name]) > 1 {
			return nil, invalidRequest
		}
	}
	return form, nil
}

// clientCredentials come by HTTP Basic or in the form. A client_id in the form beside Basic has to be the same.
func clientCredentials(r *http.Request, form url.Values) (id, secret string, err error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		id, secret = form.Get("client_id"), form.Get("client_secret")
		if id == "" {
			return "", "", invalidRequest
		}
		return id, secret, nil
	}
	encoded, ok := strings.CutPrefix(header, "Basic ")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil {
		return "", "", invalidClient
	}
	id, secret, ok = strings.Cut(string(raw), ":")
	if !ok {
		return "", "", invalidClient
	}
	// Ids and secrets are alphanumeric, so RFC 6749's percent-encoding changes nothing.
	switch {
	case form.Has("client_secret"):
		return "", "", invalidRequest
	case form.Has("client_id") && form.Get("client_id") != id:
		return "", "", invalidRequest
	}
	return id, secret, nil
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte("{}")
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client has gone: nobody to tell
}
