package vending_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/lambda"
)

// binary builds the command once, as the bundle has it: named bootstrap.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "oidcs3-vending-test-")
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "bootstrap")
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", out, "github.com/oidcs3/terraform-provider-oidcs3/cmd/oidcs3-vending")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", &buildError{string(text), err}
	}
	return out, nil
})

type buildError struct {
	text string
	err  error
}

func (e *buildError) Error() string { return e.err.Error() + "\n" + e.text }

func TestMain(m *testing.M) {
	code := m.Run()
	if built, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(built))
	}
	os.Exit(code)
}

func mustBinary(t testing.TB) string {
	t.Helper()
	name, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// call asks a front over HTTP.
func call(t testing.TB, client *http.Client, url, authorization string) (int, body, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", authorization)
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode, decodeBody(t, resp.Body), resp.Header
}

// TestLambdaFront runs the real binary against a Lambda runtime API, behind an HTTP API.
func TestLambdaFront(t *testing.T) {
	t.Parallel()
	for _, stage := range []string{"$default", "prod"} {
		w := newWorld(t)
		w.onboard(t, "client-1", "web-01", "web/01/")
		f, err := lambda.Start(t.Context(), lambda.Config{
			Binary: mustBinary(t), Env: w.environment(t), Stage: stage, Logs: w.logs, AccountID: account, Region: region, Partition: "aws",
		})
		if err != nil {
			t.Fatalf("%v\n%s", err, w.logs)
		}
		defer func() {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}()
		api := httptest.NewTLSServer(f)
		defer api.Close()
		token := w.issuers["cognito"].token(t, "client-1", nil)
		for _, authorization := range []string{"Bearer " + token, token} {
			status, b, header := call(t, api.Client(), api.URL+"/credentials", authorization)
			if status != 200 || b.AccessKeyID == "" || header.Get("Cache-Control") != "no-store" || time.Until(b.Expiration) > time.Hour {
				t.Errorf("stage %s: %d %s %s", stage, status, b.Code, b.Message)
			}
		}
		status, b, header := call(t, api.Client(), api.URL+"/credentials", "Bearer nonsense")
		if status != 401 || b.Code != "InvalidToken" || header.Get("Www-Authenticate") != "Bearer" {
			t.Errorf("stage %s: nonsense got %d %s", stage, status, b.Code)
		}
		if id := header.Get("X-Request-Id"); id == "" || !w.logs.awaits(`"decision":"refuse","reason":"malformed","request_id":"`+id+`"`) {
			t.Errorf("no audit line of request %q", id)
		}
		if status, _, _ := call(t, api.Client(), api.URL+"/healthz", ""); status != 200 {
			t.Errorf("/healthz: %d", status)
		}
		if err := f.Close(); err != nil { // and with it the log
			t.Error(err)
		}
		checkNoSecrets(t, w.logs.String(), token)
	}
}

// TestLambdaRefusesToStart: a mistake in the configuration ends the init phase, with its reason in the log.
func TestLambdaRefusesToStart(t *testing.T) {
	t.Parallel()
	logs := &lockedBuffer{}
	_, err := lambda.Start(t.Context(), lambda.Config{Binary: mustBinary(t), Env: map[string]string{}, Logs: logs, Region: region})
	if err == nil || !logs.awaits("client_roles_table_name is missing") {
		t.Errorf("got %v, log %q", err, logs)
	}
}

// server is the binary as an HTTPS server.
type server struct {
	url     string
	client  *http.Client
	caFile  string // with the server's own certificate and the test servers'
	process *exec.Cmd
	dir     string
}

func startServer(t testing.TB, w *world) *server {
	t.Helper()
	dir := t.TempDir()
	env := w.environment(t)
	s := &server{dir: dir, caFile: filepath.Join(dir, "all.pem")}
	certificate := writePair(t, dir, 1)
	old, err := os.ReadFile(env["AWS_CA_BUNDLE"])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.caFile, append(old, certificate...), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "vending.json")
	if err := os.WriteFile(config, []byte(env["OIDCS3_VENDING_CONFIG_JSON"]), 0o600); err != nil {
		t.Fatal(err)
	}
	delete(env, "OIDCS3_VENDING_CONFIG_JSON")
	s.process = exec.Command(mustBinary(t), "--config", config, "--listen", "127.0.0.1:0", "--cert", filepath.Join(dir, "cert.pem"), "--key", filepath.Join(dir, "key.pem"))
	s.process.Stderr = w.logs
	for name, value := range env {
		s.process.Env = append(s.process.Env, name+"="+value)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.process.Process.Kill(); _ = s.process.Wait() })
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	s.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64}}
	s.url = "https://" + awaitAddress(t, w.logs)
	return s
}

// awaitAddress reads the port from the line that the server logs.
func awaitAddress(t testing.TB, logs *lockedBuffer) string {
	t.Helper()
	for range 6000 {
		for line := range strings.SplitSeq(logs.String(), "\n") {
			var l struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "listening" {
				return l.Address
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the server does not listen: %s", logs)
	return ""
}

// writePair writes a self-signed certificate and its key, and returns the certificate.
func writePair(t testing.TB, dir string, serial int64) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "vending"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, text := range map[string][]byte{"cert.pem": certificate, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate
}

func TestServerFront(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.onboard(t, w.issuers["auth0"].key("client-1"), "web-01", "web/01/")
	s := startServer(t, w)
	token := w.issuers["auth0"].token(t, "client-1", nil)
	for _, authorization := range []string{"Bearer " + token, token} {
		status, b, header := call(t, s.client, s.url+"/credentials", authorization)
		if status != 200 || b.AccessKeyID == "" || header.Get("Cache-Control") != "no-store" || header.Get("X-Request-Id") == "" {
			t.Errorf("%d %s %s", status, b.Code, b.Message)
		}
	}
	if status, b, _ := call(t, s.client, s.url+"/credentials", "nonsense"); status != 401 || b.Code != "InvalidToken" {
		t.Errorf("nonsense got %d %s", status, b.Code)
	}
	if status, _, _ := call(t, s.client, s.url+"/healthz", ""); status != 200 {
		t.Errorf("/healthz: %d", status)
	}
	old, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), &tls.Config{RootCAs: s.client.Transport.(*http.Transport).TLSClientConfig.RootCAs, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}) //nolint:gosec,forcetypeassert // that it is refused is the point
	if err == nil {
		_ = old.Close()
		t.Error("TLS 1.1 is accepted")
	}
	// A renewed certificate serves new connections without a restart.
	renewed := x509.NewCertPool()
	renewed.AppendCertsFromPEM(writePair(t, s.dir, 2))
	later := time.Now().Add(time.Second)
	if err := os.Chtimes(filepath.Join(s.dir, "cert.pem"), later, later); err != nil {
		t.Fatal(err)
	}
	fresh := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: renewed}}}
	if status, _, _ := call(t, fresh, s.url+"/healthz", ""); status != 200 {
		t.Errorf("with the renewed certificate: %d", status)
	}

	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.process.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	checkNoSecrets(t, w.logs.String(), token)
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		args []string
		env  []string
		code int
		want string
	}{
		{"version", []string{"--version"}, nil, 0, "oidcs3-vending"},
		{"help", []string{"--help"}, nil, 0, "-listen"},
		{"unknown flag", []string{"--insecure"}, nil, 2, "flag provided but not defined"},
		{"argument", []string{"serve"}, nil, 2, `unexpected argument "serve"`},
		{"no configuration", nil, nil, 2, "client_roles_table_name is missing"},
		{"no certificate", nil, []string{"OIDCS3_VENDING_CONFIG_JSON=" + goodConfig, "AWS_REGION=eu-west-1"}, 2, "--cert and --key are needed"},
		{"certificate that is not there", []string{"--listen", "127.0.0.1:0", "--cert", "none", "--key", "none"}, []string{"OIDCS3_VENDING_CONFIG_JSON=" + goodConfig, "AWS_REGION=eu-west-1"}, 1, "load certificate and key"},
	} {
		cmd := exec.Command(mustBinary(t), c.args...)
		cmd.Env = append([]string{"AWS_EC2_METADATA_DISABLED=true"}, c.env...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run()
		if cmd.ProcessState.ExitCode() != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: exit %d, %q", c.name, cmd.ProcessState.ExitCode(), out.String())
		}
	}
}

// trusting is a transport that trusts the certificate that writePair left in dir.
func trusting(t testing.TB, dir string) *http.Transport {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
}
