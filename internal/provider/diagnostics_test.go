package provider

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestDiagnosticsText keeps what people read when an operation fails: what happened, what exists now, what to do next.
func TestDiagnosticsText(t *testing.T) {
	t.Parallel()
	denied := &apierror.Error{Kind: apierror.Denied, Service: "iam", Operation: "PutRolePolicy", Object: "policy s3-object-access of role oidc-s3-dev-web-01",
		Code: "AccessDenied", Message: "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: iam:PutRolePolicy", RequestID: "6f3c"}
	lost := &apierror.Error{Kind: apierror.Ambiguous, Service: "auth0", Operation: "POST /api/v2/clients", Object: "client oidc-s3-dev-web-01",
		Err: errors.New("read tcp: connection reset by peer")}
	busy := &apierror.Error{Kind: apierror.Throttled, Service: "auth0", Operation: "DELETE /api/v2/clients/{id}", Object: "client Xb2", Code: "too_many_requests",
		Message: "Global limit has been reached"}
	onboard := func(step string, err error, remains ...onboarding.Remnant) error {
		return &onboarding.Failure{Operation: "onboard dev/web-01", Step: step, Err: err, Remains: remains, NotDone: []string{step, "set trust policy of role oidc-s3-dev-web-01"}}
	}
	client := onboarding.Remnant{What: "client oidc-s3-dev-web-01", Err: busy}
	kept := onboarding.Remnant{What: "role oidc-s3-dev-web-01", Err: errors.New("closed, and kept as the record of what else is left")}
	var text strings.Builder
	for _, c := range []struct {
		name string
		err  error
	}{
		{"a step is refused, everything is undone", onboard("put policy s3-object-access of role oidc-s3-dev-web-01", denied)},
		{"a step has no answer, everything is undone", onboard("apply client oidc-s3-dev-web-01", lost)},
		{"a step is refused, and so is the undo", onboard("put policy s3-object-access of role oidc-s3-dev-web-01", denied, client, kept)},
		{"an update is refused and undone", &onboarding.Failure{Operation: "update dev/web-01", Step: "set trust policy of role oidc-s3-dev-web-01", Err: denied}},
		{"a removal stops half-way", &onboarding.Failure{Operation: "remove dev/web-01", Step: "delete client oidc-s3-dev-web-01", Err: busy, Kept: true,
			NotDone: []string{"delete client oidc-s3-dev-web-01", "delete role oidc-s3-dev-web-01"}}},
		{"a server is shut out half-way", &onboarding.Failure{Operation: "disable dev/web-01", Step: "put policy revoked-sessions of role oidc-s3-dev-web-01", Err: denied, Kept: true,
			NotDone: []string{"put policy revoked-sessions of role oidc-s3-dev-web-01"}}},
		{"a rotation has no answer, nor has its undo", &onboarding.Failure{Operation: "rotate client secret of dev/web-01", Step: "apply client secret oidc-s3-dev-web-01", Err: lost,
			Remains: []onboarding.Remnant{{What: "client secret oidc-s3-dev-web-01", Err: busy}}}},
		{"the role carries what others put there", &onboarding.Failure{Operation: "remove dev/web-01", Step: "delete role oidc-s3-dev-web-01", Kept: true,
			Err: &onboarding.Obstructed{Role: "oidc-s3-dev-web-01", By: []string{"inline policy audit"}}, NotDone: []string{"delete role oidc-s3-dev-web-01"}}},
		{"another apply has the server", onboard("create role oidc-s3-dev-web-01", &onboarding.Busy{Role: "oidc-s3-dev-web-01", Holder: "5e1f"})},
		{"another apply took it over", onboard("apply client oidc-s3-dev-web-01", &onboarding.Lost{Role: "oidc-s3-dev-web-01", Holder: "5e1f"})},
		{"the server is onboarded already", onboard("create role oidc-s3-dev-web-01",
			&onboarding.Owned{Role: "oidc-s3-dev-web-01", ImportID: "dev/web-01", Reason: "the server has been onboarded already"})},
		{"the name is another's", onboard("create role oidc-s3-dev-web-01", &onboarding.Owned{Role: "oidc-s3-dev-web-01", Reason: "it belongs to server web-01 of environment prod"})},
		{"the clouds' settings rule it out", &onboarding.Refusal{Field: onboarding.FieldProvider, Reason: "the OIDC provider does not accept the audience \"a\"",
			Advice: "Add the audience to the client ID list of the OIDC provider (client_id_list of aws_iam_openid_connect_provider)."}},
		{"a read is refused", fmt.Errorf("read role oidc-s3-dev-web-01: %w", denied)},
		{"a read has no answer", fmt.Errorf("look for the client of onboarding 5e1f: %w", lost)},
	} {
		diagnostics := diagnose("Server access was not created", c.err)
		if len(diagnostics) != 1 {
			t.Fatalf("%s: %v", c.name, diagnostics)
		}
		fmt.Fprintf(&text, "== %s\n\n%s\n\n\n", c.name, diagnostics[0].Detail())
	}
	file := filepath.Join("testdata", "diagnostics.txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("the text has changed; -update rewrites %s:\n%s", file, &text)
	}
}
