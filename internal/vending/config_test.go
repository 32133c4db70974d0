package vending_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/vending"
)

func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

const goodConfig = `{
  "client_roles_table_name": "client-roles",
  "buckets": [{"name": "uploads-bucket", "kms_key_arn": "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"}],
  "issuers": [
    {"identity_provider": "cognito", "issuer": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a", "required_scopes": ["uploads/write"]},
    {"identity_provider": "auth0", "issuer": "https://tenant.auth0.com/", "audience": "https://uploads"}
  ]
}`

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestLoadConfig(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "vending.json")
	if err := os.WriteFile(file, []byte(goodConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, load := range map[string]func() (vending.Config, error){
		"file":                func() (vending.Config, error) { return vending.LoadConfig(file, environment()) },
		"file by environment": func() (vending.Config, error) { return vending.LoadConfig("", environment(vending.EnvFile, file)) },
		"document": func() (vending.Config, error) {
			return vending.LoadConfig("", environment(vending.EnvDocument, goodConfig))
		},
		"environment over file": func() (vending.Config, error) { return vending.LoadConfig(file, environment(vending.EnvBurst, "7")) },
		"environment alone": func() (vending.Config, error) {
			return vending.LoadConfig("", environment(vending.EnvTable, "client-roles", vending.EnvBuckets, "uploads-bucket second-bucket", vending.EnvIssuers,
				`[{"identity_provider":"auth0","issuer":"https://tenant.auth0.com/","audience":"https://uploads"}]`, vending.EnvSourceIdentity, "true"))
		},
	} {
		c, err := load()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.Table != "client-roles" || c.Buckets[0].Name != "uploads-bucket" || c.SessionDuration != 3600 || c.RowCacheSeconds != 30 {
			t.Errorf("%s: %+v", name, c)
		}
		if name == "environment over file" && c.RequestBurst != 7 || name == "environment alone" && (len(c.Buckets) != 2 || !c.SourceIdentity) {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	replace := func(old, replacement string) func(string) string {
		text := strings.Replace(goodConfig, old, replacement, 1)
		return environment(vending.EnvDocument, text)
	}
	for _, c := range []struct {
		name string
		env  func(string) string
		want string
	}{
		{"nothing", environment(), "client_roles_table_name is missing"},
		{"unknown name", replace(`"buckets"`, `"bucket"`), `unknown field "bucket"`},
		{"text after it", environment(vending.EnvDocument, goodConfig+"{}"), "there is more after the JSON value"},
		{"both ways", environment(vending.EnvDocument, goodConfig, vending.EnvFile, "x.json"), "only one of them can be meant"},
		{"no such file", environment(vending.EnvFile, "does-not-exist.json"), "no such file"},
		{"http issuer", replace("https://tenant", "http://tenant"), "is not an https URL"},
		{"issuer twice", replace("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a", "https://tenant.auth0.com/"), "stands there twice"},
		{"auth0 without audience", replace(`, "audience": "https://uploads"`, ``), "issuers[1]: audience is missing"},
		{"cognito without scope", replace(`, "required_scopes": ["uploads/write"]`, ``), "issuers[0]: required_scopes is empty"},
		{"two user pools", replace(`"auth0", "issuer": "https://tenant.auth0.com/", "audience": "https://uploads"`, `"cognito", "issuer": "https://b", "required_scopes": ["s"]`), "one service takes one user pool"},
		{"unknown provider", replace(`"auth0"`, `"okta"`), `identity_provider is "okta"`},
		{"scope with a blank", replace(`"uploads/write"`, `"uploads/write uploads/read"`), "is no scope"},
		{"bucket name", replace("uploads-bucket", "Uploads"), "buckets[0]: bucket name"},
		{"alias for a key", replace("key/1234abcd-12ab-34cd-56ef-1234567890ab", "alias/uploads"), "is not the ARN of a KMS key"},
		{"session too long", environment(vending.EnvDocument, goodConfig, vending.EnvSessionDuration, "7200"), "session_duration is 7200; it takes 900 to 3600"},
		{"number that is none", environment(vending.EnvDocument, goodConfig, vending.EnvBurst, "many"), `is "many"; it takes a number`},
		{"key without buckets", environment(vending.EnvDocument, goodConfig, vending.EnvKMSKeyARN, "arn:aws:kms:eu-west-1:123456789012:key/a"), "is set without"},
		{"truth value", environment(vending.EnvDocument, goodConfig, vending.EnvSourceIdentity, "perhaps"), "it takes true or false"},
	} {
		_, err := vending.LoadConfig("", c.env)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(goodConfig)
	f.Add(`{"issuers":[{}]}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := vending.LoadConfig("", environment(vending.EnvDocument, text, vending.EnvTable, "t"))
		if err != nil {
			return
		}
		if len(c.Buckets) == 0 || len(c.Issuers) == 0 || c.Validate() != nil {
			t.Errorf("accepted, and not valid: %+v", c)
		}
	})
}
