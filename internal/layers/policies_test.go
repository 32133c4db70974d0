package layers_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/policy"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	account    = "123456789012"
	bucketARN  = "arn:aws:s3:::oidc-s3-dev-uploads"
	kmsKeyARN  = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
	administer = "arn:aws:iam::123456789012:role/platform-admin"
	tableARN   = "arn:aws:dynamodb:eu-west-1:123456789012:table/oidc-s3-dev-client-roles"
	logARN     = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/oidc-s3-vending-dev"
)

// bucketValues are the variables of modules/bucket.
func bucketValues(accessLog string, key cty.Value, administrators ...string) map[string]cty.Value {
	return map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{
		"project": cty.StringVal("oidc-s3"), "environment": cty.StringVal("dev"),
		"account_id": cty.StringVal(account), "partition": cty.StringVal("aws"),
		"bucket": cty.ObjectVal(map[string]cty.Value{
			"name": cty.NullVal(cty.String), "create": cty.True, "kms_key_arn": key,
			"administrator_arns": list(administrators...), "access_log": cty.StringVal(accessLog),
		}),
	})}
}

// vendingValues are what the vending service's policies are made of.
func vendingValues() map[string]cty.Value {
	object := func(name string, value string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{name: cty.StringVal(value)})
	}
	return map[string]cty.Value{
		"var": cty.ObjectVal(map[string]cty.Value{"project": cty.StringVal("oidc-s3"), "environment": cty.StringVal("dev")}),
		"data": cty.ObjectVal(map[string]cty.Value{
			"aws_partition":       cty.ObjectVal(map[string]cty.Value{"current": object("partition", "aws")}),
			"aws_caller_identity": cty.ObjectVal(map[string]cty.Value{"current": object("account_id", account)}),
		}),
		"aws_dynamodb_table":       cty.ObjectVal(map[string]cty.Value{"client_roles": object("arn", tableARN)}),
		"aws_cloudwatch_log_group": cty.ObjectVal(map[string]cty.Value{"vending": object("arn", logARN)}),
	}
}

// document evaluates a policy of a layer, compares it with its golden file and parses it.
func document(t *testing.T, dir, local, golden string, kind policy.Kind, values map[string]cty.Value) *policy.Document {
	t.Helper()
	text := load(t, dir).local(t, local, values)
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(text), "", "  "); err != nil {
		t.Fatalf("%s: %v", local, err)
	}
	indented.WriteByte('\n')
	file := filepath.Join("testdata", "policies", golden+".json")
	if *update {
		if err := os.WriteFile(file, indented.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, indented.Bytes()) {
		t.Errorf("%s is not as in %s; run with -update and look at the difference:\n%s", local, file, indented.Bytes())
	}
	d, err := policy.Parse(text, kind)
	if err != nil {
		t.Fatalf("%s: %v", local, err)
	}
	return d
}

// caller is a session of a role, with its prefix tag.
type caller struct{ role, prefix string }

func (c caller) request(action, resource string, more map[string][]string) policy.Request {
	role := "arn:aws:iam::" + account + ":role/" + c.role
	context := map[string][]string{"aws:PrincipalArn": {role}, "aws:SecureTransport": {"true"}}
	if c.prefix != "" {
		context["aws:PrincipalTag/S3PathPrefix"] = []string{c.prefix}
	}
	for key, values := range more {
		context[key] = values
	}
	return policy.Request{Action: action, Resource: resource, Context: context,
		Principal: policy.Principal{ARN: "arn:aws:sts::" + account + ":assumed-role/" + c.role + "/s", RoleARN: role, AccountID: account}}
}

func TestBucketPolicyOwnsPrefixes(t *testing.T) {
	t.Parallel()
	none := cty.NullVal(cty.String)
	open := document(t, "modules/bucket", "bucket_policy", "bucket", policy.Resource, bucketValues("none", none))
	closed := document(t, "modules/bucket", "bucket_policy", "bucket-administrators", policy.Resource, bucketValues("none", none, administer))

	server := caller{"oidc-s3-dev-web-1", "backups/web-1/"}
	untagged, other := caller{role: "oidc-s3-dev-web-1"}, caller{role: "reporting"}
	prod := caller{"oidc-s3-prod-web-1", "backups/web-1/"}
	key := func(key string) string { return bucketARN + "/" + key }
	prefix := func(prefix string) map[string][]string { return map[string][]string{"s3:prefix": {prefix}} }
	insecure := map[string][]string{"aws:SecureTransport": {"false"}}
	for _, test := range []struct {
		name           string
		who            caller
		action, what   string
		context        map[string][]string
		denied, closed bool // by the plain policy, and by the one with administrators
	}{
		{"own object", server, "s3:PutObject", key("backups/web-1/a"), nil, false, false},
		{"own part", server, "s3:AbortMultipartUpload", key("backups/web-1/a"), nil, false, false},
		{"own listing", server, "s3:ListBucket", bucketARN, prefix("backups/web-1/"), false, false},
		{"own listing, deeper", server, "s3:ListBucket", bucketARN, prefix("backups/web-1/2026/"), false, false},
		{"without TLS", server, "s3:PutObject", key("backups/web-1/a"), insecure, true, true},
		{"without TLS, anybody", other, "s3:ListBucket", bucketARN, insecure, true, true},
		{"neighbour", server, "s3:PutObject", key("backups/web-2/a"), nil, true, true},
		{"neighbour of the same beginning", server, "s3:GetObject", key("backups/web-10/a"), nil, true, true},
		{"parent", server, "s3:DeleteObject", key("backups/a"), nil, true, true},
		{"version of a neighbour", server, "s3:GetObjectVersion", key("backups/web-2/a"), nil, true, true},
		{"ACL of a neighbour", server, "s3:PutObjectAcl", key("backups/web-2/a"), nil, true, true},
		{"neighbour's listing", server, "s3:ListBucket", bucketARN, prefix("backups/web-2/"), true, true},
		{"listing without prefix", server, "s3:ListBucket", bucketARN, nil, true, true},
		{"everybody's uploads", server, "s3:ListBucketMultipartUploads", bucketARN, nil, true, true},
		{"role without tag", untagged, "s3:PutObject", key("backups/web-1/a"), nil, true, true},
		{"role without tag, listing", untagged, "s3:ListBucket", bucketARN, prefix("backups/web-1/"), true, true},
		{"wildcard in the tag", caller{"oidc-s3-dev-web-1", "*"}, "s3:PutObject", key("backups/web-1/a"), nil, true, true},
		{"another role", other, "s3:GetObject", key("backups/web-1/a"), nil, false, true},
		{"a server of another environment", prod, "s3:PutObject", key("backups/web-1/a"), nil, false, true},
		{"administrator", caller{role: "platform-admin"}, "s3:DeleteObject", key("backups/web-1/a"), nil, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request := test.who.request(test.action, test.what, test.context)
			for _, policy := range []struct {
				name     string
				document *policy.Document
				denied   bool
			}{{"plain", open, test.denied}, {"with administrators", closed, test.closed}} {
				got := policy.document.Evaluate(request)
				if got.Allowed || got.ExplicitDeny != policy.denied || len(got.Reasons) > 0 {
					t.Errorf("%s: %+v, want denied=%v", policy.name, got, policy.denied)
				}
			}
		})
	}
}

func TestBoundary(t *testing.T) {
	t.Parallel()
	plain := document(t, "modules/bucket", "boundary_policy", "boundary", policy.Identity, bucketValues("none", cty.NullVal(cty.String)))
	kms := document(t, "modules/bucket", "boundary_policy", "boundary-kms", policy.Identity, bucketValues("none", cty.StringVal(kmsKeyARN)))
	server := caller{"oidc-s3-dev-web-1", "backups/web-1/"}
	for _, test := range []struct {
		action, what string
		plain, kms   bool
	}{
		{"s3:PutObject", bucketARN + "/backups/web-1/a", true, true},
		{"s3:ListBucket", bucketARN, true, true},
		{"kms:GenerateDataKey", kmsKeyARN, false, true},
		{"kms:Decrypt", kmsKeyARN + "0", false, false},
		{"kms:ScheduleKeyDeletion", kmsKeyARN, false, false},
		{"s3:PutObject", bucketARN + "-access-log/x", false, false},
		{"s3:PutBucketPolicy", bucketARN, false, false},
		{"s3:PutObjectAcl", bucketARN + "/backups/web-1/a", false, false},
		{"iam:CreateUser", "arn:aws:iam::123456789012:user/x", false, false},
		{"sts:AssumeRole", "arn:aws:iam::123456789012:role/oidc-s3-dev-web-2", false, false},
	} {
		request := server.request(test.action, test.what, nil)
		if got := plain.Evaluate(request).Allowed; got != test.plain {
			t.Errorf("%s on %s: %v", test.action, test.what, got)
		}
		if got := kms.Evaluate(request).Allowed; got != test.kms {
			t.Errorf("with a key, %s on %s: %v", test.action, test.what, got)
		}
	}
}

func TestVendingRole(t *testing.T) {
	t.Parallel()
	d := document(t, "foundation/cognito", "vending_policy", "vending", policy.Identity, vendingValues())
	trust := document(t, "foundation/cognito", "vending_trust_policy", "vending-trust", policy.Trust, vendingValues())
	vending := caller{role: "oidc-s3-vending-dev"}
	role := func(name string) string { return "arn:aws:iam::" + account + ":role/" + name }
	for _, test := range []struct {
		action, what string
		allowed      bool
	}{
		{"sts:AssumeRole", role("oidc-s3-dev-web-1"), true},
		{"sts:AssumeRole", role("oidc-s3-prod-web-1"), false},
		{"sts:AssumeRole", role("oidc-s3-developers"), false},
		{"sts:AssumeRole", role("oidc-s3-vending-dev"), false}, // itself
		{"sts:AssumeRole", role("admin"), false},
		{"sts:AssumeRole", "arn:aws:iam::210987654321:role/oidc-s3-dev-web-1", false},
		{"sts:TagSession", role("oidc-s3-dev-web-1"), false},
		{"dynamodb:GetItem", tableARN, true},
		{"dynamodb:PutItem", tableARN, false},
		{"dynamodb:Scan", tableARN, false},
		{"logs:PutLogEvents", logARN + ":log-stream:x", true},
		{"logs:PutLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:other:log-stream:x", false},
		{"logs:DeleteLogGroup", logARN, false},
		{"s3:GetObject", bucketARN + "/backups/web-1/a", false},
		{"iam:PassRole", role("oidc-s3-dev-web-1"), false},
	} {
		if got := d.Evaluate(vending.request(test.action, test.what, nil)).Allowed; got != test.allowed {
			t.Errorf("%s on %s: %v", test.action, test.what, got)
		}
	}
	if got := trust.Evaluate(caller{role: "admin"}.request("sts:AssumeRole", "", nil)); got.Allowed {
		t.Error("somebody else than Lambda may become the vending service")
	}
}

// Nobody but the service that delivers logs is let in by the log bucket's policy.
func TestLogBucketPolicy(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:s3:::oidc-s3-dev-uploads-access-log"
	for _, kind := range []string{"s3", "cloudtrail"} {
		d := document(t, "modules/bucket", "log_policy", "log-"+kind, policy.Resource, bucketValues(kind, cty.NullVal(cty.String)))
		server := caller{"oidc-s3-dev-web-1", "backups/web-1/"}
		if got := d.Evaluate(server.request("s3:PutObject", arn+"/s3/x", nil)); got.Allowed {
			t.Errorf("%s: a server may write the log", kind)
		}
		if got := d.Evaluate(server.request("s3:GetObject", arn+"/s3/x", map[string][]string{"aws:SecureTransport": {"false"}})); !got.ExplicitDeny {
			t.Errorf("%s: the log is read without TLS", kind)
		}
	}
}
