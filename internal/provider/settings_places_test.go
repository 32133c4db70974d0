package provider_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
)

// TestAccPartitions makes servers in AWS's other partitions. That access works says that the policies name the partition
// too: the clouds grant nothing for another one's resources.
func TestAccPartitions(t *testing.T) {
	t.Parallel()
	another := regexp.MustCompile(`arn:aws:[^"\\ ]*`)
	for partition, region := range map[string]string{"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"} {
		t.Run(partition, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t, func(o *sandbox.Options) { o.Region = region })
			dir := w.dir(callsConfiguration)
			for _, idp := range idps {
				variables := []string{"-auto-approve", "-input=false", "-no-color", "-var=" + idp + "=" + identityOf(w.clouds, idp), `-var=servers={"abroad":"full"}`}
				if idp != "cognito" {
					variables = append(variables, "-var=wait=true") // its vending service does not run here
				}
				w.terraform(dir, append([]string{"apply"}, variables...)...)
				w.terraform(dir, append([]string{"plan", "-detailed-exitcode"}, variables[1:]...)...)
				state := string(w.terraform(dir, "show", "-json"))
				if found := another.FindString(state); found != "" {
					t.Errorf("%s: the state names %s", idp, found)
				}
				for _, want := range []string{"arn:" + partition + ":iam::123456789012:role/oidc-s3-dev-abroad", "arn:" + partition + ":s3:::oidc-s3-dev-uploads/counted/abroad/*"} {
					if !strings.Contains(state, want) {
						t.Errorf("%s: the state does not name %s", idp, want)
					}
				}
				if clouds := fmt.Sprintf("%+v", w.clouds.State(t.Context())); another.MatchString(clouds) {
					t.Errorf("%s: the clouds hold %s", idp, another.FindString(clouds))
				}
				w.terraform(dir, append([]string{"destroy"}, variables...)...)
			}
		})
	}
}

// TestAccMetadata takes credentials from a stand-in of the EC2 metadata service, and leaves it alone where that is wanted.
func TestAccMetadata(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	arn := w.instanceRole()
	var asked atomic.Int64
	metadata := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		const names = "/latest/meta-data/iam/security-credentials/"
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
			rw.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
			_, _ = fmt.Fprint(rw, "token")
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != "token":
			http.Error(rw, "no token", http.StatusUnauthorized)
		case r.URL.Path == names:
			_, _ = fmt.Fprint(rw, "instance")
		case r.URL.Path == names+"instance":
			_, _ = fmt.Fprint(rw, w.instanceCredentials(arn))
		default:
			http.NotFound(rw, r)
		}
	}))
	t.Cleanup(metadata.Close)
	w = w.without([]string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"})
	endpoint := "ec2_metadata_service_endpoint = \"" + metadata.URL + "\"\n"
	w.terraform(w.dir(listing(endpoint)), "plan", "-input=false")
	calls := w.clouds.Edge().Calls().Calls()
	if got, want := calls[len(calls)-1].Caller, "arn:aws:sts::123456789012:assumed-role/instance/i-1"; got != want {
		t.Errorf("IAM was asked by %q, not %q", got, want)
	}
	asked.Store(0)
	out, err := w.try(w.dir(listing(endpoint+"skip_metadata_api_check = true\n")), "plan", "-input=false", "-no-color")
	if err == nil || !strings.Contains(out, "No valid credential sources found") || asked.Load() > 0 {
		t.Errorf("without the metadata service, which was asked %d times: %v\n%s", asked.Load(), err, out)
	}
}

// administrator is the configuration of the workplace's administrator.
func (w *workplace) administrator() aws.Config {
	env := w.clouds.Env()
	return aws.Config{
		Region: env["AWS_REGION"], BaseEndpoint: aws.String(env["AWS_ENDPOINT_URL"]), HTTPClient: w.clouds.Client(),
		APIOptions:  awsanswer.Options(),
		Credentials: credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], ""),
	}
}

// instanceRole makes the role of an instance.
func (w *workplace) instanceRole() string {
	w.t.Helper()
	name, trust := "instance", trusts(wholeAccount, "")
	client := awsiam.NewFromConfig(w.administrator())
	made, err := client.CreateRole(w.t.Context(), &awsiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = client.PutRolePolicy(w.t.Context(), &awsiam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("reads"), PolicyDocument: aws.String(reads)})
	if err != nil {
		w.t.Fatal(err)
	}
	return *made.Role.Arn
}

// instanceCredentials are a session of the role in the metadata service's form.
func (w *workplace) instanceCredentials(role string) string {
	session, err := sts.NewFromConfig(w.administrator()).AssumeRole(w.t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("i-1")})
	if err != nil {
		w.t.Error(err)
		return ""
	}
	c := session.Credentials
	return fmt.Sprintf(`{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":%q,"SecretAccessKey":%q,"Token":%q,"Expiration":%q}`,
		*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken, c.Expiration.Format(time.RFC3339))
}
