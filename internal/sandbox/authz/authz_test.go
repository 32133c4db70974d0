package authz_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/iam"
)

const (
	account = "123456789012"
	object  = "arn:aws:s3:::b/web-01/k"
	allowS3 = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`
	getOnly = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/web-01/*"}}`
	nobody  = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}}`
	noHash  = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type world struct {
	now       time.Time
	directory *iam.Directory
	engine    *authz.Engine
}

func newWorld() *world {
	w := &world{now: start}
	clock := func() time.Time { return w.now }
	w.directory = iam.NewDirectory(iam.DirectoryConfig{Now: clock, AccountID: account, Partition: "aws"})
	w.engine = authz.New(authz.Config{Now: clock, AccountID: account, Region: "eu-west-1", Directory: w.directory})
	return w
}

// session makes a role with a policy and a session of it, and authenticates with that.
func (w *world) session(t *testing.T, name, inline string, policies ...string) authz.Caller {
	t.Helper()
	arn, err := w.directory.CreateRole(t.Context(), iam.RoleSpec{Name: name, TrustPolicy: nobody, InlinePolicies: map[string]string{"p": inline}, Tags: map[string]string{"team": "logs"}})
	if err != nil {
		t.Fatal(err)
	}
	role, _ := w.directory.Role(t.Context(), name)
	w.engine.AddSession(authz.Session{
		AccessKeyID: "ASIA" + name, Secret: "secret", Token: "token", RoleName: name, RoleARN: arn, RoleID: role.ID, Name: "s",
		ARN: "arn:aws:sts::123456789012:assumed-role/" + name + "/s", Policies: policies, Issued: w.now, Expires: w.now.Add(time.Hour),
	})
	caller, _, err := w.engine.Authenticate(w.request(t, "s3", "eu-west-1", "ASIA"+name, "secret", "token"), "s3")
	if w.now.Equal(start) && err != nil {
		t.Fatal(err)
	}
	return caller
}

func (w *world) user(t *testing.T, spec iam.UserSpec) authz.Caller {
	t.Helper()
	spec.AccessKeyID, spec.SecretAccessKey = "AKIA"+spec.Name, "secret"
	if _, err := w.directory.CreateUser(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	caller, _, err := w.engine.Authenticate(w.request(t, "s3", "eu-west-1", spec.AccessKeyID, "secret", ""), "s3")
	if err != nil {
		t.Fatal(err)
	}
	return caller
}

func (w *world) request(t *testing.T, service, region, id, secret, token string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "https://api.example/", nil)
	r.TLS = &tls.ConnectionState{}
	r.Header.Set("X-Amz-Content-Sha256", noHash)
	c := aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token}
	if err := v4.NewSigner().SignHTTP(context.Background(), c, r, noHash, service, region, w.now); err != nil {
		t.Fatal(err)
	}
	return r
}

func wantError(t *testing.T, err error, status int, code, message string) {
	t.Helper()
	var e *authz.Error
	if !errors.As(err, &e) || e.Code != code || e.Status != status || !strings.Contains(e.Message, message) {
		t.Errorf("got %v, want %d %s: %s", err, status, code, message)
	}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.user(t, iam.UserSpec{Name: "jo"})
	caller := w.session(t, "web-01", allowS3)
	if caller.ARN != "arn:aws:sts::123456789012:assumed-role/web-01/s" || caller.RoleName != "web-01" || caller.SessionName != "s" ||
		!strings.HasPrefix(caller.UserID, "AROA") || !strings.HasSuffix(caller.UserID, ":s") || caller.AccountID != account {
		t.Errorf("caller %+v", caller)
	}
	for _, test := range []struct {
		service, signed, region, id, token string
		status                             int
		code                               string
	}{
		{"s3", "s3", "eu-west-1", "ASIAweb-01", "other", 400, "InvalidToken"},
		{"s3", "s3", "eu-west-1", "ASIAweb-01", "", 403, "InvalidAccessKeyId"},
		{"s3", "s3", "eu-west-1", "AKIAjo", "token", 400, "InvalidToken"},
		{"s3", "s3", "eu-west-1", "AKIAnone", "", 403, "InvalidAccessKeyId"},
		{"s3", "s3", "us-east-1", "AKIAjo", "", 400, "AuthorizationHeaderMalformed"},
		{"iam", "iam", "us-east-1", "AKIAjo", "", 0, ""},
		{"iam", "iam", "eu-west-1", "AKIAjo", "", 0, ""},
		{"iam", "iam", "eu-west-2", "AKIAjo", "", 403, "SignatureDoesNotMatch"},
		{"iam", "sts", "us-east-1", "AKIAjo", "", 403, "SignatureDoesNotMatch"},
		{"iam", "iam", "us-east-1", "AKIAnone", "", 403, "InvalidClientTokenId"},
		{"dynamodb", "dynamodb", "eu-west-1", "AKIAnone", "", 400, "UnrecognizedClientException"},
		{"dynamodb", "dynamodb", "us-east-1", "AKIAjo", "", 400, "InvalidSignatureException"},
	} {
		_, _, err := w.engine.Authenticate(w.request(t, test.signed, test.region, test.id, "secret", test.token), test.service)
		if test.code == "" {
			if err != nil {
				t.Errorf("%+v: %v", test, err)
			}
			continue
		}
		wantError(t, err, test.status, test.code, "")
	}
	_, _, err := w.engine.Authenticate(httptest.NewRequest(http.MethodGet, "https://api.example/", nil), "s3")
	wantError(t, err, 403, "MissingAuthenticationToken", "")

	w.now = w.now.Add(time.Hour)
	_, _, err = w.engine.Authenticate(w.request(t, "s3", "eu-west-1", "ASIAweb-01", "secret", "token"), "s3")
	wantError(t, err, 400, "ExpiredToken", "The provided token has expired.")
}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	w := newWorld()
	boundary := "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
	callers := map[string]authz.Caller{
		"anonymous": {},
		"admin":     w.user(t, iam.UserSpec{Name: "admin", Admin: true}),
		"stranger":  w.user(t, iam.UserSpec{Name: "stranger"}),
		"bounded":   w.user(t, iam.UserSpec{Name: "bounded", InlinePolicies: map[string]string{"p": allowS3}, PermissionsBoundary: boundary}),
		"role":      w.session(t, "role", getOnly),
		"narrowed":  w.session(t, "narrowed", allowS3, getOnly),
		"tagged":    w.session(t, "tagged", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"logs"},"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::*:role/tagged"},"Bool":{"aws:SecureTransport":"true"},"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}}`),
		"revoked":   w.session(t, "revoked", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-03-01T12:00:01Z"}}}]}`),
		"unknown":   w.session(t, "unknown", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"true"}}}}`),
		"prefix":    w.session(t, "prefix", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b","Condition":{"StringLike":{"s3:prefix":"web-01/*"}}}}`),
	}
	bucket := func(effect, principal string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"` + effect + `","Principal":` + principal + `,"Action":"s3:*","Resource":"*"}}`
	}
	deny := bucket("Deny", `"*"`)
	for _, test := range []struct {
		caller, action, resource, policy string
		context                          map[string][]string
		refusal                          string // "" allows
	}{
		{"anonymous", "s3:GetObject", object, "", nil, "Access Denied"},
		{"anonymous", "s3:GetObject", object, bucket("Allow", `"*"`), nil, ""},
		{"anonymous", "s3:GetObject", object, bucket("Allow", `{"AWS":"123456789012"}`), nil, "Access Denied"},
		{"admin", "s3:PutObject", object, "", nil, ""},
		{"admin", "s3:PutObject", object, deny, nil, "with an explicit deny in a resource-based policy"},
		{"stranger", "s3:GetObject", object, "", nil, `User: arn:aws:iam::123456789012:user/stranger is not authorized to perform: s3:GetObject on resource: "` + object + `" because no identity-based policy allows the s3:GetObject action`},
		{"stranger", "s3:GetObject", object, bucket("Allow", `{"AWS":"arn:aws:iam::123456789012:user/stranger"}`), nil, ""},
		{"stranger", "s3:GetObject", object, bucket("Allow", `{"AWS":"arn:aws:iam::123456789012:root"}`), nil, "no identity-based policy"},
		{"stranger", "s3:GetObject", object, `{"no":"policy"}`, nil, "explicit deny in a resource-based policy"},
		{"bounded", "s3:GetObject", object, "", nil, ""},
		{"bounded", "s3:PutObject", object, "", nil, "because no permissions boundary allows the s3:PutObject action"},
		{"role", "s3:GetObject", object, "", nil, ""},
		{"role", "s3:GetObject", "arn:aws:s3:::b/web-010/k", "", nil, "no identity-based policy"},
		{"narrowed", "s3:GetObject", object, "", nil, ""},
		{"narrowed", "s3:PutObject", object, "", nil, "because no session policy allows the s3:PutObject action"},
		{"narrowed", "s3:PutObject", object, bucket("Allow", `{"AWS":"arn:aws:iam::123456789012:role/narrowed"}`), nil, "no session policy"},
		{"narrowed", "s3:PutObject", object, bucket("Allow", `{"AWS":"arn:aws:sts::123456789012:assumed-role/narrowed/s"}`), nil, ""},
		{"tagged", "s3:PutObject", object, "", nil, ""},
		{"tagged", "s3:PutObject", object, "", map[string][]string{"aws:SecureTransport": {"false"}}, ""}, // the guard knows better
		{"revoked", "s3:PutObject", object, "", nil, "explicit deny in an identity-based policy"},
		{"unknown", "s3:PutObject", object, "", nil, "aws:MultiFactorAuthPresent is not known"},
		{"prefix", "s3:ListBucket", "arn:aws:s3:::b", "", map[string][]string{"s3:prefix": {"web-01/a"}}, ""},
		{"prefix", "s3:ListBucket", "arn:aws:s3:::b", "", map[string][]string{"s3:prefix": {"web-010/"}}, "no identity-based policy"},
		{"prefix", "s3:ListBucket", "arn:aws:s3:::b", "", nil, "no identity-based policy"},
	} {
		r := httptest.NewRequest(http.MethodGet, "https://api.example/", nil)
		err := w.engine.Authorize(r, callers[test.caller], test.action, test.resource, test.context, test.policy)
		switch {
		case test.refusal == "" && err != nil:
			t.Errorf("%s %s with %s: %v", test.caller, test.action, test.policy, err)
		case test.refusal != "":
			wantError(t, err, http.StatusForbidden, "AccessDenied", test.refusal)
		}
	}
}

func TestRolePropagation(t *testing.T) {
	t.Parallel()
	w := newWorld()
	caller := w.session(t, "web-01", getOnly)
	try := func() error {
		return w.engine.Authorize(httptest.NewRequest(http.MethodGet, "https://api.example/", nil), caller, "s3:GetObject", object, nil, "")
	}
	w.engine.SetRolePropagation(10 * time.Second)
	if err := try(); err == nil {
		t.Error("a new role works before it has propagated")
	}
	w.now = w.now.Add(10 * time.Second)
	if err := try(); err != nil {
		t.Errorf("after the delay: %v", err)
	}
	w.engine.SetRolePropagation(0)
	if err := try(); err != nil {
		t.Errorf("without a delay: %v", err)
	}
}

// TestRoleMadeAnew checks that the sessions of a role die with it, whoever takes its name.
func TestRoleMadeAnew(t *testing.T) {
	t.Parallel()
	w := newWorld()
	caller := w.session(t, "web-01", allowS3)
	other := newWorld() // a directory in which another role has the name
	if _, err := other.directory.CreateRole(t.Context(), iam.RoleSpec{Name: "web-01", TrustPolicy: nobody, InlinePolicies: map[string]string{"p": allowS3}}); err != nil {
		t.Fatal(err)
	}
	session, _ := w.engine.Session(caller)
	other.engine.AddSession(session)
	_, _, err := other.engine.Authenticate(other.request(t, "s3", "eu-west-1", session.AccessKeyID, "secret", "token"), "s3")
	wantError(t, err, http.StatusForbidden, "InvalidAccessKeyId", "")
	if err := other.engine.Authorize(httptest.NewRequest(http.MethodGet, "https://api.example/", nil), caller, "s3:GetObject", object, nil, ""); err == nil {
		t.Error("a session of a role that is gone may still do what its successor may")
	}
}
