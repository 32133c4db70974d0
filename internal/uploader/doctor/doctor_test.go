package doctor_test

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/doctor"
)

var update = flag.Bool("update", false, "write the golden files")

// TestHealthy examines a server of each identity provider and level: nothing is wrong, the level is found, and what
// stays is the one object of those who may not delete.
func TestHealthy(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind  string
		level access.Permission
		azp   bool
	}{{"auth0", access.Write, false}, {"auth0", access.Full, true}, {"entra", access.ReadWrite, false}, {"entra", access.Write, true}, {"cognito", access.Full, false}} {
		name := fmt.Sprintf("well-%s-%s-%t", tc.kind, tc.level, tc.azp)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := onboard(t, tc.kind, name, tc.level, tc.azp)
			for range 2 { // nothing piles up
				found, code := h.findings()
				if code != 0 {
					t.Errorf("exit code %d", code)
				}
				for _, f := range found {
					if f.Status != doctor.OK {
						t.Errorf("%+v", f)
					}
				}
				if f := last(found, doctor.StepPermissions); f.Message != "the role grants what s3_permissions = "+string(tc.level)+" stands for" {
					t.Errorf("level: %s", f.Message)
				}
			}
			want := []string{"servers/" + name + "/.oidcs3-doctor"}
			if tc.level == access.Full {
				want = nil
			}
			if left := keys(t, name); !slices.Equal(left, want) {
				t.Errorf("what stays: %v, want %v", left, want)
			}
		})
	}
}

// last is the last finding of a step.
func last(all []doctor.Finding, step string) doctor.Finding {
	for _, f := range slices.Backward(all) {
		if f.Step == step {
			return f
		}
	}
	return doctor.Finding{}
}

// TestSick has one thing wrong at a time.
func TestSick(t *testing.T) {
	t.Parallel()
	bucket := clouds.Env()["OIDCS3_SANDBOX_BUCKET"]
	for name, tc := range map[string]struct {
		kind    string // default auth0
		azp     bool
		harm    func(*host)
		step    string // that fails first
		code    int
		message string // a part of what it says
		matches string // the same, as a pattern
		hint    string
		skipped []string // steps, among others
	}{
		"no-such-audience": {harm: func(h *host) { h.config["auth0_audience"] = "https://nobody.example.com" }, step: doctor.StepToken, code: 3,
			message: "access_denied", hint: "the client has no grant for this audience", skipped: []string{doctor.StepClaims, doctor.StepCredentials, doctor.StepNeighbour}},
		"entra-audience": {kind: "entra", harm: func(h *host) { h.config["entra_audience"] = "api://nobody" }, step: doctor.StepToken, code: 3,
			message: "invalid_resource", skipped: []string{doctor.StepClaims}},
		"cognito-scope": {kind: "cognito", harm: func(h *host) { h.config["cognito_scopes"] += " https://nobody.example.com/write" }, step: doctor.StepToken, code: 3,
			message: "invalid_scope", hint: "cognito_scopes"},
		"unknown-client": {harm: func(h *host) { h.config["auth0_client_id"] = "nobody" }, step: doctor.StepToken, code: 3, message: "refused (401)", hint: "was the secret rotated?"},
		"unknown-entra":  {kind: "entra", harm: func(h *host) { h.config["entra_client_id"] = "00000000-0000-0000-0000-000000000000" }, step: doctor.StepToken, code: 3, message: "unauthorized_client", hint: "client ID"},
		"wrong-secret":   {kind: "entra", harm: func(h *host) { h.secret = "not it" }, step: doctor.StepToken, code: 3, message: "invalid_client", hint: "was the secret rotated?"},
		"rotated-secret": {kind: "cognito", harm: func(h *host) { h.secret = "not it" }, step: doctor.StepToken, code: 3, message: "invalid_client", hint: "was the secret rotated?"},
		"closed-trust": {harm: func(h *host) { h.trust(access.DenyAll()) }, step: doctor.StepCredentials, code: 4,
			message: "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity", hint: "trust policy does not let this token in", skipped: []string{doctor.StepPut, doctor.StepPermissions, doctor.StepNeighbour}},
		"closed-vending": {kind: "cognito", harm: func(h *host) { h.trust(access.DenyAll()) }, step: doctor.StepCredentials, code: 4, message: "vending", hint: "no role is mapped", skipped: []string{doctor.StepPut}},
		"azp-plain": {azp: true, harm: plainTrust, step: doctor.StepCredentials, code: 4, message: "AccessDenied",
			hint: "which STS takes for the audience"},
		"no-such-bucket": {harm: func(h *host) { h.config["s3_bucket"] = "nobodys-bucket" }, step: doctor.StepPut, code: 5, message: "NoSuchBucket", hint: "check s3_bucket", skipped: []string{doctor.StepGet, doctor.StepNeighbour}},
		"wrong-region":   {harm: func(h *host) { h.config["aws_region"] = "us-east-2" }, step: doctor.StepPut, code: 5, message: "AuthorizationHeaderMalformed", hint: "aws_region", skipped: []string{doctor.StepGet}},
		"wrong-prefix":   {harm: func(h *host) { h.config["s3_path_prefix"] = "servers/somebody/" }, step: doctor.StepPut, code: 5, message: "AccessDenied", hint: "it takes s3:PutObject", skipped: []string{doctor.StepGet, doctor.StepMultipart}},
		"clock-behind": {harm: func(h *host) { h.now = func() time.Time { return time.Now().Add(-7 * time.Minute) } }, step: doctor.StepClock, code: 1,
			matches: `this host's clock is (6m5|7m)\ds behind that of`, hint: "NTP"},
		"clock-ahead":     {harm: func(h *host) { h.now = func() time.Time { return time.Now().Add(20 * time.Minute) } }, step: doctor.StepClock, code: 1, matches: `this host's clock is (19m5|20m)\ds ahead of that of`, hint: "NTP"},
		"closed-port":     {harm: func(h *host) { h.config["auth0_domain"] = closedPort(h.t) }, step: doctor.StepNetwork, code: 1, message: "connection refused", hint: "firewall and proxy", skipped: []string{doctor.StepToken, doctor.StepPut}},
		"other-name":      {harm: func(h *host) { h.config["auth0_domain"] = "nobody.invalid" }, step: doctor.StepNetwork, code: 1, message: "nobody.invalid", skipped: []string{doctor.StepToken}},
		"closed-vendor":   {kind: "cognito", harm: func(h *host) { h.config["credential_vending_url"] = "https://" + closedPort(h.t) }, step: doctor.StepNetwork, code: 1, message: "credential vending", skipped: []string{doctor.StepCredentials, doctor.StepPut}},
		"open-secret":     {harm: func(h *host) { h.write("client_secret", h.secret, 0o644) }, step: doctor.StepFiles, code: 2, message: "mode 0644: every user of this host may read", hint: "chmod 600"},
		"open-config-dir": {harm: func(h *host) { check(h.t, os.Chmod(h.dir, 0o777)) }, step: doctor.StepFiles, code: 2, message: "may replace it", hint: "chmod o-w"},
		"no-role":         {harm: func(h *host) { delete(h.config, "aws_role_arn") }, step: doctor.StepConfiguration, code: 2, message: "not configured: aws_role_arn", skipped: []string{doctor.StepAuthentication, doctor.StepNetwork, doctor.StepClock, doctor.StepNeighbour}},
		"empty-secret":    {harm: func(h *host) { h.secret = " " }, step: doctor.StepAuthentication, code: 2, message: "the file is empty", skipped: []string{doctor.StepNetwork}},
		"whole-bucket": {harm: func(h *host) {
			h.allow(map[string]string{"wide": grant([]string{"s3:*"}, []string{"arn:aws:s3:::" + bucket, "arn:aws:s3:::" + bucket + "/*"})})
		}, step: doctor.StepNeighbour, code: 5, message: "the role reaches beyond its prefix: granted put servers/whole-bucket-oidcs3-doctor/.oidcs3-doctor (removed again)", hint: "with the slash"},
		"no-slash": {harm: func(h *host) {
			h.allow(map[string]string{"wide": grant([]string{"s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"}, []string{"arn:aws:s3:::" + bucket + "/servers/no-slash*"})})
		}, step: doctor.StepNeighbour, code: 5, message: "granted put servers/no-slash-oidcs3-doctor/.oidcs3-doctor (48 bytes stay there: delete object", hint: "with the slash"},
		"reader": {harm: func(h *host) {
			h.allow(map[string]string{"wide": grant([]string{"s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"}, []string{"arn:aws:s3:::" + bucket + "/servers/reader/*"}),
				"read": grant([]string{"s3:GetObject", "s3:ListBucket"}, []string{"arn:aws:s3:::" + bucket, "arn:aws:s3:::" + bucket + "/*"})})
		}, step: doctor.StepNeighbour, code: 5, message: "look up servers/reader-oidcs3-doctor/.oidcs3-doctor (S3 says that it does not exist", hint: "with the slash"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := tc.kind
			if kind == "" {
				kind = "auth0"
			}
			h := onboard(t, kind, name, access.Write, tc.azp)
			right := h.secret
			tc.harm(h)
			found, code := h.findings()
			if strings.Contains(fmt.Sprint(found), right) {
				t.Error("the secret is shown")
			}
			i := slices.IndexFunc(found, func(f doctor.Finding) bool { return f.Status == doctor.Failed })
			if i < 0 {
				t.Fatalf("nothing failed, exit code %d", code)
			}
			f := found[i]
			if f.Step != tc.step || f.Code != tc.code || code != tc.code || !strings.Contains(f.Message, tc.message) ||
				!regexp.MustCompile(tc.matches).MatchString(f.Message) || !strings.Contains(f.Hint, tc.hint) {
				t.Errorf("exit code %d, %+v", code, f)
			}
			for _, step := range tc.skipped {
				if g := last(found, step); g.Status != doctor.Skipped || !strings.HasPrefix(g.Message, "because ") {
					t.Errorf("%s is not skipped: %+v", step, g)
				}
			}
			if tc.skipped == nil && last(found, doctor.StepNeighbour).Status == "" {
				t.Error("it ends early")
			}
		})
	}
}

// closedPort is a port that nobody listens on.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// plainTrust is the policy that most people write: it knows nothing of azp.
func plainTrust(h *host) {
	arn := clouds.Env()["OIDCS3_SANDBOX_AUTH0_OIDC_PROVIDER_ARN"]
	_, key, _ := strings.Cut(arn, ":oidc-provider/")
	h.trust(fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":%q},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringEquals":{"%s:aud":%q,"%s:sub":%q}}}]}`, arn, key, h.config["auth0_audience"], key, h.client+"@clients"))
}

// TestInconsistent has permissions that no level grants: a warning, no failure.
func TestInconsistent(t *testing.T) {
	t.Parallel()
	bucket := "arn:aws:s3:::" + clouds.Env()["OIDCS3_SANDBOX_BUCKET"]
	for name, tc := range map[string]struct {
		actions  []string
		warnings map[string]string // step → part of the message
	}{
		"delete-only": {[]string{"s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:DeleteObject"},
			map[string]string{doctor.StepPermissions: "granted: put, delete, abort and resume; not granted: get, list"}},
		"put-only": {[]string{"s3:PutObject"},
			map[string]string{doctor.StepMultipart: "an upload without parts stays", doctor.StepPermissions: "not granted: get, list, delete, abort and resume"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := onboard(t, "auth0", name, access.Write, false)
			h.allow(map[string]string{"own": grant(tc.actions, []string{bucket + "/servers/" + name + "/*"})})
			found, code := h.findings()
			if code != 0 {
				t.Errorf("exit code %d", code)
			}
			for step, part := range tc.warnings {
				if f := last(found, step); f.Status != doctor.Warning || !strings.Contains(f.Message, part) || f.Hint == "" {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// TestClockWarns has a clock that is not good, and still good enough.
func TestClockWarns(t *testing.T) {
	t.Parallel()
	h := onboard(t, "auth0", "slow-clock", access.Write, false)
	h.now = func() time.Time { return time.Now().Add(-90 * time.Second) }
	found, code := h.findings()
	if f := last(found, doctor.StepClock); code != 0 || f.Status != doctor.Warning || !regexp.MustCompile(`1m[23]\ds behind`).MatchString(f.Message) {
		t.Errorf("exit code %d, %+v", code, f)
	}
}

// TestGolden shows whole examinations as people see them.
func TestGolden(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kind  string
		level access.Permission
		azp   bool
		harm  func(*host)
	}{
		"healthy":      {"auth0", access.Write, false, func(*host) {}},
		"vending":      {"cognito", access.Full, false, func(*host) {}},
		"azp-plain":    {"auth0", access.Write, true, plainTrust},
		"wrong-secret": {"entra", access.Write, false, func(h *host) { h.secret = "not it" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := onboard(t, tc.kind, "golden-"+name, tc.level, tc.azp)
			tc.harm(h)
			out, code := h.examine()
			got := h.constant(out) + fmt.Sprintf("exit code %d\n", code)
			file := filepath.Join("testdata", name+".txt")
			if *update {
				check(t, os.WriteFile(file, []byte(got), 0o600))
			}
			want, err := os.ReadFile(file)
			check(t, err)
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

var changing = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}Z`), "TIME"},
	{regexp.MustCompile(`until \d{4}-\d{2}-\d{2}`), "until DATE"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "GUID"},
	{regexp.MustCompile(`\(request [^)]+\)`), "(request ID)"},
	{regexp.MustCompile(`eu-west-1_\w+`), "POOL"},
	{regexp.MustCompile(`within \d+s`), "within 1s"},
}

// constant replaces what differs from run to run.
func (h *host) constant(out string) string {
	env := clouds.Env()
	names := []string{h.dir, "DIR", env["SSL_CERT_FILE"], "CA.pem", h.client, "CLIENT", env["AUTH0_DOMAIN"], "auth0.example",
		strings.TrimPrefix(env["AWS_ENDPOINT_URL"], "https://"), "aws.example", env["OIDCS3_SANDBOX_ENTRA_LOGIN_HOST"], "login.example",
		env["OIDCS3_SANDBOX_COGNITO_DOMAIN"], "cognito.example", strings.TrimPrefix(env["OIDCS3_SANDBOX_VENDING_URL"], "https://"), "vending.example"}
	out = strings.NewReplacer(names...).Replace(out)
	for _, c := range changing {
		out = c.what.ReplaceAllString(out, c.by)
	}
	return out
}
