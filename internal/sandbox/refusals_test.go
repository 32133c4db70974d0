package sandbox_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"
)

// TestTokensThatSTSRefuses walks the whole way from a token to a session, for a good token and for each way of spoiling
// one, against a role with the plain trust policy.
func TestTokensThatSTSRefuses(t *testing.T) {
	t.Parallel()
	c := of(t, start(t))
	audience := c.env["OIDCS3_SANDBOX_AUTH0_AUDIENCE"]
	id, _ := c.client("host", audience)
	role := c.role("plain", c.trust(map[string]string{"aud": audience, "sub": id + "@clients"}), "one/")
	now := time.Now()
	good := map[string]any{"iss": c.Auth0().Issuer(), "sub": id + "@clients", "aud": audience, "client_id": id,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	with := func(changes map[string]any) map[string]any {
		claims := maps.Clone(good)
		maps.Copy(claims, changes)
		return claims
	}
	for name, test := range map[string]struct {
		header, claims map[string]any
		spoil          func(token string) string
		duration       time.Duration
		want           string // error code; empty: allowed
	}{
		"good":                    {claims: good},
		"four minutes too late":   {claims: with(map[string]any{"exp": now.Add(-4 * time.Minute).Unix()})},
		"six minutes too late":    {claims: with(map[string]any{"exp": now.Add(-6 * time.Minute).Unix()}), want: "ExpiredTokenException"},
		"wrong iss":               {claims: with(map[string]any{"iss": "https://elsewhere.example/"}), want: "InvalidIdentityToken"},
		"iss without its slash":   {claims: with(map[string]any{"iss": strings.TrimSuffix(c.Auth0().Issuer(), "/")}), want: "InvalidIdentityToken"},
		"wrong aud":               {claims: with(map[string]any{"aud": "https://other.example"}), want: "InvalidIdentityToken"},
		"wrong sub":               {claims: with(map[string]any{"sub": "somebody@clients"}), want: "AccessDenied"},
		"azp under a plain trust": {claims: with(map[string]any{"azp": id}), want: "InvalidIdentityToken"},
		"unknown kid":             {header: map[string]any{"kid": "another"}, claims: good, want: "InvalidIdentityToken"},
		"tampered claims": {claims: good, want: "InvalidIdentityToken", spoil: func(token string) string {
			parts := strings.Split(token, ".")
			return parts[0] + "." + parts[1][:len(parts[1])-4] + "AAAA." + parts[2]
		}},
		"tampered signature": {claims: good, want: "InvalidIdentityToken", spoil: func(token string) string {
			return token[:len(token)-8] + "AAAAAAAA"
		}},
		"alg none": {claims: good, want: "InvalidIdentityToken", spoil: func(token string) string {
			return "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + strings.Split(token, ".")[1] + "."
		}},
		"session too long": {claims: good, duration: 2 * time.Hour, want: "ValidationError"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := c.Auth0().MintToken(test.header, test.claims)
			if err != nil {
				t.Fatal(err)
			}
			if test.spoil != nil {
				token = test.spoil(token)
			}
			if test.duration == 0 {
				test.duration = time.Hour
			}
			_, err = c.assume(t.Context(), role, token, test.duration)
			if code := codeOf(err); code != test.want {
				t.Errorf("code %q (%v), want %q", code, err, test.want)
			}
		})
	}
}

// codeOf is the service's error code; empty without an error.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return err.Error()
}

// TestTheAZPRule takes the API whose tokens carry azp: only the client id on the provider's list, as aud, with the API as
// oaud, gets in.
func TestTheAZPRule(t *testing.T) {
	t.Parallel()
	c := of(t, start(t))
	audience := c.env["OIDCS3_SANDBOX_AUTH0_AUDIENCE_AZP"]
	id, secret := c.client("host", audience)
	subject := id + "@clients"
	plain := c.role("plain", c.trust(map[string]string{"aud": audience, "sub": subject}), "one/")
	azp := c.role("azp", c.trust(map[string]string{"aud": id, "oaud": audience, "sub": subject}), "one/")
	token := c.token(id, secret, audience)
	for _, role := range []string{plain, azp} {
		if _, err := c.assume(t.Context(), role, token, time.Hour); codeOf(err) != "InvalidIdentityToken" {
			t.Errorf("%s without the client id on the provider's list: %v", role, err)
		}
	}
	c.list(id)
	if _, err := c.assume(t.Context(), plain, token, time.Hour); codeOf(err) != "AccessDenied" {
		t.Errorf("plain trust: %v", err)
	}
	if _, err := c.assume(t.Context(), azp, token, time.Hour); err != nil {
		t.Errorf("azp trust: %v", err)
	}
}

// TestOneServerOnePrefix goes the host's whole way, and then tries what it may not.
func TestOneServerOnePrefix(t *testing.T) {
	t.Parallel()
	c := of(t, start(t))
	audience, bucket := c.env["OIDCS3_SANDBOX_AUTH0_AUDIENCE"], c.env["OIDCS3_SANDBOX_BUCKET"]
	id, secret := c.client("host", audience)
	role := c.role("host", c.trust(map[string]string{"aud": audience, "sub": id + "@clients"}), "one/")
	session, err := c.assume(t.Context(), role, c.token(id, secret, audience), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), session, bucket, "one/file"); err != nil {
		t.Errorf("within the prefix: %v", err)
	}
	for _, key := range []string{"two/file", "one", "one0/file", "file", "/one/file"} {
		if err := put(t.Context(), session, bucket, key); codeOf(err) != "AccessDenied" {
			t.Errorf("key %q: %v, want AccessDenied", key, err)
		}
	}
	got, err := session.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]struct{ token, secret, want string }{
		"without session token":   {"", got.SecretAccessKey, "InvalidAccessKeyId"},
		"with another's token":    {"AAAA" + got.SessionToken[4:], got.SecretAccessKey, "InvalidToken"},
		"with another secret key": {got.SessionToken, "wrong" + got.SecretAccessKey[5:], "SignatureDoesNotMatch"},
	} {
		err := put(t.Context(), c.config(got.AccessKeyID, config.secret, config.token), bucket, "one/file")
		if codeOf(err) != config.want {
			t.Errorf("%s: %v, want %s", name, err, config.want)
		}
	}
}
