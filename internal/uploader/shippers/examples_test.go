package shippers_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/programs"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/hosttest"
)

const examples = "../../../examples/log-shippers/"

// example is a configuration of examples/log-shippers, led to the test's host: its bucket, its prefix and its directories
// are put in, as its reader does, and nothing else.
func (h *host) example(name string, more ...string) string {
	h.t.Helper()
	text, err := os.ReadFile(examples + name)
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.NewReplacer(append([]string{"oidc-s3-prod-uploads", h.Bucket, "logs/server-01", strings.TrimSuffix(hosttest.Prefix, "/"),
		"eu-west-1", h.Trust["AWS_REGION"]}, more...)...).Replace(string(text))
}

// TestRestic backs up, prunes and restores, with the example's repository and the credentials of a mode. Of the other modes,
// web identity and instance metadata have fixed addresses in restic, which no test can lead elsewhere, and it knows no
// credential_process.
func TestRestic(t *testing.T) {
	t.Parallel()
	restic, err := exec.LookPath("restic")
	if err != nil {
		t.Skip("restic is not installed")
	}
	version, err := exec.CommandContext(t.Context(), restic, "version").Output() //nolint:gosec // found above
	if err != nil {
		t.Fatal(err)
	}
	old := strings.HasPrefix(string(version), "restic 0.14.") // of Debian 12
	for _, m := range modes {
		if m.name != "shared credentials file" && m.name != "container credentials" {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			if old && m.name == "container credentials" {
				t.Skip("restic 0.14 does not read AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
			}
			h := newHost(t)
			env := m.set(h)
			for line := range strings.Lines(h.example("restic.env", "https://s3."+h.Trust["AWS_REGION"]+".amazonaws.com", h.Trust["AWS_ENDPOINT_URL"],
				"/etc/restic/password", h.write("password", "correct horse"))) {
				name, value, found := strings.Cut(strings.TrimSpace(line), "=")
				if found && strings.HasPrefix(name, "RESTIC_") { // where the credentials come from is the mode's
					env[name] = value
				}
			}
			env["RESTIC_CACHE_DIR"] = h.file("restic-cache")
			if err := os.Mkdir(h.file("data"), 0o700); err != nil {
				t.Fatal(err)
			}
			h.write("data/file", "line\n")
			as := func(env map[string]string, args ...string) {
				h.t.Helper()
				h.run(env, restic, append([]string{"--cacert", h.CA, "-o", "s3.bucket-lookup=path"}, args...)...)
			}
			do := func(args ...string) {
				h.t.Helper()
				as(env, args...)
			}
			if old {
				// This one looks at the bucket first, takes no for an answer, and leaves init to somebody who may:
				// https://github.com/restic/restic/issues/4085
				team := maps.Clone(env)
				for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
					team[name] = h.Env()[name]
				}
				as(team, "init")
			} else {
				do("init")
			}
			do("backup", "data")
			if m.reread { // the next one begins with credentials of before their end, and has none of its own to go back to
				time.Sleep(life)
			}
			h.write("data/file", "another line\n")
			do("backup", "data")
			do("forget", "--keep-last", "1", "--prune")
			do("check")
			do("restore", "latest", "--target", h.file("restored"))
			if got, err := os.ReadFile(h.file("restored/data/file")); err != nil || string(got) != "another line\n" {
				t.Errorf("it came back as %q, %v", got, err)
			}
		})
	}
}

// TestCollector gives the OpenTelemetry Collector a log record and wants it in the bucket. The collector is otelcol-contrib,
// or one that has just the example's receiver and exporter.
func TestCollector(t *testing.T) {
	t.Parallel()
	var collector string
	for _, name := range []string{"otelcol-contrib", "otelcol"} {
		if path, err := exec.LookPath(name); err == nil {
			collector = path
			break
		}
	}
	if collector == "" {
		t.Skip("no OpenTelemetry Collector is installed")
	}
	if out, err := exec.CommandContext(t.Context(), collector, "components").Output(); err != nil || !bytes.Contains(out, []byte("awss3")) { //nolint:gosec // found above
		t.Skip("this OpenTelemetry Collector has no awss3 exporter")
	}
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			env := m.set(h)
			grpc, http := programs.Address(), programs.Address()
			config := h.write("otel-collector.yaml", h.example("otel-collector.yaml", "endpoint: 127.0.0.1:4317", "endpoint: "+grpc+"\n      http:\n        endpoint: "+http))
			stop := h.collect(env, collector, "--config", config, "--set", "service::telemetry::metrics::level=none",
				"--set", "exporters::awss3::s3uploader::s3_force_path_style=true")
			for i, rounds := 0, 1; i < rounds; i++ {
				if m.reread {
					rounds = 2 // the second after the credentials' end
				}
				if i > 0 {
					time.Sleep(life)
				}
				record(t, http, fmt.Sprintf("round %d of %s", i, m.name))
			}
			stop()
			h.holds("round 0 of " + m.name)
			if m.reread {
				h.holds("round 1 of " + m.name)
			}
		})
	}
}

// collect runs a collector until stop, which lets it send what it has.
func (h *host) collect(env map[string]string, name string, args ...string) (stop func()) {
	h.t.Helper()
	all := maps.Clone(h.env)
	maps.Copy(all, env)
	cmd := exec.CommandContext(context.WithoutCancel(h.t.Context()), name, args...) //nolint:gosec // a collector that the test found
	cmd.Env = h.Environ(all)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		if h.t.Failed() {
			h.t.Log(log.String())
		}
	})
	return func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			h.t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			h.t.Errorf("the collector ends: %v", err)
		}
	}
}

// record sends a log record over OTLP, as soon as somebody listens.
func record(t *testing.T, address, text string) {
	t.Helper()
	body := fmt.Sprintf(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":%q}}]}]}]}`, text)
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/v1/logs", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the collector takes no record")
		}
	}
}

// holds wants an object of the server with this text.
func (h *host) holds(text string) {
	h.t.Helper()
	list := h.run(nil, h.bin, "list", "--client-secret-file", h.Secret)
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if got := h.run(nil, h.bin, "download", "--no-progress", "--client-secret-file", h.Secret, fields[len(fields)-1], "-"); strings.Contains(got, text) {
			return
		}
	}
	h.t.Errorf("no object holds %q; there are:\n%s", text, list)
}
