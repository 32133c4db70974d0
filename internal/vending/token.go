package vending

import (
	"context"
	"crypto/rsa"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

const (
	maxToken   = 20_000 // characters, as STS takes
	leeway     = 30 * time.Second
	minRSABits = 2048
)

// algorithms are those of public keys alone: with "none" or an HMAC, anybody could sign.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512,
}

// clientIDForm is what the providers' client ids are made of. It has neither "#" nor ":", which set an issuer apart from
// a client id in a row's key.
var clientIDForm = regexp.MustCompile(`^[A-Za-z0-9._~+=-]{1,128}$`)

// issuer is an Issuer with its keys.
type issuer struct {
	Issuer

	keys *keySet
}

// identity is whose token it is.
type identity struct {
	clientID string
	key      string // of the row
}

// bearer takes the token from the Authorization header: "Bearer TOKEN", or the bare token, which is what SDKs send that
// read it from AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE.
func bearer(values []string) (string, error) {
	switch len(values) {
	case 0:
		return "", &refusal{status: http.StatusUnauthorized, code: "MissingToken", reason: "missing_token", message: "send the access token in the Authorization header"}
	case 1:
	default:
		return "", badToken("malformed", "there is more than one Authorization header")
	}
	token := strings.TrimSpace(values[0])
	if scheme, rest, ok := strings.Cut(token, " "); ok {
		if !strings.EqualFold(scheme, "Bearer") {
			return "", badToken("malformed", "the Authorization header is neither Bearer nor a bare token")
		}
		token = strings.TrimSpace(rest)
	}
	switch {
	case token == "":
		return "", &refusal{status: http.StatusUnauthorized, code: "MissingToken", reason: "missing_token", message: "the Authorization header is empty"}
	case len(token) > maxToken:
		return "", badToken("malformed", "the token is too long")
	}
	return token, nil
}

// identify verifies a token and says whose it is. The error is a *refusal.
func (s *Service) identify(ctx context.Context, token string, a *audit) (identity, error) {
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return identity{}, badToken("malformed", "the token is not a JWT signed with an RS, PS or ES algorithm")
	}
	var unverified claims // only to learn whose keys to verify with
	if err := parsed.UnsafeClaimsWithoutVerification(&unverified); err != nil {
		return identity{}, badToken("malformed", "the token's claims are not a JSON object")
	}
	from, ok := s.issuers[unverified.text("iss")]
	if !ok {
		return identity{}, badToken("unknown_issuer", "the token's issuer is not one that this service takes tokens of")
	}
	a.issuer = from.URL
	verified, err := from.verify(ctx, parsed)
	if err != nil {
		return identity{}, err
	}
	return from.check(verified, s.now())
}

// verify checks the signature and returns the claims below it.
func (i *issuer) verify(ctx context.Context, token *jwt.JSONWebToken) (claims, error) {
	header := token.Headers[0]
	if typ, ok := header.ExtraHeaders[jose.HeaderType]; ok {
		if name, ok := typ.(string); !ok || !isAccessTokenType(name) {
			return nil, badToken("type", "the header's typ is not that of an access token")
		}
	}
	if header.KeyID == "" {
		return nil, badToken("unknown_key", "the token's header names no key")
	}
	key, err := i.keys.find(ctx, header.KeyID, jose.SignatureAlgorithm(header.Algorithm))
	switch {
	case errors.Is(err, errUnknownKey):
		return nil, badToken("unknown_key", "the token's issuer has no key of that id")
	case err != nil:
		return nil, unavailable("issuer_keys", "the keys of the token's issuer cannot be read", err)
	}
	if public, ok := key.Key.(*rsa.PublicKey); ok && public.N.BitLen() < minRSABits {
		return nil, badToken("weak_key", "the issuer's key is too short")
	}
	var out claims
	if err := token.Claims(key.Key, &out); err != nil {
		return nil, badToken("signature", "the token's signature is not good")
	}
	return out, nil
}

// isAccessTokenType takes what the providers write; a JWT of another kind, such as a logout token, says so in typ.
func isAccessTokenType(typ string) bool {
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	return typ == "jwt" || typ == "at+jwt"
}

// check checks the claims of a verified token.
func (i *issuer) check(c claims, now time.Time) (identity, error) {
	if c.text("iss") != i.URL {
		return identity{}, badToken("unknown_issuer", "the token's issuer is another one")
	}
	if err := c.checkTime(now); err != nil {
		return identity{}, err
	}
	if _, bound := c["cnf"]; bound {
		return identity{}, badToken("bound", "the token is bound to a key and cannot be used as a bearer token")
	}
	if i.Audience != "" && !slices.Contains(c.list("aud"), i.Audience) {
		return identity{}, badToken("audience", "the token's aud is not this service's audience")
	}
	if i.Provider == Cognito && c.text("token_use") != "access" {
		return identity{}, badToken("token_use", "the token's token_use is not access")
	}
	id, err := i.clientID(c)
	if err != nil {
		return identity{}, err
	}
	if !i.isMachine(c, id) {
		return identity{}, badToken("subject", "the token was not issued to a client on its own behalf (client_credentials)")
	}
	granted := c.scopes(i.Provider)
	for _, scope := range i.Scopes {
		if !slices.Contains(granted, scope) {
			return identity{}, &refusal{status: http.StatusForbidden, code: "InsufficientScope", reason: "scope",
				message: "the token lacks a scope that this service asks for"}
		}
	}
	if i.Provider == Cognito { // user pools give out client ids that need no issuer beside them
		return identity{id, rolemap.Key("", id)}, nil
	}
	return identity{id, rolemap.Key(i.URL, id)}, nil
}

func (i *issuer) clientID(c claims) (string, error) {
	var id string
	for _, name := range i.clientClaims() {
		switch value := c.text(name); {
		case value == "":
		case id != "" && id != value:
			return "", badToken("client", "the token names two clients")
		default:
			id = value
		}
	}
	if !clientIDForm.MatchString(id) {
		return "", badToken("client", "the token does not name its client in the "+strings.Join(i.clientClaims(), " or ")+" claim")
	}
	return id, nil
}

// isMachine reports whether the token speaks for the client itself rather than for a user who signed in at it. Each
// provider has a form of its own of sub: Cognito the client id, Auth0 "<client id>@clients", Entra the service
// principal's object id, which is oid as well.
func (i *issuer) isMachine(c claims, clientID string) bool {
	switch sub := c.text("sub"); i.Provider {
	case Cognito:
		return sub == clientID
	case Auth0:
		return sub == clientID+"@clients"
	default:
		return sub != "" && sub == c.text("oid")
	}
}
