package shippers_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/programs"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/hosttest"
)

// host is a machine with the host binary and nobody's credentials but those that it gives away.
type host struct {
	*hosttest.Host
	t   *testing.T
	dir string
	bin string
	env map[string]string // of everything on it
}

// life is how long credentials seem to live where a test wants to see them renewed. The real ones live an hour.
const life = 15 * time.Second

func newHost(t *testing.T) *host {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the program and runs other vendors' clients")
	}
	h := &host{Host: hosttest.New(t), t: t, dir: t.TempDir(), bin: programs.For(t, programs.Upload)}
	h.env = map[string]string{
		"HOME": h.dir, "OIDCS3_CONFIG": h.Config, "OIDCS3_CACHE_DIR": filepath.Join(h.dir, "cache"),
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1", "AWS_ENDPOINT_URL_STS": h.shortLived(),
		"AWS_CONFIG_FILE": h.file("none"), "AWS_SHARED_CREDENTIALS_FILE": h.file("none"),
	}
	return h
}

func (h *host) file(name string) string { return filepath.Join(h.dir, name) }

func (h *host) write(name, text string) string {
	h.t.Helper()
	if err := os.WriteFile(h.file(name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return h.file(name)
}

var expiration = regexp.MustCompile(`<Expiration>[^<]*</Expiration>`)

// shortLived is an STS whose credentials say that they end soon.
func (h *host) shortLived() string {
	h.t.Helper()
	to, err := url.Parse(h.Trust["AWS_ENDPOINT_URL"])
	if err != nil {
		h.t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: h.Client().Transport,
		ModifyResponse: func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			soon := time.Now().Add(life).UTC().Format(time.RFC3339Nano)
			body = expiration.ReplaceAll(body, []byte("<Expiration>"+soon+"</Expiration>"))
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	h.t.Cleanup(server.Close)
	return server.URL
}

// mode is a way of giving credentials away: it sets up what it needs and returns the environment of a client.
type mode struct {
	name string
	set  func(*host) map[string]string
	// reread: a client that runs on sees new credentials. The SDKs read a shared credentials file once.
	reread bool
}

var modes = []mode{
	{"credential_process", (*host).process, true},
	{"shared credentials file", (*host).shared, false},
	{"web identity token file", (*host).token, true},
	{"container credentials", (*host).container, true},
	{"instance metadata", (*host).metadata, true},
}

func (h *host) process() map[string]string {
	return map[string]string{"AWS_CONFIG_FILE": h.write("config", fmt.Sprintf("[default]\ncredential_process = %s get-credentials --client-secret-file %s\n", h.bin, h.Secret))}
}

func (h *host) shared() map[string]string {
	h.daemon("credential-daemon", "--file", h.file("credentials"))
	h.appears("credentials")
	return map[string]string{"AWS_SHARED_CREDENTIALS_FILE": h.file("credentials")}
}

func (h *host) token() map[string]string {
	h.daemon("token-daemon", "--file", h.file("token"))
	h.appears("token")
	return map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": h.file("token"), "AWS_ROLE_ARN": h.RoleARN, "AWS_ROLE_SESSION_NAME": hosttest.Server}
}

func (h *host) container() map[string]string {
	h.daemon("serve", "--token-file", h.file("authorization"), "--uri-file", h.file("uri"))
	h.appears("uri")
	uri, err := os.ReadFile(h.file("uri"))
	if err != nil {
		h.t.Fatal(err)
	}
	return map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": string(uri), "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": h.file("authorization")}
}

// metadata is what a program needs that knows EC2 and nothing else.
func (h *host) metadata() map[string]string {
	h.daemon("serve", "--imds", "--uri-file", h.file("uri"))
	h.appears("uri")
	uri, err := os.ReadFile(h.file("uri"))
	if err != nil {
		h.t.Fatal(err)
	}
	return map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": string(uri), "AWS_EC2_METADATA_DISABLED": "false",
		"AWS_METADATA_SERVICE_TIMEOUT": "30", "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "5"} // botocore's; one second is short on a busy machine
}

// daemon runs a command of the host binary until the test ends.
func (h *host) daemon(args ...string) {
	h.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(h.t.Context()), h.bin, append(args, "--client-secret-file", h.Secret)...) //nolint:gosec // our own program
	cmd.Env = h.Environ(h.env)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			h.t.Errorf("%s: %v\n%s", args[0], err, log.String())
		}
	})
}

func (h *host) appears(name string) {
	h.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(h.file(name)); err == nil {
			return
		}
	}
	h.t.Fatalf("there is no %s", name)
}

// run runs a client with a mode's environment and returns its standard output.
func (h *host) run(env map[string]string, name string, args ...string) string {
	h.t.Helper()
	all := maps.Clone(h.env)
	maps.Copy(all, env)
	cmd := exec.CommandContext(h.t.Context(), name, args...) //nolint:gosec // a client that the test names
	cmd.Env = h.Environ(all)
	cmd.Dir = h.dir
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		h.t.Fatalf("%s: %v\n%s", name, err, strings.TrimSpace(complaint.String()))
	}
	return out.String()
}
