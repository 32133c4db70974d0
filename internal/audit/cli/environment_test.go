package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/audit"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/audit/cli"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

var update = flag.Bool("update", false, "write the golden files")

func stsClient(config aws.Config) *sts.Client { return sts.NewFromConfig(config) }

// tomorrow is when the report is made: what expires today has expired.
func tomorrow() time.Time { return time.Now().Add(24 * time.Hour) }

// clean onboards servers of every identity provider and kind of trust.
func (w *world) clean() {
	w.Helper()
	want, outcome := w.onboard(idp.Auth0, "web-01", nil)
	w.use(want, idp.Auth0, outcome)
	w.onboard(idp.Auth0, "web-02", w.azp(idp.Auth0))
	w.onboard(idp.Auth0, "web-03", w.vended)
	w.onboard(idp.Auth0, "web-04", func(d *onboarding.Desired) {
		d.Method, d.PublicKeys = idp.PrivateKeyJWT, []string{publicKey(w.T, time.Time{})}
	})
	w.onboard(idp.Entra, "files-01", at("files/01/", access.Full))
	w.onboard(idp.Entra, "files-02", w.azp(idp.Entra))
	w.onboard(idp.Entra, "files-03", func(d *onboarding.Desired) {
		d.Method, d.PublicKeys = idp.PrivateKeyJWT, []string{publicKey(w.T, time.Now().Add(300*24*time.Hour))}
	})
	w.onboard(idp.Cognito, "logs-01", at("logs/01/", access.ReadWrite))
	w.onboard(idp.Cognito, "logs-02", nil)
	w.onboard(idp.Auth0, "web-06", func(d *onboarding.Desired) { d.Storage = onboarding.SecretsManager })
	w.onboard(idp.Entra, "files-04", func(d *onboarding.Desired) { d.Storage = onboarding.ParameterStore })
	w.onboard(idp.Auth0, "web-05", func(d *onboarding.Desired) { d.Disabled = true })
	prod, _ := w.controller(idp.Auth0).Resolve(w.Context(), w.want(idp.Auth0, "web-01", func(d *onboarding.Desired) {
		d.Environment, d.Prefix = "prod", "prod/web-01/"
	}))
	if _, err := w.controller(idp.Auth0).Create(w.Context(), prod); err != nil {
		w.Fatal(err)
	}
}

// spoil brings about a finding of each kind, as it comes about in life.
func (w *world) spoil() {
	w.Helper()
	w.dies(idp.Auth0, "web-10", "POST /api/v2/clients")

	_, outcome := w.onboard(idp.Auth0, "web-11", nil)
	w.auth0Call("DELETE", "clients/"+outcome.Client.ID, "")

	// Somebody widens a server's policy by hand.
	w.onboard(idp.Auth0, "web-12", nil)
	w.putPolicy("oidc-s3-dev-web-12", access.ObjectPolicy, grants("s3:PutObject", "s3:GetObjectVersion", "backups/web-12/*"))

	_, outcome = w.onboard(idp.Auth0, "web-13", func(d *onboarding.Desired) {
		d.Method, d.PublicKeys = idp.PrivateKeyJWT, []string{publicKey(w.T, time.Time{})}
	})
	w.expireKey(outcome.Client.ID, time.Now().Add(10*24*time.Hour))

	// Somebody lets another client in, and puts more on the role.
	w.onboard(idp.Entra, "files-10", nil)
	w.setTrust("oidc-s3-dev-files-10", func(trust access.Trust) access.Trust {
		trust.Subject = "11111111-2222-3333-4444-555555555555"
		return trust
	})
	w.putPolicy("oidc-s3-dev-files-10", "extra", grants("s3:GetObject", "files/01/*"))

	w.passwords = 10 * 24 * time.Hour
	w.onboard(idp.Entra, "files-11", nil)
	w.passwords = time.Hour
	w.onboard(idp.Entra, "files-12", nil)
	w.onboard(idp.Entra, "files-13", func(d *onboarding.Desired) {
		d.Method, d.PublicKeys = idp.PrivateKeyJWT, []string{publicKey(w.T, time.Now().Add(20*24*time.Hour))}
	})
	w.onboard(idp.Entra, "files-14", at("files/", access.Write)) // around files-01's

	// A role is deleted by hand: client and row stay.
	w.onboard(idp.Cognito, "logs-10", nil)
	w.deleteRole("oidc-s3-dev-logs-10")
	_, outcome = w.onboard(idp.Cognito, "logs-11", nil)
	w.deleteRow(outcome.Client.ID)
	_, outcome = w.onboard(idp.Cognito, "logs-12", nil)
	w.putRow(w.appClient("somebody-else"), outcome.RoleARN)

	// Others of the account.
	w.makeRole("reporting", "reports", grants("s3:Get*", "backups/*"))
	w.makeRole("oidc-s3-dev-old-01", access.ObjectPolicy, access.Permissions{
		Partition: "aws", Bucket: w.env["OIDCS3_SANDBOX_BUCKET"], Prefix: "old/01/", Permission: access.Write,
	}.Policies()[access.ObjectPolicy])
	w.attach("restore", grants("s3:GetObject", "s3:PutObject", "logs/*"))
}

// golden compares what was printed with a file, with everything that is new each time put into words.
func (w *world) golden(name, got string) {
	w.Helper()
	var pairs []string
	for server, outcome := range w.made {
		pairs = append(pairs, outcome.Client.ID, "<client of "+server+">")
		if outcome.Client.Subject != outcome.Client.ID && !strings.HasPrefix(outcome.Client.Subject, outcome.Client.ID) {
			pairs = append(pairs, outcome.Client.Subject, "<principal of "+server+">")
		}
	}
	pairs = append(pairs, w.env["OIDCS3_COGNITO_USER_POOL_ID"], "<pool>", w.env["AUTH0_DOMAIN"], "<tenant>")
	got = strings.NewReplacer(pairs...).Replace(got)
	for _, new := range [][2]string{
		{`\d{4}-\d\d-\d\d(T[\d:.]+Z)?`, "<date>"},
		{`cred_\w+`, "<key>"},
		{`[0-9a-f]{64}`, "<thumbprint>"},
		{`(secret |id": ")[0-9a-f]{8}(-[0-9a-f]+){4}`, "${1}<password>"},
		{`sha256-[\w+/]+=*`, "<hash>"},
		{`AROA[A-Z0-9]+`, "<role id>"},
		{`127\.0\.0\.1:\d+/[0-9a-f]{8}(-[0-9a-f]+){4}`, "<login>"},
		{`127\.0\.0\.1:\d+`, "<host>"},
		{`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`, "<id>"},
	} {
		got = regexp.MustCompile(new[0]).ReplaceAllString(got, new[1])
	}
	got = w.unmade(got)
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			w.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		w.Fatal(err)
	}
	if !bytes.Equal(want, []byte(got)) {
		w.Errorf("not as in %s; run with -update and look at the difference:\n%s", file, got)
	}
}

// unmade names clients that no onboarding has told of.
func (w *world) unmade(text string) string {
	for _, pattern := range []string{`(client |row )([0-9a-zA-Z]{26,32})\b`} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, "${1}<a client>")
	}
	return text
}

// onPage fails the test where the page lacks something of the report.
func (w *world) onPage(page, asJSON string) {
	w.Helper()
	var report audit.Report
	if err := json.Unmarshal([]byte(asJSON), &report); err != nil {
		w.Fatal(err)
	}
	var wanted []string
	for _, s := range report.Servers {
		wanted = append(wanted, ">"+s.ID+"<", s.RoleARN, s.ClientID, s.Prefix)
	}
	for _, f := range report.Findings {
		wanted = append(wanted, f.Object, f.Message)
	}
	for _, text := range wanted {
		if !strings.Contains(html.UnescapeString(page), text) {
			w.Errorf("the page lacks %q", text)
		}
	}
}

// kinds counts the findings of a report in JSON.
func kinds(t *testing.T, text string) map[audit.Kind]int {
	t.Helper()
	var report audit.Report
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatal(err)
	}
	counts := map[audit.Kind]int{}
	for _, f := range report.Findings {
		counts[f.Kind]++
	}
	return counts
}

// onlyRead fails the test where a call has come that is not a read, or does not say whose it is. POST serves tokens at Auth0 and Entra ID.
func (w *world) onlyRead() {
	w.Helper()
	calls := w.sandbox.Edge().Calls().Calls()
	services := map[string]int{}
	read := regexp.MustCompile(`^(GET |(Get|List|Describe|BatchGet|Scan)[A-Za-z]*$|POST /oauth/token$|POST /oauth2/v2.0/token$)`)
	for _, call := range calls {
		services[call.Service]++
		if !read.MatchString(call.Operation) {
			w.Errorf("%s: %s", call.Service, call.Operation)
		}
		if !strings.Contains(call.UserAgent, "oidcs3-access/") {
			w.Errorf("%s of %s is asked by %q", call.Operation, call.Service, call.UserAgent)
		}
	}
	for _, service := range []string{"iam", "auth0", "entra", "cognito", "dynamodb"} {
		if services[service] == 0 {
			w.Errorf("nothing was asked of %s", service)
		}
	}
}

func TestEnvironment(t *testing.T) {
	w := newWorld(t)
	w.clean()
	w.sandbox.Edge().Calls().Clear()
	code, stdout, stderr := w.run(tomorrow(), nil, "--environment", "dev")
	if code != cli.Clean || stderr != "" {
		t.Fatalf("exit code %d: %s\n%s", code, stderr, stdout)
	}
	w.onlyRead()
	w.golden("clean.txt", stdout)

	w.spoil()
	before := fmt.Sprint(w.sandbox.State(t.Context()))
	w.sandbox.Edge().Calls().Clear()
	page := filepath.Join(t.TempDir(), "report.html")
	code, stdout, stderr = w.run(tomorrow(), nil, "--environment", "dev", "--html", page)
	if code != cli.Findings || stderr != "" {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	w.onlyRead()
	if after := fmt.Sprint(w.sandbox.State(t.Context())); after != before {
		t.Error("the clouds are not as they were before")
	}
	w.golden("findings.txt", stdout)
	written, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	code, asJSON, _ := w.run(tomorrow(), nil, "--environment", "dev", "--json")
	if code != cli.Findings {
		t.Errorf("exit code %d", code)
	}
	w.golden("findings.json", asJSON)
	w.onPage(string(written), asJSON)
	found := kinds(t, asJSON)
	for _, kind := range audit.Kinds() {
		if (found[kind] == 0) != (kind == audit.Unused) {
			t.Errorf("%d findings of the kind %s", found[kind], kind)
		}
	}

	for _, output := range []string{stdout, asJSON, string(written)} {
		for _, outcome := range w.made {
			if secret := outcome.Client.Secret.Reveal(); secret != "" && strings.Contains(output, secret) {
				t.Error("a client secret is in the report")
			}
		}
	}
	t.Run("fail on", w.failOn)
	t.Run("unused", w.longUnused)
	t.Run("unread", w.unreadable)
	t.Run("interrupted", w.interrupted)
	t.Run("other environments", w.otherEnvironments)
}

func (w *world) failOn(t *testing.T) {
	part := w.with(t)
	for args, want := range map[string]int{
		"none": cli.Clean, "unused": cli.Clean, "overlap": cli.Findings, "unused,drift": cli.Findings, "nonsense": cli.Usage,
	} {
		if code, _, stderr := part.run(tomorrow(), nil, "--environment", "dev", "--fail-on", args); code != want {
			t.Errorf("--fail-on %s: exit code %d, want %d: %s", args, code, want, stderr)
		}
	}
}

func (w *world) longUnused(t *testing.T) {
	part := w.with(t)
	later := time.Now().Add(100 * 24 * time.Hour)
	_, stdout, _ := part.run(later, nil, "--environment", "dev")
	for _, text := range []string{"it was last used on ", "it has not been used since it was made on ", ", 100 days ago"} {
		if !strings.Contains(stdout, text) {
			t.Errorf("the report does not say %q:\n%s", text, stdout)
		}
	}
	for _, args := range [][]string{{"--unused-days", "101"}, {"--unused-days", "0"}} {
		if _, stdout, _ := part.run(later, nil, append(args, "--environment", "dev")...); strings.Contains(stdout, "unused:") {
			t.Errorf("%v: something counts as unused", args)
		}
	}
}

func (w *world) unreadable(t *testing.T) {
	part := w.with(t)
	without := func(names ...string) func(string) string {
		return func(name string) string {
			if slices.Contains(names, name) {
				return ""
			}
			return w.env[name]
		}
	}
	for _, test := range []struct {
		name   string
		getenv func(string) string
		args   []string
		code   int
		stderr string
	}{
		{"nothing says where Auth0 is", without("AUTH0_DOMAIN"), nil, cli.Unread, "clients of auth0: servers use it, and nothing says where it is: set AUTH0_DOMAIN"},
		{"Auth0 is ignored", without("AUTH0_DOMAIN"), []string{"--ignore", "auth0"}, cli.Findings, ""},
		{"no table", without("OIDCS3_CLIENT_ROLES_TABLE"), nil, cli.Unread, "nothing says which table it reads"},
		{"another table", without("OIDCS3_CLIENT_ROLES_TABLE"), []string{"--client-roles-table", "no-such-table"}, cli.Unread, "mapping rows of table no-such-table"},
		{"no credentials of Auth0", without("AUTH0_API_TOKEN"), nil, cli.Usage, "AUTH0_API_TOKEN"},
		{"no domain of Cognito", without("OIDCS3_COGNITO_DOMAIN"), nil, cli.Usage, "OIDCS3_COGNITO_DOMAIN"},
		{"no such identity provider", nil, []string{"--ignore", "okta"}, cli.Usage, "okta"},
		{"an argument", nil, []string{"dev"}, cli.Usage, "dev"},
		{"no such flag", nil, []string{"--apply"}, cli.Usage, "--apply"},
		{"no such project", nil, []string{"--project", "a/b"}, cli.Usage, "project"},
		{"a page that cannot be written", nil, []string{"--html", filepath.Join(t.TempDir(), "no", "such", "directory")}, cli.Unread, "write the page"},
	} {
		code, _, stderr := part.run(tomorrow(), test.getenv, append(test.args, "--environment", "dev")...)
		if code != test.code || !strings.Contains(stderr, test.stderr) {
			t.Errorf("%s: exit code %d, want %d: %s", test.name, code, test.code, stderr)
		}
	}
}

// interrupted writes no page and no report.
func (w *world) interrupted(t *testing.T) {
	part := w.with(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	page := filepath.Join(t.TempDir(), "report.html")
	code, stdout, stderr := part.runIn(ctx, tomorrow(), nil, "--environment", "dev", "--html", page)
	if code != cli.Interrupted || stdout != "" || stderr != "error: interrupted\n" {
		t.Errorf("exit code %d: %s\n%s", code, stderr, stdout)
	}
	if _, err := os.Stat(page); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the page: %v", err)
	}
}

func (w *world) otherEnvironments(t *testing.T) {
	part := w.with(t)
	code, stdout, stderr := part.run(tomorrow(), nil, "--environment", "prod")
	if code != cli.Clean || !strings.Contains(stdout, "prod/web-01") || strings.Contains(stdout, "dev/") {
		t.Errorf("exit code %d: %s\n%s", code, stderr, stdout)
	}
	code, stdout, stderr = part.run(tomorrow(), nil)
	t.Log(code, stderr)
	if !strings.Contains(stdout, "prod/web-01") || !strings.Contains(stdout, "dev/web-01") {
		t.Errorf("not all environments are in the report:\n%s", stdout)
	}
	if code, stdout, _ := part.run(tomorrow(), nil, "--environment", "test"); code != cli.Clean || !strings.Contains(stdout, "0 servers") {
		t.Errorf("exit code %d:\n%s", code, stdout)
	}
}

// with is the world for a part of the test.
func (w *world) with(t *testing.T) *world {
	return &world{T: t, sandbox: w.sandbox, env: w.env, made: w.made, iam: w.iam, dynamo: w.dynamo, process: w.process, passwords: w.passwords}
}
