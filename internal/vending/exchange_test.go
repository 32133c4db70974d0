package vending_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/vending"
)

// objectStore answers S3 requests with nothing but the guard's decision.
func (w *world) objectStore(t testing.TB) *httptest.Server {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		err := w.decide(r)
		var refused *authz.Error
		if errors.As(err, &refused) {
			rw.Header().Set("Content-Type", "application/xml")
			rw.WriteHeader(http.StatusForbidden)
			_ = xml.NewEncoder(rw).EncodeElement(struct{ Code, Message string }{refused.Code, refused.Message}, xml.StartElement{Name: xml.Name{Local: "Error"}})
			return
		}
		if r.Method == http.MethodGet {
			_, _ = fmt.Fprint(rw, `<ListBucketResult></ListBucketResult>`)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func (w *world) decide(r *http.Request) error {
	caller, _, err := w.engine.Authenticate(r, "s3")
	if err != nil {
		return err
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	arn := "arn:aws:s3:::" + bucket
	switch r.Method {
	case http.MethodPut:
		return w.engine.Authorize(r, caller, "s3:PutObject", arn+"/"+key, nil, "")
	case http.MethodDelete:
		return w.engine.Authorize(r, caller, "s3:DeleteObject", arn+"/"+key, nil, "")
	default:
		return w.engine.Authorize(r, caller, "s3:ListBucket", arn, map[string][]string{"s3:prefix": r.URL.Query()["prefix"]}, "")
	}
}

// TestCrossAttempts: four servers of four issuers with one and the same client id; roles that are wide open, so that the
// session policy alone stands between them. Every token reaches its own prefix and nothing else.
func TestCrossAttempts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	names := []string{"cognito", "auth0", "entra1", "entra2"}
	for _, name := range names {
		w.onboard(t, w.issuers[name].key("client-1"), "web-"+name, "web/"+name+"/")
	}
	s := w.service(t, w.settings())
	objects := w.objectStore(t)
	for _, name := range names {
		status, b, _ := ask(t, s, w.issuers[name].token(t, "client-1", nil))
		if status != 200 {
			t.Fatalf("%s: status %d %s", name, status, b.Code)
		}
		if want := "arn:aws:iam::123456789012:role/oidc-s3-dev-web-" + name; b.RoleARN != want {
			t.Errorf("%s: role %s, want %s", name, b.RoleARN, want)
		}
		cfg := w.config(aws.Credentials{AccessKeyID: b.AccessKeyID, SecretAccessKey: b.SecretAccessKey, SessionToken: b.Token})
		identity, err := awssts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{})
		if err != nil || !strings.HasSuffix(*identity.Arn, "/web-"+name) {
			t.Errorf("%s: session %v %v", name, aws.ToString(identity.Arn), err)
		}
		cfg.BaseEndpoint = aws.String(objects.URL)
		client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		for _, other := range names {
			_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("web/" + other + "/x"), Body: strings.NewReader("x")})
			wantAllowed(t, name+" puts to "+other, err, name == other)
			_, err = client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("web/" + other + "/x")})
			wantAllowed(t, name+" deletes of "+other, err, name == other)
			_, err = client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String("web/" + other + "/")})
			wantAllowed(t, name+" lists "+other, err, name == other)
		}
		for _, key := range []string{"x", "web/x", "web/" + name, "web/" + name + "0/x", "other/web/" + name + "/x"} {
			_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: strings.NewReader("x")})
			wantAllowed(t, name+" puts "+key, err, false)
		}
		_, err = client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("another-bucket"), Key: aws.String("web/" + name + "/x"), Body: strings.NewReader("x")})
		wantAllowed(t, name+" puts into another bucket", err, false)
		_, err = client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
		wantAllowed(t, name+" lists all", err, false)
	}
}

func wantAllowed(t *testing.T, what string, err error, allowed bool) {
	t.Helper()
	var api smithy.APIError
	switch {
	case allowed && err != nil:
		t.Errorf("%s: %v", what, err)
	case !allowed && (!errors.As(err, &api) || api.ErrorCode() != "AccessDenied"):
		t.Errorf("%s: got %v, want AccessDenied", what, err)
	}
}

// TestSession looks at what is asked of STS.
func TestSession(t *testing.T) {
	t.Parallel()
	for _, identity := range []bool{false, true} {
		w := newWorld(t)
		w.onboard(t, "client-1", "web-01", "web/01/")
		cfg := w.settings()
		cfg.SourceIdentity, cfg.SessionDuration = identity, 900
		spy := &spySTS{}
		s, err := vending.New(cfg, vending.Dependencies{Rows: w.rows, STS: spy, HTTP: vending.KeyClient(w.aws.Client().Transport), Now: time.Now, Log: discardLog()})
		if err != nil {
			t.Fatal(err)
		}
		if status, _, _ := ask(t, s, w.issuers["cognito"].token(t, "client-1", nil)); status != 200 {
			t.Fatalf("status %d", status)
		}
		in := spy.last
		if *in.RoleSessionName != "web-01" || *in.DurationSeconds != 900 || (in.SourceIdentity != nil) != identity {
			t.Errorf("session %s, %d s, source identity %v", *in.RoleSessionName, *in.DurationSeconds, in.SourceIdentity)
		}
		// What each level grants is access's to say; here it has to be the fullest, on this prefix of this bucket.
		policy := access.Permissions{Partition: "aws", Bucket: bucket, Prefix: "web/01/", Permission: access.Full}.Document()
		if *in.Policy != policy {
			t.Errorf("session policy %s", *in.Policy)
		}
	}
}

type spySTS struct {
	last *awssts.AssumeRoleInput
	err  error
}

func (s *spySTS) AssumeRole(_ context.Context, in *awssts.AssumeRoleInput, _ ...func(*awssts.Options)) (*awssts.AssumeRoleOutput, error) {
	s.last = in
	if s.err != nil {
		return nil, s.err
	}
	return assumed(), nil
}

// TestRows is the table of what may be wrong with a row or with its role.
func TestRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.onboard(t, "client-0", "web-00", "web/00/")
	stranger := w.role(t, "oidc-s3-dev-stranger", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/admin"},"Action":"sts:AssumeRole"}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)
	s := w.service(t, w.settings())
	for n, c := range []struct {
		name   string
		change func(*rolemap.Row)
		reason string
	}{
		{"no slash at the prefix's end", func(r *rolemap.Row) { r.Prefix = "web/00" }, "bad_row"},
		{"no prefix", func(r *rolemap.Row) { r.Prefix = "" }, "bad_row"},
		{"wildcard in the prefix", func(r *rolemap.Row) { r.Prefix = "*/" }, "bad_row"},
		{"policy variable in the prefix", func(r *rolemap.Row) { r.Prefix = "${aws:username}/" }, "bad_row"},
		{"role that is none", func(r *rolemap.Row) { r.RoleARN = "arn:aws:iam::123456789012:user/admin" }, "bad_row"},
		{"server name that is no session name", func(r *rolemap.Row) { r.ServerName = "web 00" }, "bad_row"},
		{"prefix too long for a session policy", func(r *rolemap.Row) { r.Prefix = strings.Repeat("ü", 250) + "/" }, "bad_row"},
		{"role of another server: its trust names the session", func(r *rolemap.Row) { r.ServerName = "web-99" }, "role_denied"},
		{"role that does not trust the service", func(r *rolemap.Row) { r.RoleARN = stranger }, "role_denied"},
		{"role that is gone", func(r *rolemap.Row) { r.RoleARN = "arn:aws:iam::123456789012:role/oidc-s3-dev-gone" }, "role_denied"},
	} {
		row := good
		row.ClientID = fmt.Sprintf("client-%d", n+1)
		c.change(&row)
		if err := w.rows.Put(t.Context(), table, row); err != nil {
			t.Fatal(err)
		}
		status, b, _ := ask(t, s, w.issuers["cognito"].token(t, row.ClientID, nil))
		if audit := lastLine(t, w.logs.String()); status != 403 || b.Code != "AccessDenied" || audit["reason"] != c.reason {
			t.Errorf("%s: %d %s, reason %v, want 403 AccessDenied, %s", c.name, status, b.Code, audit["reason"], c.reason)
		}
	}
}

// TestRowOfAnother: a table that answers with another client's row is not believed.
func TestRowOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	row := w.onboard(t, "client-1", "web-01", "web/01/")
	s, err := vending.New(w.settings(), vending.Dependencies{Rows: sameRow(row), STS: &spySTS{}, HTTP: vending.KeyClient(w.aws.Client().Transport), Now: time.Now, Log: discardLog()})
	if err != nil {
		t.Fatal(err)
	}
	for client, want := range map[string]int{"client-1": 200, "client-2": 403} {
		if status, _, _ := ask(t, s, w.issuers["cognito"].token(t, client, nil)); status != want {
			t.Errorf("%s: status %d, want %d", client, status, want)
		}
	}
}

type sameRow rolemap.Row

func (r sameRow) Read(context.Context, string, string) (rolemap.Row, error) {
	return rolemap.Row(r), nil
}

func TestRowCache(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	row := w.onboard(t, "client-1", "web-01", "web/01/")
	now := &movingClock{at: time.Now()}
	s := w.serviceAt(t, w.settings(), now.now)
	reads := func(want int, what string) {
		t.Helper()
		if n := w.calls.of("GetItem"); n != want {
			t.Errorf("%s: %d reads of the table, want %d", what, n, want)
		}
	}
	status := func(client string, want int) {
		t.Helper()
		if got, b, _ := ask(t, s, w.issuers["cognito"].token(t, client, nil)); got != want {
			t.Errorf("%s: status %d %s, want %d", client, got, b.Code, want)
		}
	}
	for range 5 {
		status("client-1", 200)
	}
	reads(1, "a row is remembered")
	now.advance(31 * time.Second)
	status("client-1", 200)
	reads(2, "for 30 s")
	for range 5 {
		status("client-2", 403)
	}
	reads(3, "so is that there is none")
	w.onboard(t, "client-2", "web-02", "web/02/")
	now.advance(6 * time.Second)
	status("client-2", 200)
	reads(4, "for 5 s")
	if err := w.rows.Delete(t.Context(), table, "client-1", row.RoleARN); err != nil {
		t.Fatal(err)
	}
	now.advance(31 * time.Second)
	status("client-1", 403)
	reads(5, "a row that is gone is gone within 30 s")
}

// TestRefusedRoleIsReadAnew: a role that was made anew under another name must not wait for the cache.
func TestRefusedRoleIsReadAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	row := w.onboard(t, "client-1", "web-01", "web/01/")
	s := w.service(t, w.settings())
	wrong := row
	wrong.RoleARN = "arn:aws:iam::123456789012:role/oidc-s3-dev-gone"
	if err := w.rows.Delete(t.Context(), table, "client-1", row.RoleARN); err != nil {
		t.Fatal(err)
	}
	if err := w.rows.Put(t.Context(), table, wrong); err != nil {
		t.Fatal(err)
	}
	token := w.issuers["cognito"].token(t, "client-1", nil)
	if status, _, _ := ask(t, s, token); status != 403 {
		t.Fatalf("status %d", status)
	}
	if err := w.rows.Delete(t.Context(), table, "client-1", wrong.RoleARN); err != nil {
		t.Fatal(err)
	}
	if err := w.rows.Put(t.Context(), table, row); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := ask(t, s, token); status != 200 {
		t.Errorf("status %d with the row set right", status)
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.onboard(t, "client-1", "web-01", "web/01/")
	w.onboard(t, "client-2", "web-02", "web/02/")
	cfg := w.settings()
	cfg.RequestsPerMinute, cfg.RequestBurst = 6, 3
	now := &movingClock{at: time.Now()}
	s := w.serviceAt(t, cfg, now.now)
	one, two := w.issuers["cognito"].token(t, "client-1", nil), w.issuers["cognito"].token(t, "client-2", nil)
	for n := range 3 {
		if status, _, _ := ask(t, s, one); status != 200 {
			t.Errorf("request %d: status %d", n+1, status)
		}
	}
	status, b, out := ask(t, s, one)
	if status != 429 || b.Code != "TooManyRequests" || out.Header["Retry-After"] != "10" {
		t.Errorf("request 4: %d %s Retry-After %q", status, b.Code, out.Header["Retry-After"])
	}
	if status, _, _ := ask(t, s, two); status != 200 {
		t.Errorf("another client: status %d", status)
	}
	now.advance(10 * time.Second)
	if status, _, _ := ask(t, s, one); status != 200 {
		t.Errorf("10 s later: status %d", status)
	}
}

// TestCloudInTrouble: what is not the client's fault is a 5xx that may be asked again.
func TestCloudInTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.onboard(t, "client-1", "web-01", "web/01/")
	token := w.issuers["cognito"].token(t, "client-1", nil)
	for _, c := range []struct {
		name   string
		err    error
		status int
		retry  bool
	}{
		{"throttled", &smithy.GenericAPIError{Code: "Throttling", Message: "Rate exceeded"}, 503, true},
		{"unreachable", errors.New("dial tcp: connection refused"), 503, true},
		{"expired credentials of the service itself", &smithy.GenericAPIError{Code: "ExpiredToken"}, 503, true},
		{"policy refused", &smithy.GenericAPIError{Code: "MalformedPolicyDocument"}, 500, false},
	} {
		s, err := vending.New(w.settings(), vending.Dependencies{Rows: w.rows, STS: &spySTS{err: c.err}, HTTP: vending.KeyClient(w.aws.Client().Transport), Now: time.Now, Log: discardLog()})
		if err != nil {
			t.Fatal(err)
		}
		status, b, out := ask(t, s, token)
		if status != c.status || (out.Header["Retry-After"] != "") != c.retry || strings.Contains(b.Message, "connection refused") {
			t.Errorf("%s: %d %q Retry-After %q", c.name, status, b.Message, out.Header["Retry-After"])
		}
	}
	w.aws.Close()
	if status, b, _ := ask(t, w.service(t, w.settings()), token); status != 503 || b.Code != "ServiceUnavailable" {
		t.Errorf("without DynamoDB: %d %s", status, b.Code)
	}
}

func TestAuditLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.onboard(t, w.issuers["auth0"].key("client-1"), "web-01", "web/01/")
	s := w.service(t, w.settings())
	token := w.issuers["auth0"].token(t, "client-1", nil)
	_, b, _ := ask(t, s, token)
	line := lastLine(t, w.logs.String())
	for name, want := range map[string]any{
		"decision": "allow", "reason": "ok", "issuer": w.issuers["auth0"].url, "client_id": "client-1", "server": "web-01", "session": "web-01",
		"role": b.RoleARN, "request_id": "request-1", "status": 200.0, "level": "INFO",
	} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
	if _, ok := line["duration_ms"].(float64); !ok {
		t.Error("no duration_ms")
	}
	ask(t, s, w.issuers["auth0"].token(t, "client-1", map[string]any{"iss": "https://evil.example/\ninjected"}))
	if line := lastLine(t, w.logs.String()); line["decision"] != "refuse" || line["issuer"] != "" {
		t.Errorf("the audit line of an unknown issuer: %v", line)
	}
	checkNoSecrets(t, w.logs.String(), token)
	for _, secret := range []string{b.AccessKeyID, b.SecretAccessKey, b.Token} {
		if strings.Contains(w.logs.String(), secret) {
			t.Error("a credential is in the log")
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.service(t, w.settings())
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/healthz", 200}, {"HEAD", "/healthz", 200}, {"POST", "/healthz", 405},
		{"POST", "/credentials", 405}, {"GET", "/credentials/", 404}, {"GET", "/", 404}, {"GET", "//credentials", 404},
	} {
		out := s.Answer(t.Context(), vending.Request{Method: c.method, Path: c.path})
		if out.Status != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, out.Status, c.status)
		}
		if (out.Status == 405) != (out.Header["Allow"] != "") {
			t.Errorf("%s %s: Allow %q", c.method, c.path, out.Header["Allow"])
		}
	}
}
