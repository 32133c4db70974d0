package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
)

// admin makes one request to the control endpoint.
func (c cloud) control(method, path, body string, change ...func(*http.Request)) (int, string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.env["OIDCS3_SANDBOX_ADMIN"]+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range change {
		f(req)
	}
	resp, err := c.Client().Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestAdminRefusals(t *testing.T) {
	t.Parallel()
	c := of(t, start(t, func(o *sandbox.Options) { o.TLSSANs = []string{"clouds.test"} }))
	for name, test := range map[string]struct {
		method, path, body string
		change             func(*http.Request)
		status             int
	}{
		"health":                 {"GET", "/healthz", "", nil, 200},
		"a fault":                {"POST", "/faults", `{"service":"iam","operation":"NoSuch","nth":1,"kind":"500"}`, nil, 204},
		"a list of faults":       {"POST", "/faults", `[{"kind":"slow","service":"nobody"},{"kind":"stale","service":"nobody"}]`, nil, 204},
		"a fault of no kind":     {"POST", "/faults", `{"kind":"burn"}`, nil, 400},
		"a field nobody knows":   {"POST", "/faults", `{"kind":"500","when":"now"}`, nil, 400},
		"no JSON":                {"POST", "/faults", `nothing`, nil, 400},
		"two values":             {"PUT", "/propagation", `{"delay_ms":0}{}`, nil, 400},
		"a value and a rest":     {"PUT", "/propagation", `{"delay_ms":0}}`, nil, 400},
		"its own name":           {"GET", "/healthz", "", func(r *http.Request) { r.Host = "localhost:" + r.URL.Port() }, 200},
		"its own name elsewhere": {"GET", "/healthz", "", func(r *http.Request) { r.Host = "localhost:1" }, 403},
		"its name for others":    {"GET", "/healthz", "", func(r *http.Request) { r.Host = "clouds.test:" + r.URL.Port() }, 200},
		"limits of no service":   {"PUT", "/limits", `{"rate":1}`, nil, 400},
		"a negative rate":        {"PUT", "/limits", `{"service":"auth0","rate":-1}`, nil, 400},
		"a path nobody knows":    {"GET", "/secrets", "", nil, 404},
		"a page in a browser":    {"GET", "/state", "", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403},
		"a rebound name":         {"GET", "/state", "", func(r *http.Request) { r.Host = "evil.example" }, 403},
		"a negative propagation": {"PUT", "/propagation", `{"delay_ms":-1}`, nil, 400},
	} {
		change := test.change
		if change == nil {
			change = func(*http.Request) {}
		}
		if status, body := c.control(test.method, test.path, test.body, change); status != test.status {
			t.Errorf("%s: %d %s, want %d", name, status, body, test.status)
		}
	}
}

// TestFaultsAllOrNone has a list with one good fault and one bad: neither comes into force.
func TestFaultsAllOrNone(t *testing.T) {
	t.Parallel()
	c := of(t, start(t))
	if status, body := c.control("POST", "/faults", ` [{"service":"sts","kind":"500","when":"now"}]`); status != 400 || !strings.Contains(body, `"when"`) {
		t.Errorf("%d %s, want 400 and the name of the field", status, body)
	}
	if status, body := c.control("POST", "/faults", `[{"service":"sts","kind":"500"},{"kind":"burn"}]`); status != 400 || !strings.Contains(body, "fault 2") {
		t.Errorf("%d %s, want 400 and the number of the bad fault", status, body)
	}
	config := c.admin()
	config.RetryMaxAttempts = 1
	if _, err := awssts.NewFromConfig(config).GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{}); err != nil {
		t.Errorf("a fault of a refused list is in force: %v", err)
	}
}

func TestJournalAndFaults(t *testing.T) {
	t.Parallel()
	c := of(t, start(t))
	if status, body := c.control("POST", "/faults", `{"service":"sts","operation":"GetCallerIdentity","nth":1,"kind":"500"}`); status != 204 {
		t.Fatal(body)
	}
	c.control("DELETE", "/calls", "")
	if _, err := awssts.NewFromConfig(c.admin()).GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{}); err != nil {
		t.Fatal(err) // the SDK repeats the call
	}
	_, text := c.control("GET", "/calls?service=sts", "")
	var statuses []int
	for line := range strings.Lines(text) {
		var call struct {
			Operation, Caller string
			Status            int
		}
		if err := json.Unmarshal([]byte(line), &call); err != nil || call.Operation != "GetCallerIdentity" {
			t.Fatalf("line %q: %v", line, err)
		}
		statuses = append(statuses, call.Status)
		if call.Status == 200 && !strings.HasSuffix(call.Caller, "user/administrator") {
			t.Errorf("caller %q", call.Caller)
		}
	}
	if len(statuses) != 2 || statuses[0] != 500 || statuses[1] != 200 {
		t.Errorf("statuses %v, want 500 and then 200", statuses)
	}
}

func TestFilesOfASandbox(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, func(o *sandbox.Options) { o.Dir = dir })
	info, err := os.Stat(filepath.Join(dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("env has mode %o: it holds secrets", mode)
	}
	out, err := shell(t, dir, "env")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range s.Env() {
		if !strings.Contains(out, name+"="+value+"\n") {
			t.Errorf("a shell that sources env does not have %s", name)
		}
	}
	state, err := json.Marshal(s.State(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"AWS_SECRET_ACCESS_KEY", "AUTH0_API_TOKEN"} {
		if strings.Contains(string(state), s.Env()[name]) {
			t.Errorf("the state shows %s", name)
		}
	}
}

func TestStartWithoutADirectory(t *testing.T) {
	t.Parallel()
	_, err := sandbox.Start(t.Context(), sandbox.Options{Dir: filepath.Join(t.TempDir(), "missing")})
	if err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("err = %v", err)
	}
}
