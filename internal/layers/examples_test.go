package layers_test

import (
	"os"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/policy"
)

// The policies in examples/policies that the guide of the foundation hands out: who runs which layer may do what.
func TestExamplePolicies(t *testing.T) {
	t.Parallel()
	const (
		state    = "arn:aws:s3:::oidc-s3-dev-terraform-state/oidc-s3/"
		role     = "arn:aws:iam::" + account + ":role/oidc-s3-dev-web-1"
		vending  = "arn:aws:iam::" + account + ":role/oidc-s3-vending-dev"
		boundary = "arn:aws:iam::" + account + ":policy/oidc-s3-dev-server-boundary"
	)
	with := func(arn string) map[string][]string { return map[string][]string{"iam:PermissionsBoundary": {arn}} }
	lambda := map[string][]string{"iam:PassedToService": {"lambda.amazonaws.com"}}
	for _, test := range []struct {
		file, action, what string
		context            map[string][]string
		allowed, denied    bool
	}{
		{"state", "s3:GetObject", state + "foundation-auth0.tfstate", nil, true, false},
		{"state", "s3:PutObject", state + "foundation-auth0.tfstate", nil, false, false},
		{"state", "s3:PutObject", state + "servers.tfstate", nil, true, false},
		{"state", "s3:DeleteObject", state + "servers.tfstate", nil, false, false},
		{"state", "s3:DeleteObject", state + "servers.tfstate.tflock", nil, true, false},
		{"terraform-boundary", "iam:CreateRole", role, with(boundary), false, false}, // terraform.json allows it
		{"terraform-boundary", "iam:CreateRole", role, with(boundary + "-2"), false, true},
		{"terraform-boundary", "iam:CreateRole", role, map[string][]string{"iam:PermissionsBoundary": nil}, false, true},
		{"terraform-boundary", "iam:PutRolePermissionsBoundary", role, with(boundary), true, false},
		{"terraform-boundary", "iam:PutRolePermissionsBoundary", vending, with(boundary), false, false},
		{"terraform-boundary", "iam:DeleteRolePermissionsBoundary", role, nil, false, true},
		{"terraform-boundary", "iam:CreatePolicyVersion", boundary, nil, false, true},
		{"foundation", "s3:PutBucketPolicy", bucketARN, nil, true, false},
		{"foundation", "s3:GetObject", bucketARN + "/backups/web-1/a", nil, false, false},
		{"foundation", "s3:PutObject", state + "foundation-entra.tfstate", nil, true, false},
		{"foundation", "s3:PutObject", state + "servers.tfstate", nil, false, false},
		{"foundation", "iam:CreateRole", role, nil, false, false},
		{"foundation", "iam:CreatePolicy", boundary, nil, true, false},
		{"foundation-vending", "iam:CreateRole", vending, nil, true, false},
		{"foundation-vending", "iam:CreateRole", role, nil, false, false},
		{"foundation-vending", "iam:PassRole", vending, lambda, true, false},
		{"foundation-vending", "iam:PassRole", vending, map[string][]string{"iam:PassedToService": {"ec2.amazonaws.com"}}, false, false},
		{"foundation-vending", "iam:PassRole", role, lambda, false, false},
		{"foundation-vending", "dynamodb:PutItem", tableARN, nil, false, false},
	} {
		text, err := os.ReadFile("../../examples/policies/" + test.file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		d, err := policy.Parse(string(text), policy.Identity)
		if err != nil {
			t.Fatalf("%s: %v", test.file, err)
		}
		got := d.Evaluate(caller{role: "platform"}.request(test.action, test.what, test.context))
		if got.Allowed != test.allowed || got.ExplicitDeny != test.denied {
			t.Errorf("%s: %s on %s: %+v", test.file, test.action, test.what, got)
		}
	}
}
