package serve

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// asker asks an IMDS handler whose clock the test sets.
type asker struct {
	handler http.Handler
	now     time.Time
}

const imdsAddress = "127.0.0.1:9911"

func newAsker(fails error) *asker {
	a := &asker{now: expires.Add(-time.Hour)}
	o := options(imdsAddress, fails)
	o.Now = func() time.Time { return a.now }
	a.handler = IMDS(o)
	return a
}

func (a *asker) ask(method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://"+imdsAddress+path, nil)
	r.RemoteAddr = "127.0.0.1:5"
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, r)
	return w
}

func TestIMDS(t *testing.T) {
	t.Parallel()
	a := newAsker(nil)
	opened := a.ask("PUT", sessionPath, ttlHeader, "60")
	session := opened.Body.String()
	if opened.Header().Get(ttlHeader) != "60" || len(session) < 20 {
		t.Fatalf("session of %d bytes, headers %v", len(session), opened.Header())
	}
	for name, tc := range map[string]struct {
		method, path string
		headers      []string
		status       int
		body         string
	}{
		"role":            {"GET", rolePath + "/", []string{sessionHeader, session}, 200, "r"},
		"role, no slash":  {"GET", rolePath, []string{sessionHeader, session}, 200, "r"},
		"credentials":     {"GET", rolePath + "/r", []string{sessionHeader, session}, 200, `{"AccessKeyId":"AK","SecretAccessKey":"SK-secret","Token":"ST","Expiration":"2026-01-01T01:00:00Z","Code":"Success","Type":"AWS-HMAC","LastUpdated":"2026-01-01T00:00:00Z"}`},
		"longest":         {"PUT", sessionPath, []string{ttlHeader, "21600"}, 200, ""},
		"shortest":        {"PUT", sessionPath, []string{ttlHeader, "1"}, 200, ""},
		"other role":      {"GET", rolePath + "/other", []string{sessionHeader, session}, 404, ""},
		"below the role":  {"GET", rolePath + "/r/r", []string{sessionHeader, session}, 404, ""},
		"user data":       {"GET", "/latest/user-data", []string{sessionHeader, session}, 404, ""},
		"version 1":       {"GET", rolePath + "/r", nil, 401, ""},
		"version 1, role": {"GET", rolePath + "/", nil, 401, ""},
		"nothing":         {"GET", "/", nil, 401, ""},
		"unknown session": {"GET", rolePath + "/r", []string{sessionHeader, "x"}, 401, ""},
		"empty session":   {"GET", rolePath + "/r", []string{sessionHeader, ""}, 401, ""},
		"two sessions":    {"GET", rolePath + "/r", []string{sessionHeader, session, sessionHeader, session}, 401, ""},
		"session, query":  {"GET", rolePath + "/r?X-Aws-Ec2-Metadata-Token=" + session, nil, 401, ""},
		"no TTL":          {"PUT", sessionPath, nil, 400, ""},
		"long TTL":        {"PUT", sessionPath, []string{ttlHeader, "21601"}, 400, ""},
		"zero TTL":        {"PUT", sessionPath, []string{ttlHeader, "0"}, 400, ""},
		"negative TTL":    {"PUT", sessionPath, []string{ttlHeader, "-1"}, 400, ""},
		"TTL of no kind":  {"PUT", sessionPath, []string{ttlHeader, "1h"}, 400, ""},
		"two TTLs":        {"PUT", sessionPath, []string{ttlHeader, "60", ttlHeader, "60"}, 400, ""},
		"forwarded":       {"PUT", sessionPath, []string{ttlHeader, "60", "X-Forwarded-For", "192.0.2.7"}, 403, ""},
		"rebound name":    {"PUT", sessionPath, []string{ttlHeader, "60", "Host", "evil.example:9911"}, 403, ""},
		"the real one":    {"GET", rolePath + "/r", []string{sessionHeader, session, "Host", "169.254.169.254"}, 403, ""},
		"page":            {"PUT", sessionPath, []string{ttlHeader, "60", "Origin", "https://evil.example"}, 403, ""},
		"token by GET":    {"GET", sessionPath, []string{ttlHeader, "60"}, 405, ""},
		"token by POST":   {"POST", sessionPath, []string{ttlHeader, "60"}, 405, ""},
		"head":            {"HEAD", rolePath + "/r", []string{sessionHeader, session}, 405, ""},
		"put elsewhere":   {"PUT", rolePath + "/r", []string{sessionHeader, session}, 405, ""},
		"unclean path":    {"GET", "/latest//meta-data/../meta-data/iam/security-credentials/r", []string{sessionHeader, session}, 404, ""},
	} {
		w := a.ask(tc.method, tc.path, tc.headers...)
		body := strings.TrimSpace(w.Body.String())
		if w.Code != tc.status || w.Header().Get("Location") != "" || tc.body != "" && body != tc.body || tc.status != 200 && strings.Contains(body, "SK-secret") || tc.status != 200 && strings.Contains(body, session) {
			t.Errorf("%s: %d %s", name, w.Code, body)
		}
	}
	if w := newAsker(context.DeadlineExceeded); w.ask("GET", rolePath+"/r", sessionHeader, w.ask("PUT", sessionPath, ttlHeader, "60").Body.String()).Code != http.StatusServiceUnavailable {
		t.Error("no credentials are no 503")
	}
}

// TestIMDSSessions has sessions end, and more of them than are kept.
func TestIMDSSessions(t *testing.T) {
	t.Parallel()
	a := newAsker(nil)
	open := func(ttl string) string { return a.ask("PUT", sessionPath, ttlHeader, ttl).Body.String() }
	good := func(session string) bool {
		return a.ask("GET", rolePath+"/r", sessionHeader, session).Code == http.StatusOK
	}
	short, long := open("60"), open("21600")
	a.now = a.now.Add(59 * time.Second)
	if !good(short) {
		t.Error("the session ends early")
	}
	a.now = a.now.Add(time.Second)
	if good(short) || !good(long) {
		t.Error("the session outlives its end, or another ends with it")
	}
	first := open("300")
	for range mostSessions - 1 {
		open("600")
	}
	if !good(open("600")) || !good(long) || good(first) {
		t.Error("with too many sessions not the one goes that would end first")
	}
	a.now = a.now.Add(601 * time.Second)
	open("60")
	if !good(long) {
		t.Error("a session was dropped where others had ended")
	}
}

// TestIMDSNetwork serves other hosts where it was told to, under the address that they connected to and no name.
func TestIMDSNetwork(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		network bool
		host    string
		status  int
	}{
		"told to":        {true, "192.0.2.1", 200},
		"with its port":  {true, "192.0.2.1:80", 200},
		"another's name": {true, "evil.example", 403},
		"not told to":    {false, "192.0.2.1", 403},
	} {
		o := options("0.0.0.0:80", nil)
		o.Network = tc.network
		r := httptest.NewRequest("PUT", "http://192.0.2.1"+sessionPath, nil)
		r.Host, r.RemoteAddr = tc.host, "192.0.2.7:5"
		r.Header.Set(ttlHeader, "60")
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}))
		w := httptest.NewRecorder()
		IMDS(o).ServeHTTP(w, r)
		if w.Code != tc.status {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// serving runs the endpoint on a port of its own.
func serving(t *testing.T) (endpoint string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l, err := Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := options(l.Addr().String(), nil)
	o.Provider = lasting{}
	done := make(chan error, 1)
	go func() { done <- Run(ctx, l, IMDS(o)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// TestIMDSWithGoSDK asks with the AWS SDK's own client.
func TestIMDSWithGoSDK(t *testing.T) {
	t.Parallel()
	client := imds.New(imds.Options{Endpoint: serving(t), DisableDefaultTimeout: true, HTTPClient: &http.Client{Timeout: 30 * time.Second}})
	c, err := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = client }).Retrieve(t.Context())
	if err != nil || c.AccessKeyID != "AK" || c.SecretAccessKey != "SK-secret" || c.SessionToken != "ST" || time.Until(c.Expires) < 50*time.Minute {
		t.Errorf("key %q until %v, %v", c.AccessKeyID, c.Expires, err)
	}
}

// TestIMDSWithOthers asks with boto3 and the AWS CLI, where they are installed.
func TestIMDSWithOthers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		command []string
		want    string
	}{
		"boto3":   {[]string{"python3", "-c", "import boto3; c = boto3.Session().get_credentials().get_frozen_credentials(); print(c.access_key, c.token)"}, "AK ST"},
		"AWS CLI": {[]string{"aws", "configure", "list"}, "iam-role"},
	} {
		command := tc.command
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(command[0]); err != nil {
				t.Skip(err)
			}
			if name == "boto3" && exec.CommandContext(t.Context(), "python3", "-c", "import boto3").Run() != nil {
				t.Skip("boto3 is not installed")
			}
			cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent", "AWS_REGION=eu-west-1",
				"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + serving(t), "AWS_EC2_METADATA_V1_DISABLED=true", "AWS_METADATA_SERVICE_TIMEOUT=30", "AWS_METADATA_SERVICE_NUM_ATTEMPTS=5"}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil || !strings.Contains(string(out), tc.want) {
				t.Errorf("%v: %s%s", err, out, stderr.String())
			}
		})
	}
}
