package doctor

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/explain"
)

// patient is a doctor that notes what it finds.
func patient(found *[]Finding) *Doctor {
	return &Doctor{Now: time.Now, failed: map[string]bool{}, Report: func(f Finding) { *found = append(*found, f) }}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("files have no modes")
	}
	for name, tc := range map[string]struct {
		secret    bool
		mode, dir os.FileMode
		status    Status
	}{
		"own secret":            {true, 0o600, 0o700, OK},
		"group's secret":        {true, 0o640, 0o755, OK},
		"secret for reading":    {true, 0o604, 0o700, Failed},
		"secret for writing":    {true, 0o602, 0o700, Failed},
		"secret of systemd":     {true, 0o400, 0o500, OK},
		"public configuration":  {false, 0o644, 0o755, OK},
		"open configuration":    {false, 0o646, 0o755, Failed},
		"group's configuration": {false, 0o664, 0o755, Warning},
		"open directory":        {false, 0o644, 0o777, Failed},
		"sticky directory":      {false, 0o644, 0o777 | os.ModeSticky, OK},
	} {
		dir := filepath.Join(t.TempDir(), "d")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "f")
		for _, err := range []error{os.WriteFile(file, nil, 0o600), os.Chmod(file, tc.mode), os.Chmod(dir, tc.dir)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		var found []Finding
		patient(&found).file(File{Path: file, What: "file", Secret: tc.secret})
		if len(found) != 1 || found[0].Status != tc.status || (found[0].Hint == "") != (tc.status == OK) {
			t.Errorf("%s: %+v", name, found)
		}
		if err := os.Chmod(dir, 0o700); err != nil { // so that it can be removed
			t.Fatal(err)
		}
	}
	var found []Finding
	d := patient(&found)
	d.file(File{Path: filepath.Join(t.TempDir(), "none"), What: "client secret"})
	d.file(File{Path: t.TempDir(), What: "client secret"})
	if len(found) != 2 || !strings.Contains(found[0].Message, "no such file") || !strings.Contains(found[1].Message, "not a regular file") || found[1].Code != explain.Usage {
		t.Errorf("%+v", found)
	}
}

// TestProxy reaches a host through a proxy that wants a password, which no finding shows.
func TestProxy(t *testing.T) {
	t.Parallel()
	target := httptest.NewTLSServer(http.NotFoundHandler())
	defer target.Close()
	proxy := httptest.NewServer(http.HandlerFunc(tunnel))
	defer proxy.Close()
	for password, want := range map[string]struct {
		status Status
		text   string
	}{
		"hush":  {OK, "through proxy " + proxy.URL + " at " + strings.TrimPrefix(proxy.URL, "http://") + ", TLS 1.3"},
		"wrong": {Failed, "Proxy Authentication Required"},
	} {
		through, err := url.Parse(proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		through.User = url.UserPassword("user", password)
		transport := target.Client().Transport.(*http.Transport).Clone()
		transport.Proxy = http.ProxyURL(through)
		h := Host{Name: "the service", URL: target.URL, Client: &http.Client{Transport: transport}, Code: explain.Other}
		var found []Finding
		d := patient(&found)
		d.clouds = Clouds{IDP: h, Issuer: h, S3: h}
		d.network(t.Context())
		for _, f := range found {
			if f.Status != want.status || !strings.Contains(f.Message, want.text) || strings.Contains(f.Message+f.Hint, password) || f.Status == Failed && !strings.Contains(f.Hint, "HTTPS_PROXY") {
				t.Errorf("%+v", f)
			}
		}
		if len(found) != 3 || want.status == OK && len(d.measure) != 3 {
			t.Errorf("%d findings, %d clocks", len(found), len(d.measure))
		}
	}
}

// tunnel is a proxy for who knows the password.
func tunnel(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Proxy-Authorization") != "Basic dXNlcjpodXNo" { // user:hush
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	far, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	near, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { pipe(far, buffered.Reader); _ = far.Close() }()
	go func() { pipe(near, bufio.NewReader(far)); _ = near.Close() }()
}

func pipe(to io.Writer, from io.Reader) { _, _ = io.Copy(to, from) }

// TestUnknownAuthority has a proxy between that breaks TLS open, and servers that do not say what time it is.
func TestUnknownAuthority(t *testing.T) {
	t.Parallel()
	target := httptest.NewUnstartedServer(http.NotFoundHandler())
	target.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshakes that fail are what this is about
	target.StartTLS()
	defer target.Close()
	h := Host{Name: "the service", URL: target.URL, Client: &http.Client{Transport: &http.Transport{}}, CA: "ca.pem", Code: explain.Other}
	var found []Finding
	d := patient(&found)
	d.clouds = Clouds{IDP: h, Issuer: h, S3: h}
	d.network(t.Context())
	d.clock(t.Context())
	if f := found[0]; f.Status != Failed || !strings.Contains(f.Message, "(CAs: ca.pem)") || !strings.Contains(f.Hint, "SSL_CERT_FILE and AWS_CA_BUNDLE") {
		t.Errorf("%+v", f)
	}
	if f := found[len(found)-1]; f.Step != StepClock || f.Status != Warning {
		t.Errorf("%+v", f)
	}
}

// TestClockOfCaches has an answer that a cache kept: its date says nothing of now.
func TestClockOfCaches(t *testing.T) {
	t.Parallel()
	var found []Finding
	d := patient(&found)
	now := time.Now()
	d.measured("cache", http.Header{"Date": {now.Add(-time.Hour).UTC().Format(http.TimeFormat)}, "Age": {"3600"}}, now, now)
	d.measured("odd", http.Header{"Date": {"yesterday"}}, now, now)
	d.measured("good", http.Header{"Date": {now.UTC().Format(http.TimeFormat)}}, now, now)
	if d.clock(t.Context()); len(d.measure) != 1 || found[0].Status != OK {
		t.Errorf("%d clocks, %+v", len(d.measure), found)
	}
}

// TestInterrupted ends where the user wants it to, without a finding that nobody has found.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	var found []Finding
	d := patient(&found)
	ctx, cancel := context.WithCancel(t.Context())
	d.Configure = func() (config.Config, []File, error) {
		cancel()
		return config.Config{}, nil, errors.New("interrupted")
	}
	if _, err := d.Run(ctx); !errors.Is(err, context.Canceled) || len(found) != 0 {
		t.Errorf("%v, %+v", err, found)
	}
}
