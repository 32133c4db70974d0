package entra

import (
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // x5t is defined as a SHA-1 thumbprint
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// assertionType is the only type of client assertion. https://www.rfc-editor.org/rfc/rfc7523
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Bounds of a client assertion's life. Microsoft asks for five to ten minutes and says that it does not insist; a day is
// where a sandbox says that something is wrong.
// https://learn.microsoft.com/entra/identity-platform/certificate-credentials
const (
	maxAssertionLife = 24 * time.Hour
	clockSkew        = 5 * time.Minute
)

// How a client proved who it is: the values of appidacr and azpacr.
const (
	bySecret      = "1"
	byCertificate = "2"
)

// client is who asks for a token.
type client struct {
	app       application
	principal principal
	acr       string
}

// client authenticates the client of a token request.
func (l *Login) client(r *http.Request, form url.Values) (client, error) {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok {
		// Both are form-encoded first: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
		var errs [2]error
		user, errs[0] = url.QueryUnescape(user)
		password, errs[1] = url.QueryUnescape(password)
		if errs[0] != nil || errs[1] != nil || secret != "" || id != "" && id != user {
			return client{}, badRequest("invalid_request", 9000410, "Malformed request: the Authorization header and the body do not agree on the client.")
		}
		id, secret = user, password
	}
	assertion := form.Get("client_assertion")
	if id == "" && assertion != "" {
		id = unverifiedSubject(assertion)
	}
	if id == "" {
		return client{}, missingParameter("client_id")
	}
	app, ok := l.tenant.applicationByAppID(r.Context(), id)
	if !ok {
		return client{}, badRequest("unauthorized_client", 700016, "Application with identifier '%s' was not found in the directory '%s'. "+
			"This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. "+
			"You may have sent your authentication request to the wrong tenant.", id, l.tenant.Domain())
	}
	who := client{app: app, acr: bySecret}
	var err error
	switch {
	case assertion != "":
		who.acr = byCertificate
		err = l.checkAssertion(app, form.Get("client_assertion_type"), assertion)
	case secret != "":
		err = l.checkSecret(app, secret)
	default:
		err = unauthorized(7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	}
	if err != nil {
		return client{}, err
	}
	if who.principal, ok = l.tenant.principalByAppID(r.Context(), id); !ok {
		return client{}, badRequest("unauthorized_client", 7000229, "The client application %s is missing service principal in the tenant %s. "+
			"See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119", id, l.tenant.ID())
	}
	if !who.principal.Enabled {
		return client{}, badRequest("unauthorized_client", 7000112, "Application '%s'(%s) is disabled.", id, app.DisplayName)
	}
	return who, nil
}

func (l *Login) checkSecret(app application, secret string) error {
	hash := sha256.Sum256([]byte(secret))
	for _, one := range app.Passwords {
		if subtle.ConstantTimeCompare(one.Hash[:], hash[:]) != 1 {
			continue
		}
		if now := l.tenant.now(); now.Before(one.Start) || !now.Before(one.End) {
			return unauthorized(7000222, "The provided client secret keys for app '%s' are expired. Visit the Azure portal to create new keys for your app: "+
				"https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.", app.AppID)
		}
		return nil
	}
	return unauthorized(7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "+
		"not the client secret ID, for a secret added to app '%s'.", app.AppID)
}

func (l *Login) checkAssertion(app application, kind, assertion string) error {
	if kind != assertionType {
		return badRequest("invalid_request", 900144, "The request body must contain the following parameter: 'client_assertion_type' with the value '%s'.", assertionType)
	}
	parsed, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{jose.RS256, jose.PS256})
	if err != nil {
		return unauthorized(50027, "JWT token is invalid or malformed: it must be signed with RS256 or PS256.")
	}
	one, err := l.signer(app, assertion)
	if err != nil {
		return err
	}
	certificate, err := x509.ParseCertificate(one.Certificate)
	if err != nil {
		return notRegistered(app, "The certificate does not parse.")
	}
	var claims jwt.Claims
	key, isRSA := certificate.PublicKey.(*rsa.PublicKey)
	if !isRSA || parsed.Claims(key, &claims) != nil {
		return notRegistered(app, "The signature does not match.")
	}
	return l.checkClaims(app, claims)
}

// signer is the certificate that the assertion's header names.
func (l *Login) signer(app application, assertion string) (keyCredential, error) {
	named := thumbprints(assertion)
	for _, one := range app.Keys {
		long, short := sha256.Sum256(one.Certificate), sha1.Sum(one.Certificate) //nolint:gosec // as above
		if !slices.Contains(named, hex.EncodeToString(long[:])) && !slices.Contains(named, hex.EncodeToString(short[:])) {
			continue
		}
		if now := l.tenant.now(); now.Before(one.Start) || now.After(one.End) {
			return keyCredential{}, notRegistered(app, "The key used is expired.")
		}
		return one, nil
	}
	return keyCredential{}, notRegistered(app, "The key was not found.")
}

func notRegistered(app application, reason string) *loginError {
	return unauthorized(700027, "The certificate with identifier used to sign the client assertion is not registered on application. "+
		"[Reason - %s Please visit the Azure Portal or Graph Explorer to see configured keys for application Id '%s']", reason, app.AppID)
}

// thumbprints returns, in hex, those that the header of an assertion names: x5t#S256, x5t, and a kid that is one. Microsoft's
// own libraries write them in base64 with either alphabet.
func thumbprints(assertion string) []string {
	head, _, _ := strings.Cut(assertion, ".")
	data, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		return nil
	}
	var header struct {
		Long  string `json:"x5t#S256"`
		Short string `json:"x5t"`
		KID   string `json:"kid"`
	}
	if json.Unmarshal(data, &header) != nil {
		return nil
	}
	named := []string{strings.ToLower(header.KID)}
	for _, text := range []string{header.Long, header.Short} {
		text = strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(text), "=")
		if sum, err := base64.RawURLEncoding.DecodeString(text); err == nil && len(sum) > 0 {
			named = append(named, hex.EncodeToString(sum))
		}
	}
	return named
}

func (l *Login) checkClaims(app application, claims jwt.Claims) error {
	base := "https://" + l.tenant.cfg.LoginHost + "/" + l.tenant.ID()
	accepted := []string{base + "/oauth2/v2.0/token", base + "/oauth2/token", base + "/v2.0", base + "/"}
	now := l.tenant.now()
	switch {
	case claims.Issuer != app.AppID || claims.Subject != app.AppID:
		return unauthorized(700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
	case !slices.ContainsFunc(accepted, claims.Audience.Contains):
		return unauthorized(700023, "Client assertion audience claim does not match Realm issuer. "+
			"Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials.")
	case claims.ID == "":
		return unauthorized(50027, "JWT token is invalid or malformed: the claim jti is missing.")
	case claims.Expiry == nil:
		return unauthorized(50027, "JWT token is invalid or malformed: the claim exp is missing.")
	case now.After(claims.Expiry.Time().Add(clockSkew)),
		claims.NotBefore != nil && now.Add(clockSkew).Before(claims.NotBefore.Time()),
		claims.Expiry.Time().After(now.Add(maxAssertionLife)):
		return unauthorized(700024, "Client assertion is not within its valid time range. Current time: %s, expiry time of assertion %s.",
			now.Format(time.RFC3339), claims.Expiry.Time().UTC().Format(time.RFC3339))
	}
	return nil
}

// unverifiedSubject is who an assertion says that it is about.
func unverifiedSubject(assertion string) string {
	parsed, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{jose.RS256, jose.PS256})
	if err != nil {
		return ""
	}
	var claims jwt.Claims
	if parsed.UnsafeClaimsWithoutVerification(&claims) != nil {
		return ""
	}
	return claims.Subject
}
