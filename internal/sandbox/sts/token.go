package sts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
)

// expiryLeeway is how late a token may be.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
const expiryLeeway = 5 * time.Minute

// algorithms are asymmetric, all of them: "none" and HS* prove nothing about the issuer.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512, jose.PS256, jose.PS384, jose.PS512,
}

func invalidToken(format string, args ...any) *authz.Error {
	return &authz.Error{Code: "InvalidIdentityToken", Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

func notJWT() *authz.Error {
	return invalidToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
}

// token is a JSON web token whose signature has not been checked yet.
type token struct {
	jws    *jose.JSONWebSignature
	kid    string
	alg    jose.SignatureAlgorithm
	typ    string
	claims map[string]any
}

func parseToken(text string) (token, error) {
	jws, err := jose.ParseSignedCompact(text, algorithms)
	if err != nil || len(jws.Signatures) != 1 {
		return token{}, notJWT()
	}
	header := jws.Signatures[0].Protected
	t := token{jws: jws, kid: header.KeyID, alg: jose.SignatureAlgorithm(header.Algorithm)}
	t.typ, _ = header.ExtraHeaders[jose.HeaderType].(string)
	t.claims, err = decodeClaims(jws.UnsafePayloadWithoutVerification())
	return t, err
}

func decodeClaims(payload []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	var claims map[string]any
	if err := d.Decode(&claims); err != nil || claims == nil {
		return nil, notJWT()
	}
	return claims, nil
}

// verify checks the signature with the issuer's key of that id.
func (t token) verify(key jose.JSONWebKey) error {
	if key.Algorithm != "" && key.Algorithm != string(t.alg) {
		return invalidToken("The web identity token's algorithm is not that of its key.")
	}
	if _, err := t.jws.Verify(key); err != nil {
		return invalidToken("The web identity token's signature is invalid.")
	}
	return nil
}

func (t token) text(claim string) string {
	s, _ := t.claims[claim].(string)
	return s
}

// texts reads a claim that is a string or a list of strings; ok is false where it is there and neither.
func (t token) texts(claim string) (values []string, ok bool) {
	switch v := t.claims[claim].(type) {
	case nil:
		return nil, true
	case string:
		return []string{v}, true
	case []any:
		for _, one := range v {
			s, isText := one.(string)
			if !isText {
				return nil, false
			}
			values = append(values, s)
		}
		return values, true
	}
	return nil, false
}

// moment reads a NumericDate, which may have a fraction.
func (t token) moment(claim string) (at time.Time, present, ok bool) {
	value, present := t.claims[claim]
	if !present {
		return time.Time{}, false, true
	}
	number, isNumber := value.(json.Number)
	if !isNumber || len(number) > 32 {
		return time.Time{}, true, false
	}
	seconds, parsed := new(big.Float).SetString(number.String())
	if !parsed {
		return time.Time{}, true, false
	}
	whole, _ := seconds.Int64()
	return time.Unix(whole, 0), true, true
}

// checkTimes accepts a token from its iat and nbf until 5 minutes after its exp.
func (t token) checkTimes(now time.Time) error {
	exp, present, ok := t.moment("exp")
	if !present || !ok {
		return invalidToken("Missing a required claim: exp")
	}
	if now.After(exp.Add(expiryLeeway)) {
		return &authz.Error{
			Code: "ExpiredTokenException", Status: http.StatusBadRequest,
			Message: fmt.Sprintf("Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), exp.Unix()),
		}
	}
	for _, claim := range []string{"iat", "nbf"} {
		from, present, ok := t.moment(claim)
		if !ok || (claim == "iat" && !present) {
			return invalidToken("Missing a required claim: %s", claim)
		}
		if present && from.After(now) {
			return invalidToken("Token is not valid yet: current date/time %d is before its %s %d", now.Unix(), claim, from.Unix())
		}
	}
	return nil
}

// audience is the audience as STS takes it: azp where the token has one, with the token's own aud left as oaud;
// otherwise aud, which then has to be one value.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
func (t token) audience() (aud string, oaud []string, err error) {
	auds, ok := t.texts("aud")
	if !ok || len(auds) == 0 || slices.Contains(auds, "") {
		return "", nil, invalidToken("Missing a required claim: aud")
	}
	if azp, present := t.claims["azp"]; present {
		name, isText := azp.(string)
		if !isText || name == "" {
			return "", nil, invalidToken("Incorrect token audience")
		}
		return name, auds, nil
	}
	if len(auds) > 1 {
		return "", nil, invalidToken("Incorrect token audience")
	}
	return auds[0], nil, nil
}

// isAccessToken reports whether the header's typ is that of RFC 9068.
func (t token) isAccessToken() bool {
	return strings.EqualFold(strings.TrimPrefix(strings.ToLower(t.typ), "application/"), "at+jwt")
}
