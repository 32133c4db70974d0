package layers_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/zclconf/go-cty/cty"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/layers"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/programs"
)

// checkPrefixTag puts the foundation's bucket policy on the sandbox's bucket: every server still uploads, through STS and
// through credential vending, until its role's tag names another prefix.
func checkPrefixTag(t *testing.T, w *workspace, configurations map[string]map[string]string, secrets map[string]string) {
	t.Helper()
	client, err := layers.Client(w.clouds)
	if err != nil {
		t.Fatal(err)
	}
	document := load(t, "modules/bucket").local(t, "bucket_policy", bucketValues("none", cty.NullVal(cty.String)))
	bucket := w.clouds["OIDCS3_SANDBOX_BUCKET"]
	if _, err := client.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &document}); err != nil {
		t.Fatal(err)
	}
	binary := programs.For(t, programs.Upload)
	roles := iam.New(iam.Options{Region: w.clouds["AWS_REGION"], BaseEndpoint: aws.String(w.clouds["AWS_ENDPOINT_URL"]), HTTPClient: client.Options().HTTPClient,
		APIOptions:  awsanswer.Options(),
		Credentials: credentials.NewStaticCredentialsProvider(w.clouds["AWS_ACCESS_KEY_ID"], w.clouds["AWS_SECRET_ACCESS_KEY"], "")})
	for name, configuration := range configurations {
		dir := t.TempDir()
		config, err := json.Marshal(configuration)
		if err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string][]byte{"config.json": config, "secret": []byte(secrets[name]), "payload": []byte("payload")} {
			if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		upload := func() (string, error) {
			cmd := exec.CommandContext(t.Context(), binary, "upload", "--config", "config.json", "--client-secret-file", "secret", "--no-progress", "payload")
			cmd.Dir = dir
			cmd.Env = []string{"HOME=" + dir, "SSL_CERT_FILE=" + w.clouds["SSL_CERT_FILE"], "AWS_CA_BUNDLE=" + w.clouds["AWS_CA_BUNDLE"], "AWS_ENDPOINT_URL=" + w.clouds["AWS_ENDPOINT_URL"]}
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		if out, err := upload(); err != nil {
			t.Errorf("%s may not upload: %v\n%s", name, err, out)
		}
		tag := func(prefix string) {
			_, err := roles.TagRole(t.Context(), &iam.TagRoleInput{RoleName: aws.String("oidc-s3-dev-" + name),
				Tags: []types.Tag{{Key: aws.String("S3PathPrefix"), Value: aws.String(prefix)}}})
			if err != nil {
				t.Fatal(err)
			}
		}
		tag("elsewhere/")
		out, err := upload()
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 5 || !strings.Contains(out, "AccessDenied") {
			t.Errorf("%s uploads outside the prefix in its tag: %v\n%s", name, err, out)
		}
		tag(configuration["s3_path_prefix"])
	}
}
