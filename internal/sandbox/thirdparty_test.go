package sandbox_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
)

// shell runs a line in a shell that has sourced the sandbox's env, as a user would.
func shell(t *testing.T, dir, line string) (string, error) {
	t.Helper()
	cmd := exec.Command("sh", "-c", ". '"+filepath.Join(dir, "env")+"' && "+line)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true", "PYENV_ROOT=" + pyenv(t)}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// pyenv keeps shims working with another HOME.
func pyenv(t *testing.T) string {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Skip(err)
	}
	return filepath.Join(home, ".pyenv")
}

func installed(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed: it would be a second opinion", program)
	}
}

// TestAWSCLI has the AWS CLI talk to the sandbox, unchanged.
func TestAWSCLI(t *testing.T) {
	installed(t, "aws")
	t.Parallel()
	dir := t.TempDir()
	start(t, func(o *sandbox.Options) { o.Dir = dir })
	big := make([]byte, 64<<20)
	if _, err := rand.Read(big); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "big")
	if err := os.WriteFile(file, big, 0o600); err != nil {
		t.Fatal(err)
	}
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`
	for _, step := range []struct{ line, want string }{
		{"aws sts get-caller-identity --output text", "user/administrator"},
		{"aws iam create-role --role-name cli --assume-role-policy-document '" + trust + "'", "arn:aws:iam::123456789012:role/cli"},
		{"aws iam get-role --role-name cli --output json", `"RoleName": "cli"`},
		{"aws iam delete-role --role-name cli", ""},
		{"aws dynamodb describe-table --table-name $OIDCS3_SANDBOX_CLIENT_ROLES_TABLE --output json", `"TableStatus": "ACTIVE"`},
		{"aws cognito-idp describe-user-pool --user-pool-id $OIDCS3_SANDBOX_COGNITO_USER_POOL_ID --output json", `"Name": "oidc-s3-dev"`},
		{"aws secretsmanager create-secret --name cli --secret-string hidden --output json", `"Name": "cli"`},
		{"aws secretsmanager get-secret-value --secret-id cli --output json", `"SecretString": "hidden"`},
		{"aws ssm put-parameter --name /cli --type SecureString --value hidden --output json", `"Version": 1`},
		{"aws ssm get-parameter --name /cli --with-decryption --output json", `"Value": "hidden"`},
		{"aws s3 cp --no-progress '" + file + "' s3://$OIDCS3_SANDBOX_BUCKET/cli/big", "upload:"},
		{"aws s3 ls s3://$OIDCS3_SANDBOX_BUCKET/cli/", "67108864 big"},
		{"aws s3 cp --no-progress s3://$OIDCS3_SANDBOX_BUCKET/cli/big '" + file + ".copy'", "download:"},
		{"aws s3 rm s3://$OIDCS3_SANDBOX_BUCKET/cli/big", "delete:"},
	} {
		out, err := shell(t, dir, step.line)
		if err != nil || !strings.Contains(out, step.want) {
			t.Fatalf("%s: %v\n%s", step.line, err, out)
		}
	}
	copied, err := os.ReadFile(file + ".copy")
	if err != nil || !bytes.Equal(copied, big) {
		t.Errorf("the copy differs: %v", err)
	}
}

const boto3Script = `
import boto3, os
bucket = os.environ["OIDCS3_SANDBOX_BUCKET"]
print(boto3.client("sts").get_caller_identity()["Arn"])
iam = boto3.client("iam")
pages = iam.get_paginator("get_account_authorization_details").paginate(Filter=["Role"])
print(sum(len(p["RoleDetailList"]) for p in pages), "roles")
s3 = boto3.client("s3")
s3.put_object(Bucket=bucket, Key="boto/file", Body=b"x" * 1000, ChecksumAlgorithm="SHA256")
assert s3.get_object(Bucket=bucket, Key="boto/file", Range="bytes=10-19")["Body"].read() == b"x" * 10
assert s3.list_objects_v2(Bucket=bucket, Prefix="boto/")["KeyCount"] == 1
try:
    s3.put_object(Bucket=bucket, Key="boto/file", Body=b"y", IfNoneMatch="*")
    raise SystemExit("If-None-Match had no effect")
except s3.exceptions.ClientError as e:
    assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 412, e
s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "boto/file"}]})
print("done")
`

// TestBoto3 has boto3 talk to the sandbox, unchanged.
func TestBoto3(t *testing.T) {
	installed(t, "python3")
	if err := exec.Command("python3", "-c", "import boto3").Run(); err != nil {
		t.Skip("boto3 is not installed: it would be a second opinion")
	}
	t.Parallel()
	dir := t.TempDir()
	start(t, func(o *sandbox.Options) { o.Dir = dir })
	script := filepath.Join(dir, "script.py")
	if err := os.WriteFile(script, []byte(boto3Script), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := shell(t, dir, "python3 '"+script+"'")
	if err != nil || !strings.Contains(out, "done") {
		t.Fatalf("%v\n%s", err, out)
	}
}
