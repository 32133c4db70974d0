package iam_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
)

const (
	roleName = "oidc-s3-dev-web-01"
	roleARN  = "arn:aws:iam::123456789012:role/" + roleName
	oidcARN  = "arn:aws:iam::123456789012:oidc-provider/tenant.example.com/"
	document = `{"Version":"2012-10-17","Statement":[]}`
)

// fake is IAM's query API with answers by action.
type fake struct {
	mu      sync.Mutex
	calls   []string // actions, in order
	forms   []url.Values
	answers map[string]func(n int, w http.ResponseWriter, form url.Values) // n counts the action's calls from 1
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	action := form.Get("Action")
	f.mu.Lock()
	f.calls, f.forms = append(f.calls, action), append(f.forms, form)
	n := 0
	for _, c := range f.calls {
		if c == action {
			n++
		}
	}
	answer := f.answers[action]
	f.mu.Unlock()
	if answer == nil {
		ok("")(n, w, form)
		return
	}
	answer(n, w, form)
}

func (f *fake) count(action string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if c == action {
			n++
		}
	}
	return n
}

type answer = func(int, http.ResponseWriter, url.Values)

func ok(result string) answer {
	return func(_ int, w http.ResponseWriter, form url.Values) {
		action := form.Get("Action")
		_, _ = fmt.Fprintf(w, `<%[1]sResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><%[1]sResult>%[2]s</%[1]sResult><ResponseMetadata><RequestId>req-1</RequestId></ResponseMetadata></%[1]sResponse>`, action, result)
	}
}

func fail(status int, code, message string) answer {
	return func(_ int, w http.ResponseWriter, _ url.Values) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>req-2</RequestId></ErrorResponse>`, code, message)
	}
}

func reset(_ int, w http.ResponseWriter, _ url.Values) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}

// first answers the first calls in turn and the rest with the last.
func first(answers ...answer) answer {
	return func(n int, w http.ResponseWriter, form url.Values) { answers[min(n, len(answers))-1](n, w, form) }
}

// clock passes time without waiting.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.slept = c.now.Add(d), append(c.slept, d)
	return ctx.Err()
}

func start(t *testing.T, answers map[string]answer, opts ...iam.Option) (*iam.Roles, *fake, *clock) {
	t.Helper()
	f := &fake{answers: map[string]func(int, http.ResponseWriter, url.Values){}}
	for action, a := range answers {
		f.answers[action] = a
	}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	c := &clock{now: time.Unix(1_800_000_000, 0)}
	return iam.New(client(server.URL), append([]iam.Option{iam.WithClock(c)}, opts...)...), f, c
}

func client(endpoint string) *awsiam.Client {
	return awsiam.New(awsiam.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, APIOptions: awsanswer.Options(),
		Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "example", ""),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
	})
}

func TestCreateIsNeverRepeatedAfterItMayHaveHappened(t *testing.T) {
	t.Parallel()
	created := ok("<Role><Arn>" + roleARN + "</Arn></Role>")
	throttled := fail(400, "Throttling", "Rate exceeded")
	for name, c := range map[string]struct {
		answer answer
		calls  int
		kind   apierror.Kind // 0: success
		says   string
	}{
		"created":           {answer: created, calls: 1},
		"throttled, then":   {answer: first(throttled, throttled, created), calls: 3},
		"throttled for all": {answer: throttled, calls: 28, kind: apierror.Throttled},
		"500":               {answer: fail(500, "ServiceFailure", "oops"), calls: 1, kind: apierror.Ambiguous},
		"503":               {answer: fail(503, "ServiceUnavailable", "oops"), calls: 1, kind: apierror.Ambiguous},
		"502, no XML":       {answer: func(_ int, w http.ResponseWriter, _ url.Values) { w.WriteHeader(502) }, calls: 1, kind: apierror.Ambiguous},
		"reset":             {answer: reset, calls: 1, kind: apierror.Ambiguous},
		"taken":             {answer: fail(409, "EntityAlreadyExists", "it exists"), calls: 1, kind: apierror.Exists},
		"quota":             {answer: fail(409, "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000"), calls: 1, kind: apierror.Invalid, says: "as many roles as its quota allows"},
		"denied":            {answer: fail(403, "AccessDenied", "no"), calls: 1, kind: apierror.Denied},
		"bad credentials":   {answer: fail(403, "InvalidClientTokenId", "no"), calls: 1, kind: apierror.Denied},
		"expired":           {answer: fail(403, "ExpiredToken", "no"), calls: 1, kind: apierror.Denied},
		"malformed":         {answer: fail(400, "MalformedPolicyDocument", "Syntax errors in policy."), calls: 1, kind: apierror.Invalid},
		"new principal":     {answer: first(fail(400, "MalformedPolicyDocument", "Invalid principal in policy: x"), created), calls: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			roles, f, _ := start(t, map[string]answer{"CreateRole": c.answer})
			role, err := roles.Create(t.Context(), iam.RoleSpec{
				Name: roleName, TrustPolicy: document, MaxSessionDuration: time.Hour, Tags: map[string]string{"b": "2", "a": "1"},
			})
			if n := f.count("CreateRole"); n != c.calls {
				t.Errorf("%d calls, want %d", n, c.calls)
			}
			if c.kind == 0 {
				if err != nil || role.ARN != roleARN || role.TrustPolicy != document || role.MaxSessionDuration != time.Hour {
					t.Errorf("role %+v, %v", role, err)
				}
				if form := f.forms[0]; form.Get("MaxSessionDuration") != "3600" || form.Get("Tags.member.1.Key") != "a" {
					t.Errorf("sent %v", form)
				}
				return
			}
			if !apierror.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "role "+roleName) {
				t.Errorf("error %v of kind %v, want %v", err, apierror.KindOf(err), c.kind)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for _, endpoint := range []string{"http://" + address, "http://no-such-host.invalid"} {
		_, err := iam.New(client(endpoint)).Create(t.Context(), iam.RoleSpec{Name: roleName})
		if !apierror.Is(err, apierror.Unavailable) {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

func TestWritesThatMayRepeat(t *testing.T) {
	t.Parallel()
	denied := fail(403, "AccessDenied", "no")
	gone := fail(404, "NoSuchEntity", "gone")
	for name, c := range map[string]struct {
		action string
		answer answer
		call   func(context.Context, *iam.Roles) error
		kind   apierror.Kind
		calls  int
	}{
		"reset, then done":   {"PutRolePolicy", first(reset, ok("")), putPolicy, 0, 2},
		"reset, then denied": {"PutRolePolicy", first(reset, denied), putPolicy, apierror.Ambiguous, 2},
		"denied":             {"PutRolePolicy", denied, putPolicy, apierror.Denied, 1},
		"500 for all":        {"PutRolePolicy", fail(500, "ServiceFailure", "x"), putPolicy, apierror.Ambiguous, 3},
		"policy gone":        {"DeleteRolePolicy", gone, func(ctx context.Context, r *iam.Roles) error { return r.DeletePolicy(ctx, roleName, "p") }, 0, 1},
		"role gone":          {"DeleteRole", gone, func(ctx context.Context, r *iam.Roles) error { return r.Delete(ctx, roleName) }, 0, 1},
		"role in use":        {"DeleteRole", fail(409, "DeleteConflict", "x"), func(ctx context.Context, r *iam.Roles) error { return r.Delete(ctx, roleName) }, apierror.Conflict, 1},
		"tag a role that is gone": {"TagRole", gone, func(ctx context.Context, r *iam.Roles) error {
			return r.Tag(ctx, roleName, map[string]string{"a": "b"})
		}, apierror.NotFound, 1},
		"no tags":         {"TagRole", denied, func(ctx context.Context, r *iam.Roles) error { return r.Tag(ctx, roleName, nil) }, 0, 0},
		"set boundary":    {"PutRolePermissionsBoundary", ok(""), func(ctx context.Context, r *iam.Roles) error { return r.SetPermissionsBoundary(ctx, roleName, "arn:x") }, 0, 1},
		"remove boundary": {"DeleteRolePermissionsBoundary", ok(""), func(ctx context.Context, r *iam.Roles) error { return r.SetPermissionsBoundary(ctx, roleName, "") }, 0, 1},
		"audience quota":  {"AddClientIDToOpenIDConnectProvider", fail(409, "LimitExceeded", "x"), func(ctx context.Context, r *iam.Roles) error { return r.AddAudience(ctx, oidcARN, "c") }, apierror.Invalid, 1},
		"provider gone":   {"RemoveClientIDFromOpenIDConnectProvider", gone, func(ctx context.Context, r *iam.Roles) error { return r.RemoveAudience(ctx, oidcARN, "c") }, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			roles, f, _ := start(t, map[string]answer{c.action: c.answer})
			err := c.call(t.Context(), roles)
			if c.kind == 0 && err != nil || c.kind != 0 && !apierror.Is(err, c.kind) {
				t.Errorf("error %v, want kind %v", err, c.kind)
			}
			if n := f.count(c.action); n != c.calls {
				t.Errorf("%d calls, want %d", n, c.calls)
			}
		})
	}
}

func putPolicy(ctx context.Context, r *iam.Roles) error {
	return r.PutPolicy(ctx, roleName, "p", document)
}

func TestSetTrustWaitsForThePrincipal(t *testing.T) {
	t.Parallel()
	roles, f, c := start(t, map[string]answer{"UpdateAssumeRolePolicy": fail(400, "MalformedPolicyDocument", "Invalid principal in policy: x")})
	before := c.Now()
	if err := roles.SetTrust(t.Context(), roleName, document); !apierror.Is(err, apierror.Invalid) {
		t.Errorf("error %v", err)
	}
	if waited := c.Now().Sub(before); waited < 110*time.Second || waited > 2*time.Minute || f.count("UpdateAssumeRolePolicy") < 10 {
		t.Errorf("waited %s in %d calls", waited, f.count("UpdateAssumeRolePolicy"))
	}
}

// detail is a role as GetAccountAuthorizationDetails shows it.
func detail(name string) string {
	return "<member><RoleName>" + name + "</RoleName><Arn>arn:aws:iam::123456789012:role/" + name + "</Arn><AssumeRolePolicyDocument>" + escaped(document) +
		"</AssumeRolePolicyDocument><RolePolicyList><member><PolicyName>p</PolicyName><PolicyDocument>" + escaped(document) +
		"</PolicyDocument></member></RolePolicyList><Tags><member><Key>k</Key><Value>v</Value></member></Tags></member>"
}

func listed(name string) string {
	return "<member><RoleName>" + name + "</RoleName><MaxSessionDuration>7200</MaxSessionDuration><Description>d</Description></member>"
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(url.PathEscape(s)))
	return b.String()
}

// account answers with roles a and b, on a page each.
func account() map[string]answer {
	page := func(list string, one func(string) string) answer {
		return first(
			ok("<"+list+">"+one("a")+"</"+list+"><IsTruncated>true</IsTruncated><Marker>m</Marker>"),
			ok("<"+list+">"+one("b")+"</"+list+"><IsTruncated>false</IsTruncated>"))
	}
	return map[string]answer{
		"GetAccountAuthorizationDetails": page("RoleDetailList", detail),
		"ListRoles":                      page("Roles", listed),
		"GetRole": func(n int, w http.ResponseWriter, form url.Values) {
			if form.Get("RoleName") == "gone" {
				fail(404, "NoSuchEntity", "gone")(n, w, form)
				return
			}
			ok("<Role><RoleName>"+form.Get("RoleName")+"</RoleName><AssumeRolePolicyDocument>"+escaped(document)+"</AssumeRolePolicyDocument><MaxSessionDuration>3600</MaxSessionDuration></Role>")(n, w, form)
		},
		"ListRolePolicies":         ok("<PolicyNames><member>p</member></PolicyNames>"),
		"GetRolePolicy":            ok("<PolicyDocument>" + escaped(document) + "</PolicyDocument>"),
		"ListAttachedRolePolicies": ok("<AttachedPolicies><member><PolicyArn>arn:aws:iam::aws:policy/x</PolicyArn></member></AttachedPolicies>"),
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	roles, f, _ := start(t, account())
	role, err := roles.Read(t.Context(), "a")
	if err != nil || role.TrustPolicy != document || role.InlinePolicies["p"] != document || role.MaxSessionDuration != time.Hour ||
		!slices.Equal(role.AttachedPolicies, []string{"arn:aws:iam::aws:policy/x"}) {
		t.Errorf("%+v, %v", role, err)
	}
	if len(f.calls) != 4 {
		t.Errorf("calls %v", f.calls)
	}
}

func TestLookShares(t *testing.T) {
	t.Parallel()
	roles, f, _ := start(t, account())
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			name := []string{"a", "b"}[i%2]
			role, err := roles.Look(t.Context(), name)
			if err != nil || role.Name != name || role.MaxSessionDuration != 2*time.Hour || role.Description != "d" || role.Tags["k"] != "v" || role.InlinePolicies["p"] != document {
				t.Errorf("%+v, %v", role, err)
			}
			role.Tags["k"] = "changed by a caller"
		})
	}
	group.Wait()
	if len(f.calls) != 4 {
		t.Errorf("calls %v", f.calls)
	}
	if _, err := roles.Look(t.Context(), "gone"); !apierror.Is(err, apierror.NotFound) || f.count("GetRole") != 1 {
		t.Errorf("a miss is not confirmed: %v", err)
	}
	if err := roles.SetTrust(t.Context(), "a", document); err != nil {
		t.Fatal(err)
	}
	if role, err := roles.Look(t.Context(), "a"); err != nil || role.MaxSessionDuration != time.Hour {
		t.Errorf("after a write: %+v, %v", role, err)
	}
	if role, err := roles.Look(t.Context(), "b"); err != nil || role.MaxSessionDuration != 2*time.Hour || f.count("ListRoles") != 2 {
		t.Errorf("beside a write: %+v, %v", role, err)
	}
}

func TestLookWithoutLists(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"GetAccountAuthorizationDetails", "ListRoles"} {
		answers := account()
		answers[action] = fail(403, "AccessDenied", "not allowed")
		var notices []string
		roles, f, _ := start(t, answers, iam.WithNotice(func(message string) { notices = append(notices, message) }))
		for range 3 {
			if role, err := roles.Look(t.Context(), "a"); err != nil || role.MaxSessionDuration != time.Hour {
				t.Errorf("%+v, %v", role, err)
			}
		}
		if len(notices) != 1 || !strings.Contains(notices[0], "iam:ListRoles") || f.count(action) != 1 {
			t.Errorf("%s: %d calls, notices %q", action, f.count(action), notices)
		}
	}
}

func TestLookFailsAndIsTriedAgain(t *testing.T) {
	t.Parallel()
	answers := account()
	bad := fail(500, "ServiceFailure", "x")
	answers["GetAccountAuthorizationDetails"] = first(bad, bad, bad, ok("<RoleDetailList>"+detail("a")+detail("b")+"</RoleDetailList>"))
	roles, _, _ := start(t, answers)
	if _, err := roles.Look(t.Context(), "a"); !apierror.Is(err, apierror.Ambiguous) {
		t.Errorf("error %v", err)
	}
	if _, err := roles.Look(t.Context(), "a"); err != nil {
		t.Errorf("the failure was kept: %v", err)
	}
}

func TestLookOutlivesTheFirstCaller(t *testing.T) {
	t.Parallel()
	reached, open := make(chan struct{}), make(chan struct{})
	answers := account()
	next := answers["GetAccountAuthorizationDetails"]
	answers["GetAccountAuthorizationDetails"] = func(n int, w http.ResponseWriter, form url.Values) {
		if n == 1 {
			close(reached)
			<-open
		}
		next(n, w, form)
	}
	roles, f, _ := start(t, answers)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := roles.Look(ctx, "a"); !apierror.Is(err, apierror.Ambiguous) {
			t.Errorf("cancelled caller: %v", err)
		}
	})
	<-reached
	second := make(chan error)
	go func() { _, err := roles.Look(t.Context(), "b"); second <- err }()
	time.Sleep(20 * time.Millisecond) // lets the second caller join; too short only costs the test its point
	cancel()
	group.Wait()
	close(open)
	if err := <-second; err != nil || f.count("GetAccountAuthorizationDetails") != 2 {
		t.Errorf("second caller: %v, calls %v", err, f.calls)
	}
}

func TestOIDCProviderIsSharedUntilChanged(t *testing.T) {
	t.Parallel()
	roles, f, _ := start(t, map[string]answer{"GetOpenIDConnectProvider": ok("<Url>tenant.example.com/</Url><ClientIDList><member>api</member></ClientIDList>")})
	for range 3 {
		provider, err := roles.OIDCProvider(t.Context(), oidcARN)
		if err != nil || provider.URL != "tenant.example.com/" || !slices.Equal(provider.ClientIDs, []string{"api"}) {
			t.Errorf("%+v, %v", provider, err)
		}
	}
	if n := f.count("GetOpenIDConnectProvider"); n != 1 {
		t.Errorf("%d reads", n)
	}
	if err := roles.AddAudience(t.Context(), oidcARN, "c"); err != nil {
		t.Fatal(err)
	}
	if _, err := roles.OIDCProvider(t.Context(), oidcARN); err != nil || f.count("GetOpenIDConnectProvider") != 2 {
		t.Errorf("after a change: %v", err)
	}
}
