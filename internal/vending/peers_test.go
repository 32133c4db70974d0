package vending_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// botocore verifies a container endpoint with certifi's certificates and passes over AWS_CA_BUNDLE, so both clients are
// started with certifi's function replaced: a test's server has no publicly trusted certificate.
const trustCA = `import os, sys, botocore.httpsession
botocore.httpsession.where = lambda: os.environ["AWS_CA_BUNDLE"]
`

// TestAWSClients: boto3 and the AWS CLI get credentials by the two variables that every AWS SDK knows.
func TestAWSClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	row := w.onboard(t, "client-1", "web-01", "web/01/")
	s := startServer(t, w)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(w.issuers["cognito"].token(t, "client-1", nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "AWS_CONTAINER_CREDENTIALS_FULL_URI="+s.url+"/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="+file,
		"AWS_CA_BUNDLE="+s.caFile, "AWS_ENDPOINT_URL="+w.aws.URL, "AWS_REGION="+region, "AWS_DEFAULT_REGION="+region,
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true")
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		env = append(env, name+"=")
	}
	env = without(env, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
	for _, c := range []struct{ name, module, script string }{
		{"boto3", "boto3", "import boto3\nprint(boto3.client('sts').get_caller_identity()['Arn'])"},
		{"aws cli", "awscli", "import awscli.clidriver\nsys.argv = ['aws', 'sts', 'get-caller-identity', '--query', 'Arn', '--output', 'text']\nsys.exit(awscli.clidriver.main())"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := exec.Command("python3", "-c", "import "+c.module).Run(); err != nil {
				t.Skip(c.name + " is not installed")
			}
			cmd := exec.Command("python3", "-c", trustCA+c.script)
			cmd.Env = env
			out, err := cmd.CombinedOutput()
			want := "arn:aws:sts::123456789012:assumed-role/oidc-s3-dev-web-01/" + row.ServerName
			if err != nil || strings.TrimSpace(string(out)) != want {
				t.Errorf("%v: got %s, want %s", err, out, want)
			}
		})
	}
}

// without drops variables from an environment.
func without(env []string, names ...string) []string {
	var out []string
	for _, pair := range env {
		name, _, _ := strings.Cut(pair, "=")
		keep := true
		for _, drop := range names {
			keep = keep && name != drop
		}
		if keep {
			out = append(out, pair)
		}
	}
	return out
}
