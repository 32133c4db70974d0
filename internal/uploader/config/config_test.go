package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const complete = `{"identity_provider":"auth0","auth0_domain":"tenant.eu.auth0.com","auth0_client_id":"abc","auth0_audience":"urn:uploads",
"aws_role_arn":"arn:aws:iam::123456789012:role/oidc-s3-dev-web-01","aws_region":"eu-west-1","s3_bucket":"files","s3_path_prefix":"web-01/","server_name":"web-01"}`

func env(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(k string) string { return m[k] }
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestParse(t *testing.T) {
	t.Parallel()
	if _, err := Parse([]byte(complete)); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		``:                                  "not valid JSON",
		`[]`:                                "a JSON object is wanted",
		`{"s3_bucket":"a"} x`:               "something follows",
		`{"s3_bucket":"a","s3_bucket":"b"}`: `key "s3_bucket" is given twice`,
		`{"s3_bucket":true}`:                `key "s3_bucket": want a string, got a boolean`,
		`{"s3_bucket":null}`:                `key "s3_bucket": want a string, got null`,
		`{"s3_bucket":["a"]}`:               `key "s3_bucket": want a string, got a list`,
		`{"s3_bucket":{"a":"b"}}`:           `key "s3_bucket": want a string, got an object`,
		`{"S3_BUCKET":"a"}`:                 `unknown key "S3_BUCKET"`,
		`{"auth0_client_secret":"hush"}`:    "--client-secret-file",
		`{"s3_bucket":"a"`:                  "not valid JSON",
		`{"s3_bucket":"a",}`:                "not valid JSON",
	} {
		_, err := Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%s): %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("Parse(%s) shows the value: %v", text, err)
		}
	}
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	file := write(t, complete)
	flag := func(name string) (string, bool) {
		if name == "s3-bucket" {
			return "of-flag", true
		}
		return "", false
	}
	c, err := Load(Source{File: file, Getenv: env("S3_BUCKET", "of-environment", "AWS_REGION", "us-east-1", "AWS_DEFAULT_REGION", "us-west-1",
		"SERVER_NAME", "usual", "OIDCS3_SERVER_NAME", "own"), Flag: flag})
	if err != nil {
		t.Fatal(err)
	}
	if c.S3Bucket != "of-flag" || c.AWSRegion != "us-east-1" || c.ServerName != "own" || c.S3PathPrefix != "web-01/" {
		t.Errorf("got %+v", c)
	}
	if err := c.Validate(NeedBucket); err != nil {
		t.Error(err)
	}
}

func TestInferredProvider(t *testing.T) {
	t.Parallel()
	empty := write(t, "{}")
	c, _ := Load(Source{File: empty, Getenv: env("COGNITO_CLIENT_ID", "x", "COGNITO_RESOURCE_SERVER", "uploads")})
	if c.IdentityProvider != Cognito || c.CognitoScopes != "uploads/read uploads/write" || c.ClientID() != "x" {
		t.Errorf("got %+v", c)
	}
	c, _ = Load(Source{File: empty, Getenv: env("COGNITO_CLIENT_ID", "x", "AUTH0_CLIENT_ID", "y")})
	if c.IdentityProvider != "" {
		t.Errorf("two client ids give %q", c.IdentityProvider)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"provider":       {func(c *Config) { c.IdentityProvider = "okta" }, `identity_provider: "okta"`},
		"cognito direct": {func(c *Config) { c.IdentityProvider = Cognito }, "credential_vending_url"},
		"domain as URL":  {func(c *Config) { c.Auth0Domain = "https://tenant.auth0.com/" }, "auth0_domain"},
		"domain at":      {func(c *Config) { c.Auth0Domain = "user@evil" }, "auth0_domain"},
		"domain port":    {func(c *Config) { c.Auth0Domain = "host:x" }, "auth0_domain"},
		"tenant path":    {func(c *Config) { c.EntraTenantID = "a/b" }, "entra_tenant_id"},
		"plain http":     {func(c *Config) { c.CredentialVendingURL = "http://vending.example" }, "credential_vending_url"},
		"role":           {func(c *Config) { c.AWSRoleARN = "role/x" }, "aws_role_arn"},
		"session name":   {func(c *Config) { c.ServerName = "a b" }, "server_name"},
		"no slash":       {func(c *Config) { c.S3PathPrefix = "web-01" }, "does not end in /"},
		"leading slash":  {func(c *Config) { c.S3PathPrefix = "/web-01/" }, "begins with /"},
		"wildcard":       {func(c *Config) { c.S3PathPrefix = "web-*/" }, "contains one of"},
		"dots":           {func(c *Config) { c.S3PathPrefix = "a/../b/" }, "segment"},
	} {
		c, err := Parse([]byte(complete))
		if err != nil {
			t.Fatal(err)
		}
		tc.change(&c)
		var e *Error
		if err := c.Validate(NeedBucket); !errors.As(err, &e) || !strings.Contains(err.Error(), tc.want) || e.Hint == "" {
			t.Errorf("%s: %v, want %q and a hint", name, err, tc.want)
		}
	}
}

func TestAuthenticateOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	blank := t.TempDir() // as a unit's SetCredential= leaves it where LoadCredential= finds no file
	for name, text := range map[string]string{filepath.Join(dir, "flag"): "of-flag\n", filepath.Join(dir, "client_secret"): "of-systemd",
		filepath.Join(dir, "key"): "PEM", filepath.Join(dir, "private_key"): "\n",
		filepath.Join(blank, "client_secret"): "\n", filepath.Join(blank, "private_key"): "\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all := []string{"CREDENTIALS_DIRECTORY", dir, "OIDCS3_PRIVATE_KEY_FILE", filepath.Join(dir, "key"), "OIDCS3_CLIENT_SECRET", "own", "ENTRA_CLIENT_SECRET", "usual"}
	for name, tc := range map[string]struct {
		src         SecretSource
		secret, key string
	}{
		"flag":          {SecretSource{ClientSecretFile: filepath.Join(dir, "flag"), Getenv: env(all...)}, "of-flag", ""},
		"systemd":       {SecretSource{Getenv: env(all...)}, "of-systemd", ""},
		"blank":         {SecretSource{Getenv: env(append([]string{"CREDENTIALS_DIRECTORY", blank}, all[4:]...)...)}, "own", ""},
		"blank, alone":  {SecretSource{Getenv: env("CREDENTIALS_DIRECTORY", blank)}, "", ""},
		"key file":      {SecretSource{Getenv: env(all[2:]...)}, "", "PEM"},
		"own":           {SecretSource{Getenv: env(all[4:]...)}, "own", ""},
		"usual":         {SecretSource{Getenv: env(all[6:]...)}, "usual", ""},
		"of another":    {SecretSource{Getenv: env("AUTH0_CLIENT_SECRET", "x")}, "", ""},
		"both as flags": {SecretSource{ClientSecretFile: "a", PrivateKeyFile: "b", Getenv: env()}, "", ""},
	} {
		a, err := Authenticate(Entra, tc.src)
		if a.ClientSecret.Reveal() != tc.secret || a.PrivateKey.Reveal() != tc.key || (err == nil) != (tc.secret+tc.key != "") {
			t.Errorf("%s: wrong source (error %v)", name, err)
		}
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	a := Authentication{ClientSecret: "hush"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if text := fmt.Sprintf(format, a); strings.Contains(text, "hush") || strings.Contains(text, "68757368") {
			t.Errorf("%s shows the secret", format)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{complete, "{}", `{"s3_bucket":"a"`, `{"s3_bucket":1}`, "\xef\xbb\xbf{}", `{"a":{"b":[]}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse(text)
		if err != nil && c != (Config{}) {
			t.Error("an error comes with a configuration")
		}
		_ = c.Validate(NeedBucket)
	})
}
