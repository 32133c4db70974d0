package iam_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	sandboxiam "github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/sigv4"
)

// open lets everybody do everything.
type open struct{}

func (open) Authenticate(*http.Request, string) (authz.Caller, sigv4.Signed, error) {
	return authz.Caller{AccountID: "123456789012", Admin: true}, sigv4.Signed{}, nil
}

func (open) Authorize(*http.Request, authz.Caller, string, string, map[string][]string, string) error {
	return nil
}

// A role's life against an IAM that checks what it is sent. Shared and direct reads must agree at every stage.
func TestRoleInTheSandbox(t *testing.T) {
	t.Parallel()
	directory := sandboxiam.NewDirectory(sandboxiam.DirectoryConfig{Now: time.Now, AccountID: "123456789012", Partition: "aws"})
	server := httptest.NewServer(sandboxiam.New(sandboxiam.Config{Directory: directory, Guard: open{}}))
	t.Cleanup(server.Close)
	ctx := t.Context()
	provider, err := directory.CreateOIDCProvider(ctx, "https://tenant.example.com/", []string{"https://api.example.com/s3"})
	if err != nil {
		t.Fatal(err)
	}
	roles := iam.New(client(server.URL))

	tags := map[string]string{"Server": "web-01", "oidcs3:phase": "pending"}
	spec := iam.RoleSpec{Name: roleName, Description: "d", TrustPolicy: access.DenyAll(), MaxSessionDuration: 2 * time.Hour, Tags: tags}
	created, err := roles.Create(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	if created.Created.IsZero() {
		t.Error("a role that was just made does not say when")
	}
	if _, err := roles.Create(ctx, spec); !apierror.Is(err, apierror.Exists) {
		t.Errorf("second create: %v", err)
	}
	trust := access.Trust{Mode: access.Plain, ProviderARN: provider, Audience: "https://api.example.com/s3", Subject: "c@clients"}.Policy()
	if err := roles.SetTrust(ctx, roleName, trust); err != nil {
		t.Fatal(err)
	}
	permissions := access.Permissions{Partition: "aws", Bucket: "company-logs", Prefix: "prod/wëb + 01/", Permission: access.Full}
	for name, doc := range permissions.Policies() {
		if err := roles.PutPolicy(ctx, roleName, name, doc); err != nil {
			t.Fatal(err)
		}
	}
	if err := roles.SetMaxSessionDuration(ctx, roleName, 3*time.Hour, "e"); err != nil {
		t.Fatal(err)
	}
	if err := roles.Tag(ctx, roleName, map[string]string{"oidcs3:phase": "ready"}); err != nil {
		t.Fatal(err)
	}
	if err := roles.Untag(ctx, roleName, []string{"Server", "never there"}); err != nil {
		t.Fatal(err)
	}

	read, err := roles.Read(ctx, roleName)
	if err != nil {
		t.Fatal(err)
	}
	looked, err := iam.New(client(server.URL)).Look(ctx, roleName)
	if err != nil {
		t.Fatal(err)
	}
	for way, role := range map[string]iam.Role{"Read": read, "Look": looked} {
		if role.ARN != created.ARN || role.TrustPolicy != trust || role.MaxSessionDuration != 3*time.Hour || role.Description != "e" ||
			!maps.Equal(role.Tags, map[string]string{"oidcs3:phase": "ready"}) || len(role.AttachedPolicies) > 0 {
			t.Errorf("%s: %+v", way, role)
		}
		if got, deviations, err := access.ParsePermissions(role.InlinePolicies); err != nil || got != permissions || len(deviations) > 0 {
			t.Errorf("%s: permissions %+v, %q, %v", way, got, deviations, err)
		}
	}

	for range 2 {
		if err := roles.AddAudience(ctx, provider, "client1"); err != nil {
			t.Error(err)
		}
	}
	if found, err := roles.OIDCProvider(ctx, provider); err != nil || found.URL != "tenant.example.com/" || !slices.Contains(found.ClientIDs, "client1") {
		t.Errorf("%+v, %v", found, err)
	}
	for range 2 {
		if err := roles.RemoveAudience(ctx, provider, "client1"); err != nil {
			t.Error(err)
		}
	}

	if err := roles.Delete(ctx, roleName); !apierror.Is(err, apierror.Conflict) {
		t.Errorf("delete with policies: %v", err)
	}
	for _, policy := range []string{access.ObjectPolicy, access.ListPolicy, access.ListPolicy} {
		if err := roles.DeletePolicy(ctx, roleName, policy); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if err := roles.Delete(ctx, roleName); err != nil {
			t.Error(err)
		}
	}
	if _, err := roles.Look(ctx, roleName); !apierror.Is(err, apierror.NotFound) {
		t.Errorf("after delete: %v", err)
	}
}
