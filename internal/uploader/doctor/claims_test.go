package doctor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
)

// given is a Tokens that gives one token.
type given struct{ text string }

func (g given) Token(context.Context) (token.Token, error) {
	return token.Token{Value: config.Secret(g.text), Expires: noon.Add(time.Hour)}, nil
}

func (g given) Replace(ctx context.Context, _ token.Token) (token.Token, error) { return g.Token(ctx) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// jwt is a token with the claims; nobody looks at its signature.
func jwt(typ string, claims map[string]any) string {
	encode := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // maps of strings and numbers always marshal
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return encode(map[string]any{"typ": typ}) + "." + encode(claims) + ".c2ln"
}

// TestClaims has tokens that no identity provider of the sandbox gives.
func TestClaims(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) int64 { return noon.Add(d).Unix() }
	good := func(change map[string]any) map[string]any {
		claims := map[string]any{"iss": "https://tenant.example/", "aud": "urn:uploads", "sub": "web-01@clients", "exp": at(time.Hour), "iat": at(0)}
		for k, v := range change {
			claims[k] = v
		}
		return claims
	}
	vending := config.Config{IdentityProvider: config.Cognito, CredentialVendingURL: "https://vending.example", CognitoScopes: "a/read a/write"}
	auth0 := config.Config{IdentityProvider: config.Auth0, Auth0Audience: "urn:uploads"}
	for name, tc := range map[string]struct {
		token  string
		config config.Config
		offset time.Duration
		status Status // the worst
		says   string
	}{
		"good":                   {jwt("JWT", good(nil)), auth0, 0, OK, "aud urn:uploads, without azp"},
		"azp":                    {jwt("JWT", good(map[string]any{"azp": "web-01"})), auth0, 0, OK, "STS compares azp, not aud"},
		"azp and several aud":    {jwt("JWT", good(map[string]any{"azp": "web-01", "aud": []string{"urn:uploads", "urn:info"}})), auth0, 0, OK, "tenant.example/:oaud = urn:uploads, urn:info"},
		"RFC 9068":               {jwt("at+jwt", good(nil)), auth0, 0, OK, "header typ at+jwt"},
		"opaque":                 {"0paque", auth0, 0, Failed, "STS wants a JWT"},
		"opaque for vending":     {"0paque", vending, 0, Failed, "the vending API checks a JWT"},
		"other audience":         {jwt("JWT", good(map[string]any{"aud": "urn:other"})), auth0, 0, Warning, "is not the configured audience urn:uploads"},
		"several audiences":      {jwt("JWT", good(map[string]any{"aud": []string{"a", "b"}})), auth0, 0, Failed, "aud has several values (a, b)"},
		"no audience":            {jwt("JWT", good(map[string]any{"aud": nil})), auth0, 0, Failed, "neither aud nor azp"},
		"no subject":             {jwt("JWT", good(map[string]any{"sub": ""})), auth0, 0, Failed, "sub is missing"},
		"issuer without https":   {jwt("JWT", good(map[string]any{"iss": "tenant.example"})), auth0, 0, Failed, `iss "tenant.example" is not an https URL`},
		"issuer with a query":    {jwt("JWT", good(map[string]any{"iss": "https://tenant.example/?p=x"})), auth0, 0, Failed, "without query"},
		"expired":                {jwt("JWT", good(map[string]any{"exp": at(-time.Second)})), auth0, 0, Failed, "exp 2026-03-01T11:59:59Z is over"},
		"expired by their clock": {jwt("JWT", good(nil)), auth0, 2 * time.Hour, Failed, "is over"},
		"without an end":         {jwt("JWT", good(map[string]any{"exp": nil})), auth0, 0, Failed, "exp is missing"},
		"not yet":                {jwt("JWT", good(map[string]any{"nbf": at(5 * time.Minute)})), auth0, 0, Failed, "nbf 2026-03-01T12:05:00Z is yet to come"},
		"not yet by our clock":   {jwt("JWT", good(map[string]any{"nbf": at(5 * time.Minute)})), auth0, 5 * time.Minute, OK, "nbf 2026-03-01T12:05:00Z: valid now"},
		"of the future":          {jwt("JWT", good(map[string]any{"iat": at(5 * time.Minute)})), auth0, 0, Failed, "iat 2026-03-01T12:05:00Z is yet to come"},
		"too long":               {jwt("JWT", good(map[string]any{"roles": strings.Repeat("r", 20_000)})), auth0, 0, Failed, "STS takes 20000 at most"},
		"of Cognito":             {jwt("JWT", good(map[string]any{"client_id": "c1", "token_use": "access", "scope": "a/write a/read"})), vending, 0, OK, "client c1 must have a row"},
		"ID token":               {jwt("JWT", good(map[string]any{"client_id": "c1", "token_use": "id", "scope": "a/write a/read"})), vending, 0, Failed, `token_use is "id"`},
		"fewer scopes":           {jwt("JWT", good(map[string]any{"client_id": "c1", "token_use": "access", "scope": "a/read"})), vending, 0, Warning, "scope lacks a/write"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said []string
			worst := OK
			d := Doctor{Now: func() time.Time { return noon }, config: tc.config, offset: tc.offset, failed: map[string]bool{}, clouds: Clouds{Tokens: given{tc.token}},
				Report: func(f Finding) {
					said = append(said, f.Message)
					if f.Status == Failed || f.Status == Warning && worst == OK {
						worst = f.Status
					}
					if f.Status == Failed && (f.Code != 4 || f.Hint == "") || f.Status == Warning && f.Hint == "" {
						t.Errorf("%+v", f)
					}
				}}
			d.token(t.Context())
			if text := strings.Join(said, "\n"); worst != tc.status || !strings.Contains(text, tc.says) || strings.Contains(text, tc.token) {
				t.Errorf("%s:\n%s", worst, text)
			}
		})
	}
}

func TestBeyond(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{
		"web-01/": "put web-01-oidcs3-doctor/.oidcs3-doctor|put oidcs3-doctor-neighbour/.oidcs3-doctor|look up web-01-oidcs3-doctor/.oidcs3-doctor|look up oidcs3-doctor-neighbour/.oidcs3-doctor|list web-01-oidcs3-doctor/|list the whole bucket",
		"a/b/c/": "put a/b/c-oidcs3-doctor/.oidcs3-doctor|put a/b/oidcs3-doctor-neighbour/.oidcs3-doctor|put oidcs3-doctor-neighbour/.oidcs3-doctor|look up a/b/c-oidcs3-doctor/.oidcs3-doctor|" +
			"look up a/b/oidcs3-doctor-neighbour/.oidcs3-doctor|list a/b/c-oidcs3-doctor/|list a/b/|list the whole bucket",
	} {
		var got []string
		for _, s := range beyond(prefix) {
			if s.key != "" && strings.HasPrefix(s.key, prefix) {
				t.Errorf("%s is inside %s", s.key, prefix)
			}
			got = append(got, s.doing+" "+s.shown())
		}
		if text := strings.Join(got, "|"); text != want {
			t.Errorf("%s:\n%s\nwant\n%s", prefix, text, want)
		}
	}
}
