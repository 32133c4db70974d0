package connect

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// environment is variables, given as NAME=value.
func environment(variables ...string) func(string) string {
	return func(name string) string {
		for _, v := range variables {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

// TestFromEnvironment: what is missing or wrong is said by the name of the variable, and no request is needed for it.
func TestFromEnvironment(t *testing.T) {
	t.Parallel()
	openAuth0 := func(getenv func(string) string) error {
		_, err := Auth0FromEnvironment(getenv).Open(Options{})
		return err
	}
	openEntra := func(getenv func(string) string) error {
		_, err := EntraFromEnvironment(getenv).Open(Options{})
		return err
	}
	const tenant, client, secret = "ARM_TENANT_ID=11111111-2222-3333-4444-555555555555", "ARM_CLIENT_ID=c", "ARM_CLIENT_SECRET=s"
	for name, test := range map[string]struct {
		open func(func(string) string) error
		env  []string
		want string // of the error; empty: none
	}{
		"Auth0, token":             {openAuth0, []string{"AUTH0_DOMAIN=t.example.com", "AUTH0_API_TOKEN=t"}, ""},
		"Auth0, client":            {openAuth0, []string{"AUTH0_DOMAIN=t.example.com", "AUTH0_CLIENT_ID=c", "AUTH0_CLIENT_SECRET=s"}, ""},
		"Auth0, no domain":         {openAuth0, []string{"AUTH0_API_TOKEN=t"}, "AUTH0_DOMAIN"},
		"Auth0, no secret":         {openAuth0, []string{"AUTH0_DOMAIN=t.example.com", "AUTH0_CLIENT_ID=c"}, "AUTH0_CLIENT_SECRET"},
		"Entra, secret":            {openEntra, []string{tenant, client, secret}, ""},
		"Entra, national cloud":    {openEntra, []string{tenant, client, secret, "ARM_ENVIRONMENT=china"}, ""},
		"Entra, no such cloud":     {openEntra, []string{tenant, client, secret, "ARM_ENVIRONMENT=moon"}, `"moon"`},
		"Entra, Graph elsewhere":   {openEntra, []string{tenant, client, secret, "OIDCS3_ENTRA_GRAPH_URL=http://plain.example.com"}, "http://plain.example.com"},
		"Entra, login elsewhere":   {openEntra, []string{tenant, client, secret, "OIDCS3_ENTRA_LOGIN_HOST=a/b"}, "a/b"},
		"Entra, no tenant":         {openEntra, []string{client, secret}, "ARM_TENANT_ID"},
		"Entra, no base64":         {openEntra, []string{tenant, client, "ARM_CLIENT_CERTIFICATE=?"}, "ARM_CLIENT_CERTIFICATE"},
		"Entra, no certificate":    {openEntra, []string{tenant, client, "ARM_CLIENT_CERTIFICATE=" + base64.StdEncoding.EncodeToString([]byte("x"))}, "certificate"},
		"Entra, OIDC":              {openEntra, []string{tenant, client, "ARM_USE_OIDC=true", "ARM_OIDC_TOKEN=t"}, ""},
		"Entra, managed identity":  {openEntra, []string{tenant, "ARM_USE_MSI=1"}, ""},
		"Entra, Azure CLI's login": {openEntra, []string{tenant}, ""},
	} {
		err := test.open(environment(test.env...))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestNationalCloud(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"":             "https://graph.microsoft.com login.microsoftonline.com",
		"public":       "https://graph.microsoft.com login.microsoftonline.com",
		"usgovernment": "https://graph.microsoft.us login.microsoftonline.us",
		"dod":          "https://dod-graph.microsoft.us login.microsoftonline.us",
		"china":        "https://microsoftgraph.chinacloudapi.cn login.chinacloudapi.cn",
	} {
		graph, login, err := nationalCloud(name)
		if err != nil || graph+" "+login != want {
			t.Errorf("%s: %s %s %v, want %s", name, graph, login, err, want)
		}
	}
}

// TestOIDCToken: a file is read anew each time, since it may have been replaced.
func TestOIDCToken(t *testing.T) {
	t.Parallel()
	if got, err := (Entra{OIDCToken: "given", OIDCTokenFilePath: "/nowhere"}).token(t.Context()); err != nil || got != "given" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := (Entra{}).token(t.Context()); err == nil || !strings.Contains(err.Error(), "ARM_OIDC_TOKEN_FILE_PATH") {
		t.Errorf("without a token: %v", err)
	}
	s := Entra{OIDCTokenFilePath: filepath.Join(t.TempDir(), "token")}
	if _, err := s.token(t.Context()); err == nil {
		t.Error("there is no file")
	}
	for _, want := range []string{"first", "second"} {
		if err := os.WriteFile(s.OIDCTokenFilePath, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := s.token(t.Context()); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
}
