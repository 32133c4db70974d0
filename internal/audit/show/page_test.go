package show_test

import (
	"bytes"
	"flag"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/audit"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/audit/show"
)

var update = flag.Bool("update", false, "write the golden file")

// hostile is text that would do harm on a page that does not escape it.
const hostile = `</title><script>document.title="taken"</script>"'><img src=x onerror=alert(1)>`

func report() audit.Report {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	day := func(days int) time.Time { return now.Add(time.Duration(days) * 24 * time.Hour) }
	used, end := day(-1), day(10)
	others := []string{"dev/web-01", "dev/web-02", "dev/web-03", "dev/web-04", "dev/web-05", "dev/web-06"}
	r := audit.Report{
		Project: "oidc-s3", Environment: "dev", Generated: now,
		Servers: []audit.Server{
			{ID: "dev/" + hostile, Phase: "pending", Created: now},
			{
				ID: "dev/web-01", Phase: "ready", Enabled: true, Bucket: "uploads", Prefix: "backups/web-01/", Permission: "full",
				RoleARN: "arn:aws:iam::123456789012:role/oidc-s3-dev-web-01", TrustPolicy: `{"a":1}`, PermissionsPolicy: "{\"b\":[\"\u202e\"]}",
				MaxSessionDuration: 5400, PermissionsBoundary: "arn:aws:iam::123456789012:policy/boundary",
				KMSKeyARN: "arn:aws:kms:eu-west-1:123456789012:key/k", Created: day(-30), LastUsed: &used,
				IdentityProvider: "entra", TrustMode: "azp", ClientID: "client-1", Authentication: "client_secret",
				Credentials: []audit.Credential{{ID: "new", Method: "client_secret", Expires: &end}, {ID: "old", Method: "private_key_jwt", Former: true}},
				Tags:        map[string]string{"Team": hostile},
			},
			{ID: "dev/web-02", Phase: "ready", Enabled: true, Bucket: "uploads", Prefix: "backups/web-01/inner/", Permission: "write", TrustPolicy: hostile, Created: day(-500)},
			{ID: "dev/web-03", Phase: "ready", Bucket: "archive", Prefix: "a/", Permission: "write", Created: now},
			{ID: "dev-web/03", Bucket: "archive", Prefix: "b/", Permission: "write", Enabled: true},
		},
		Findings: []audit.Finding{
			{Kind: audit.Overlap, Server: "dev/web-02", Object: hostile, Message: hostile, Others: []string{"dev/web-01"}},
			{Kind: audit.Reach, Object: "role reporting", Message: "its policies reach the objects of servers dev/web-01, … and 1 more", Others: others},
		},
		Unread: []audit.Unread{{What: hostile, Why: hostile}},
	}
	return r
}

func page(t *testing.T, r audit.Report) string {
	t.Helper()
	var text bytes.Buffer
	if err := show.Page(&text, r); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestPage(t *testing.T) {
	t.Parallel()
	got := page(t, report())
	file := filepath.Join("testdata", "page.html")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("not as in %s; run with -update and look at the difference:\n%s", file, got)
	}
}

// TestPageOfNothing does not say that all is well where something could not be read.
func TestPageOfNothing(t *testing.T) {
	t.Parallel()
	const well = ">Nothing needs a person.<"
	if got := page(t, audit.Report{}); !strings.Contains(got, well) || !strings.Contains(got, "There are none.") {
		t.Errorf("the page of nothing:\n%s", got)
	}
	if got := page(t, audit.Report{Unread: []audit.Unread{{What: "clients", Why: "refused"}}}); strings.Contains(got, well) || !strings.Contains(got, "refused") {
		t.Errorf("the page of what could not be read:\n%s", got)
	}
}

// TestPageEscapes: names that others chose make no part of the page, and nothing on it comes from elsewhere.
func TestPageEscapes(t *testing.T) {
	t.Parallel()
	got := page(t, report())
	for _, harm := range []string{"<script", "<img", "</title><", "<link", "src=", "url(", "@import", "\u202e", `href="http`} {
		if strings.Contains(strings.ReplaceAll(got, html.EscapeString(hostile), ""), harm) {
			t.Errorf("the page holds %q", harm)
		}
	}
}

// TestPageInBrowser has a browser read the page: the tree is nested, links open what they lead to, and nothing in it runs.
func TestPageInBrowser(t *testing.T) {
	t.Parallel()
	browser := os.Getenv("OIDCS3_CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome-headless-shell"} {
		if path, err := exec.LookPath(name); err == nil && browser == "" {
			browser = path
		}
	}
	if browser == "" {
		t.Skip("there is no Chromium on the PATH, and OIDCS3_CHROMIUM names none")
	}
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte(page(t, report())), 0o600); err != nil {
		t.Fatal(err)
	}
	dom := func(fragment string) string {
		out, err := exec.CommandContext(t.Context(), browser, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(),
			"--dump-dom", "file://"+file+fragment).Output() //nolint:gosec // a browser
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	const link, folded, unfolded = `<a href="#server%2fdev%2fweb-02">dev/web-02</a>`, `<details class="card"><summary><strong>dev/web-02</strong>`,
		`<details class="card" open=""><summary><strong>dev/web-02</strong>`
	plain := dom("")
	for _, want := range []string{
		"<title>Access: oidc-s3 dev</title>", "<details open=\"\"><summary><code>web-01/</code> <a", "<li><code>inner/</code> " + link, folded,
		`<div id="server/dev/web-02">`, `<div id="server/dev-web/03">`, `<h3 id="overlap">`,
	} {
		if !strings.Contains(plain, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, harm := range []string{"<title>taken", "<img", "<script"} {
		if strings.Contains(plain, harm) {
			t.Errorf("something on the page ran or was made from a name: it holds %s", harm)
		}
	}
	if !strings.Contains(dom("#server%2fdev%2fweb-02"), unfolded) {
		t.Error("a link to a server does not show it")
	}
}
