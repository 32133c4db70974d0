package show_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/audit"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/audit/show"
)

// hostile is text that would do harm on a page that does not escape it.
const hostile = `</title><script>document.title="taken"</script>"'><img src=x onerror=alert(1)>`

func report() audit.Report {
	used := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return audit.Report{Project: "oidc-s3", Environment: "dev", Generated: used,
		Servers: []audit.Server{
			{ID: "dev/web-01", Phase: "ready", Enabled: true, Bucket: "uploads", Prefix: "backups/web-01/", Permission: "full", LastUsed: &used, TrustPolicy: `{"a":1}`,
				Tags: map[string]string{"Team": hostile}},
			{ID: "dev/web-02", Phase: "ready", Enabled: true, Bucket: "uploads", Prefix: "backups/web-01/inner/", Permission: "write", TrustPolicy: hostile},
			{ID: "dev/" + hostile, Phase: "pending"},
		},
		Findings: []audit.Finding{{Kind: audit.Overlap, Server: "dev/web-02", Object: hostile, Message: hostile}},
		Unread:   []audit.Unread{{What: hostile, Why: hostile}},
	}
}

func TestPageEscapes(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	if err := show.Page(&text, report()); err != nil {
		t.Fatal(err)
	}
	for _, harm := range []string{"<script", "<img", "</title><"} {
		if strings.Contains(text.String(), harm) {
			t.Errorf("the page holds %q", harm)
		}
	}
}

// TestPageInBrowser has a browser read the page: the tree is nested, and nothing in it runs.
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
	var text bytes.Buffer
	if err := show.Page(&text, report()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	dom, err := exec.CommandContext(t.Context(), browser, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(), "--dump-dom", "file://"+file).Output() //nolint:gosec // a browser
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<title>Access: oidc-s3 dev</title>", `<li><code>inner/</code> <a href="#server-dev-web-02">`, `<details id="server-dev-web-01">`} {
		if !strings.Contains(string(dom), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(string(dom), "<title>taken") || strings.Contains(string(dom), "<img") {
		t.Error("something on the page ran or was made from a name")
	}
}
