package audit_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/audit"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// account is the roles of an account. Whatever else is called of IAM ends the test.
type account struct {
	audit.Roles
	roles   map[string]iam.Role
	deleted string // after the list has been read
}

func (a account) All(context.Context) (map[string]iam.Role, error) { return a.roles, nil }

func (a account) Look(_ context.Context, name string) (iam.Role, error) {
	if name == a.deleted {
		return iam.Role{}, &apierror.Error{Kind: apierror.NotFound}
	}
	return a.roles[name], nil
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (a account) add(name string, policies map[string]string, change func(*iam.Role)) {
	role := iam.Role{
		Name: name, ARN: "arn:aws:iam::123456789012:role/" + name, InlinePolicies: policies, Created: now.Add(-time.Hour), MaxSessionDuration: time.Hour,
		TrustPolicy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
	}
	if change != nil {
		change(&role)
	}
	a.roles[name] = role
}

// server adds the role of a server with a prefix.
func (a account) server(name, prefix string, change func(*iam.Role)) {
	p := access.Permissions{Partition: "aws", Bucket: "uploads", Prefix: prefix, Permission: access.Write}
	a.add("oidc-s3-dev-"+name, p.Policies(), func(role *iam.Role) {
		role.TrustPolicy = access.Trust{Mode: access.Plain, ProviderARN: "arn:aws:iam::123456789012:oidc-provider/tenant.example.com/",
			Audience: "https://api", Subject: name + "@clients"}.Policy()
		role.Tags = map[string]string{}
		for key, value := range map[string]string{"server": name, "environment": "dev", "phase": "ready", "identity-provider": "auth0", "client-id": name} {
			role.Tags[onboarding.TagPrefix+key] = value
		}
		if change != nil {
			change(role)
		}
	})
}

func (a account) report(t testing.TB) audit.Report {
	t.Helper()
	r, err := audit.Run(t.Context(), audit.Config{
		Project: "oidc-s3", Environment: "dev", Region: "eu-west-1", Roles: a, Ignored: []idp.Kind{idp.Auth0},
		Now: now, UnusedAfter: 90 * 24 * time.Hour, ExpiresWithin: 30 * 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newAccount() account { return account{roles: map[string]iam.Role{}} }

// TestRun_deleted: a server that is destroyed while the report is made is not in it, and neither is what its role reached.
func TestRun_deleted(t *testing.T) {
	t.Parallel()
	a := newAccount()
	a.server("web-01", "backups/web-01/", nil)
	a.server("web-02", "backups/", nil)
	a.deleted = "oidc-s3-dev-web-02"
	r := a.report(t)
	if len(r.Servers) != 1 || r.Servers[0].ID != "dev/web-01" || len(r.Findings) != 0 || len(r.Unread) != 0 {
		t.Errorf("servers %v, findings %v, unread %v", r.Servers, r.Findings, r.Unread)
	}
	if len(a.roles) != 2 {
		t.Error("the roles that others share were changed")
	}
}

// TestRun_overlaps: of servers that are nested in one another, each is named with all that it overlaps.
func TestRun_overlaps(t *testing.T) {
	t.Parallel()
	a := newAccount()
	for name, prefix := range map[string]string{"a1": "a/", "a2": "a/b/", "a3": "a/b/c/", "a4": "a/d/", "a5": "a/b/", "b1": "ab/", "b2": "b/"} {
		a.server(name, prefix, nil)
	}
	got := map[string]string{}
	for _, f := range a.report(t).Of(audit.Overlap) {
		got[f.Server] = strings.Join(f.Others, " ")
	}
	want := map[string]string{
		"dev/a1": "dev/a2 dev/a3 dev/a4 dev/a5", "dev/a2": "dev/a1 dev/a3 dev/a5", "dev/a3": "dev/a1 dev/a2 dev/a5",
		"dev/a4": "dev/a1", "dev/a5": "dev/a1 dev/a2 dev/a3",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("overlaps %v, want %v", got, want)
	}
}

// TestRun_unused says no more than IAM does, which remembers a role's use for 400 days.
func TestRun_unused(t *testing.T) {
	t.Parallel()
	ago := func(days int) time.Time { return now.Add(-time.Duration(days) * 24 * time.Hour) }
	for name, test := range map[string]struct {
		created, used time.Time
		want          string
	}{
		"new":                       {ago(89), time.Time{}, ""},
		"never used":                {ago(90), time.Time{}, "it has not been used since it was made on 2025-12-01, 90 days ago"},
		"forgotten":                 {ago(500), time.Time{}, "it has not been used since 2025-01-25, 400 days ago"},
		"used":                      {ago(500), ago(89), ""},
		"used long ago":             {ago(500), ago(100), "it was last used on 2025-11-21, 100 days ago"},
		"nobody knows when made":    {time.Time{}, time.Time{}, ""},
		"used, not known when made": {time.Time{}, ago(90), "it was last used on 2025-12-01, 90 days ago"},
	} {
		a := newAccount()
		a.server("web-01", "backups/web-01/", func(role *iam.Role) { role.Created, role.LastUsed = test.created, test.used })
		var got string
		for _, f := range a.report(t).Of(audit.Unused) {
			got += f.Message
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestRun_reach names whoever reaches a server's objects, and leaves out those whom nobody can be.
func TestRun_reach(t *testing.T) {
	t.Parallel()
	reads := func(resource string) map[string]string {
		return map[string]string{"p": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + resource + `"}]}`}
	}
	a := newAccount()
	a.server("web-01", "backups/web-01/", nil)
	a.server("web-02", "backups/web-02/", func(role *iam.Role) { role.InlinePolicies["extra"] = reads("uploads/backups/web-01/*")["p"] })
	a.add("all", reads("uploads/*"), nil)
	a.add("elsewhere", reads("others/*"), nil)
	a.add("one", reads("uploads/backups/web-0?/db/*"), nil)
	a.add("closed", reads("uploads/*"), func(role *iam.Role) { role.TrustPolicy = access.DenyAll() })
	var got []string
	for _, f := range a.report(t).Of(audit.Reach) {
		got = append(got, f.Object+" "+strings.Join(f.Others, " "))
	}
	want := []string{"role all dev/web-01 dev/web-02", "role one dev/web-01 dev/web-02", "role oidc-s3-dev-web-02 dev/web-01"}
	if !slices.Equal(got, want) {
		t.Errorf("reaches %q, want %q", got, want)
	}
}

// TestRun_edited: what somebody adds to a server's own policies is found.
func TestRun_edited(t *testing.T) {
	t.Parallel()
	document := func(text string, edit ...string) string {
		edited := strings.NewReplacer(edit...).Replace(text)
		if edited == text {
			t.Fatalf("%q is not in %s", edit[0], text)
		}
		return edited
	}
	const own = `"arn:aws:s3:::uploads/backups/web-01/*"`
	for name, test := range map[string]struct {
		edit func(*iam.Role)
		want string // a finding's beginning
	}{
		"nothing": {func(*iam.Role) {}, ""},
		"a neighbour's prefix": {func(role *iam.Role) {
			role.InlinePolicies[access.ObjectPolicy] = document(role.InlinePolicies[access.ObjectPolicy], own, "["+own+`,"arn:aws:s3:::uploads/backups/web-02/*"]`)
		}, "reach role oidc-s3-dev-web-01"},
		"all prefixes": {func(role *iam.Role) {
			role.InlinePolicies[access.ObjectPolicy] = document(role.InlinePolicies[access.ObjectPolicy], "/backups/web-01/*", "/*")
		}, "reach role oidc-s3-dev-web-01"},
		"another statement": {func(role *iam.Role) {
			role.InlinePolicies[access.ObjectPolicy] = document(role.InlinePolicies[access.ObjectPolicy], `"Statement":[`,
				`"Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::uploads/backups/web-02/*"},`)
		}, "reach role oidc-s3-dev-web-01"},
		"another principal": {func(role *iam.Role) {
			role.TrustPolicy = document(role.TrustPolicy, `"Statement":[`,
				`"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"},`)
		}, "drift role oidc-s3-dev-web-01"},
		"everybody of the tenant": {func(role *iam.Role) {
			role.TrustPolicy = document(role.TrustPolicy, `"tenant.example.com/:sub":"web-01@clients"`, `"tenant.example.com/:sub":"*"`, "StringEquals", "StringLike")
		}, "drift role oidc-s3-dev-web-01"},
		"nobody": {func(role *iam.Role) { role.TrustPolicy = access.DenyAll() }, "drift role oidc-s3-dev-web-01"},
	} {
		a := newAccount()
		a.server("web-01", "backups/web-01/", test.edit)
		a.server("web-02", "backups/web-02/", nil)
		var got []string
		for _, f := range a.report(t).Findings {
			got = append(got, string(f.Kind)+" "+f.Object+": "+f.Message)
		}
		if test.want == "" && len(got) > 0 || !slices.ContainsFunc(append(got, ""), func(f string) bool { return strings.HasPrefix(f, test.want) }) {
			t.Errorf("%s: findings %q, want %q", name, got, test.want)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	a := newAccount()
	for i := range 5000 {
		a.server(fmt.Sprintf("web-%04d", i), fmt.Sprintf("backups/web-%04d/", i), nil)
	}
	for i := range 300 {
		a.add(fmt.Sprintf("other-%03d", i), map[string]string{"p": fmt.Sprintf(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::uploads/others/%d/*"}]}`, i)}, nil)
	}
	for b.Loop() {
		a.report(b)
	}
}
