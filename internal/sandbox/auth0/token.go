package auth0

import (
	"crypto/subtle"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

const (
	grantType     = "client-credentials" // as the claim gty spells it
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// An assertion may be valid for five minutes at the most.
	// https://auth0.com/docs/get-started/authentication-and-authorization-flow/authenticate-with-private-key-jwt
	longestAssertion = 5 * time.Minute
)

// tokenError is an error of the token endpoint: RFC 6749, section 5.2.
type tokenError struct {
	status            int
	code, description string
}

func (e *tokenError) Error() string { return e.code + ": " + e.description }

func unauthorized() error {
	return &tokenError{http.StatusUnauthorized, "access_denied", "Unauthorized"}
}

// token answers POST /oauth/token.
func (t *Tenant) token(w http.ResponseWriter, r *http.Request) {
	body, err := t.issue(r)
	if err == nil {
		answer(w, http.StatusOK, body)
		return
	}
	e, ok := err.(*tokenError) //nolint:errorlint // issue returns nothing else
	if !ok {
		e = &tokenError{http.StatusInternalServerError, "server_error", "Internal error"}
	}
	answer(w, e.status, map[string]any{"error": e.code, "error_description": e.description})
}

func (t *Tenant) issue(r *http.Request) (map[string]any, error) {
	form, err := parameters(r)
	if err != nil {
		return nil, err
	}
	if form["grant_type"] != "client_credentials" {
		return nil, &tokenError{http.StatusForbidden, "unsupported_grant_type", "Unsupported grant type: " + form["grant_type"]}
	}
	client, err := t.authenticate(r, form)
	if err != nil {
		return nil, err
	}
	edge.SetCaller(r.Context(), client.text("client_id"))
	if grants, _ := client["grant_types"].([]any); !slices.Contains(grants, any("client_credentials")) {
		return nil, &tokenError{http.StatusForbidden, "unauthorized_client",
			"Grant type 'client_credentials' not allowed for the client."}
	}
	audience := form["audience"]
	if audience == "" {
		return nil, &tokenError{http.StatusForbidden, "access_denied", "Non-global clients are not allowed access to APIv1"}
	}
	api, ok := t.apiOf(r.Context(), audience)
	if !ok || api.text("identifier") != audience {
		return nil, &tokenError{http.StatusForbidden, "access_denied", "Service not enabled within domain: " + audience}
	}
	grant, ok := t.grantOf(r.Context(), client.text("client_id"), audience)
	if !ok {
		return nil, &tokenError{http.StatusForbidden, "access_denied",
			"Client is not authorized to access \"" + audience + "\". You need to create a \"client-grant\" associated to this API."}
	}
	return t.accessToken(client, api, grant)
}

// parameters reads the body, a form or a JSON object of strings.
func parameters(r *http.Request) (map[string]string, error) {
	malformed := &tokenError{http.StatusBadRequest, "invalid_request", "Malformed request body"}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return nil, malformed
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	form := map[string]string{}
	switch media {
	case "application/json":
		if json.Unmarshal(raw, &form) != nil {
			return nil, malformed
		}
	case "application/x-www-form-urlencoded":
		values, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil, malformed
		}
		for name := range values {
			form[name] = values.Get(name)
		}
	default:
		return nil, &tokenError{http.StatusBadRequest, "invalid_request", "Unsupported content type"}
	}
	return form, nil
}

// authenticate finds the client and checks that it is the one, by the method that it is set up for.
func (t *Tenant) authenticate(r *http.Request, form map[string]string) (document, error) {
	if form["client_assertion"] != "" {
		return t.checkAssertion(r, form)
	}
	id, secret := form["client_id"], form["client_secret"]
	if user, password, ok := r.BasicAuth(); ok {
		// RFC 6749, section 2.3.1: both are form-encoded first.
		if unescaped, err := url.QueryUnescape(user); err == nil {
			user = unescaped
		}
		if unescaped, err := url.QueryUnescape(password); err == nil {
			password = unescaped
		}
		id, secret = user, password
	}
	client, ok := t.clients.Get(r.Context(), id)
	if !ok || secret == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(client.text("client_secret"))) != 1 {
		return nil, unauthorized()
	}
	// Auth0 takes either form of a secret from a client that is set up for one of them: Auth0's own Go client sends Basic
	// first, whatever the client's setting, and gets its token. No secret gets in without such a setting.
	if allowed := client.text("token_endpoint_auth_method"); allowed != "client_secret_post" && allowed != "client_secret_basic" {
		return nil, unauthorized()
	}
	return client, nil
}

// checkAssertion checks a client assertion: RFC 7523, section 3.
func (t *Tenant) checkAssertion(r *http.Request, form map[string]string) (document, error) {
	refuse := func(why string) error {
		return &tokenError{http.StatusUnauthorized, "invalid_client", why}
	}
	if form["client_assertion_type"] != assertionType {
		return nil, refuse("client_assertion_type must be " + assertionType)
	}
	parsed, err := jwt.ParseSigned(form["client_assertion"], []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.PS256})
	if err != nil {
		return nil, refuse("client_assertion is not a JWT signed with RS256, RS384 or PS256")
	}
	var claims jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&claims); err != nil {
		return nil, refuse("client_assertion has no claims")
	}
	client, ok := t.clients.Get(r.Context(), claims.Issuer)
	if !ok || claims.Subject != claims.Issuer || (form["client_id"] != "" && form["client_id"] != claims.Issuer) {
		return nil, refuse("iss and sub of client_assertion must be the client's id")
	}
	if !t.signedBy(r, client, parsed) {
		return nil, refuse("client_assertion is not signed with a key of the client")
	}
	now := t.cfg.Now()
	switch {
	case !claims.Audience.Contains(t.Issuer()) && !claims.Audience.Contains(t.Issuer()+"oauth/token"):
		return nil, refuse("aud of client_assertion must be " + t.Issuer())
	case claims.Expiry == nil || !now.Before(claims.Expiry.Time()):
		return nil, refuse("client_assertion has expired")
	case claims.Expiry.Time().Sub(now) > longestAssertion:
		return nil, refuse("client_assertion is valid for too long")
	case claims.ID == "":
		return nil, refuse("client_assertion has no jti")
	case !t.firstUse(claims.Issuer+" "+claims.ID, claims.Expiry.Time()):
		return nil, refuse("client_assertion was used before")
	}
	return client, nil
}

// signedBy reports whether one of the client's enabled credentials has signed the assertion, with its own algorithm.
func (t *Tenant) signedBy(r *http.Request, client document, parsed *jwt.JSONWebToken) bool {
	enabled, _ := credentialsOf(client)
	have, _ := t.credentials.Get(r.Context(), client.text("client_id"))
	for _, c := range have {
		isEnabled := slices.ContainsFunc(enabled, func(one any) bool {
			reference, _ := one.(map[string]any)
			return document(reference).text("id") == c.ID
		})
		var ignored map[string]any
		isEnabled = isEnabled && (c.Expires.IsZero() || t.cfg.Now().Before(c.Expires))
		if isEnabled && parsed.Headers[0].Algorithm == c.Alg && (parsed.Headers[0].KeyID == "" || parsed.Headers[0].KeyID == c.Kid) &&
			parsed.Claims(c.Key, &ignored) == nil {
			return true
		}
	}
	return false
}

func (t *Tenant) firstUse(id string, until time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.cfg.Now()
	for used, expiry := range t.usedJTI {
		if now.After(expiry) {
			delete(t.usedJTI, used)
		}
	}
	if _, ok := t.usedJTI[id]; ok {
		return false
	}
	t.usedJTI[id] = until
	return true
}

// accessToken makes the token in the API's dialect. Only those that are not RFC 9068's name the client in azp.
func (t *Tenant) accessToken(client, api, grant document) (map[string]any, error) {
	id := client.text("client_id")
	lifetime, _ := api["token_lifetime"].(float64)
	now := t.cfg.Now().Unix()
	claims := map[string]any{
		"iss": t.Issuer(), "sub": id + "@clients", "aud": api.text("identifier"), "iat": now, "exp": now + int64(lifetime),
	}
	var scopes []string
	list, _ := grant["scope"].([]any)
	for _, scope := range list {
		if text, ok := scope.(string); ok {
			scopes = append(scopes, text)
		}
	}
	answer := map[string]any{"token_type": "Bearer", "expires_in": int64(lifetime)}
	if len(scopes) > 0 {
		claims["scope"] = strings.Join(scopes, " ")
		answer["scope"] = claims["scope"]
	}
	header := map[string]any{}
	dialect := api.text("token_dialect")
	if dialect == dialectAccessTokenAuthz || dialect == dialectRFC9068Authz {
		claims["permissions"] = append([]string{}, scopes...)
	}
	switch dialect {
	case dialectRFC9068, dialectRFC9068Authz:
		header["typ"] = "at+jwt"
		claims["client_id"] = id
		claims["jti"] = t.newID(22)
	default:
		claims["azp"] = id
		claims["gty"] = grantType
	}
	token, err := t.MintToken(header, claims)
	if err != nil {
		return nil, &tokenError{http.StatusInternalServerError, "server_error", "Internal error"}
	}
	answer["access_token"] = token
	return answer, nil
}
