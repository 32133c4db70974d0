package iam_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/iam"
)

const (
	account  = "123456789012"
	denyAll  = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}}`
	allowGet = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/a b+c/*"}]}`
)

type world struct {
	directory *iam.Directory
	service   *iam.Service
	server    *httptest.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{directory: iam.NewDirectory(iam.DirectoryConfig{Now: time.Now, AccountID: account, Partition: "aws"})}
	engine := authz.New(authz.Config{Now: time.Now, AccountID: account, Region: "eu-west-1", Directory: w.directory})
	w.service = iam.New(iam.Config{Directory: w.directory, Guard: engine})
	w.server = httptest.NewTLSServer(w.service)
	t.Cleanup(w.server.Close)
	if _, err := w.directory.CreateUser(t.Context(), iam.UserSpec{Name: "admin", Admin: true, AccessKeyID: "AKIAADMIN", SecretAccessKey: "admin-secret"}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) as(id, secret string) *awsiam.Client {
	return awsiam.NewFromConfig(aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(w.server.URL), HTTPClient: w.server.Client(), RetryMaxAttempts: 1,
		APIOptions:  awsanswer.Options(),
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
}

func (w *world) admin() *awsiam.Client { return w.as("AKIAADMIN", "admin-secret") }

// limited is a client of a user with one inline policy statement; "" is a user without any.
func (w *world) limited(t *testing.T, name, statement string) *awsiam.Client {
	t.Helper()
	spec := iam.UserSpec{Name: name, AccessKeyID: "AKIA" + name, SecretAccessKey: name + "-secret"}
	if statement != "" {
		spec.InlinePolicies = map[string]string{"p": `{"Version":"2012-10-17","Statement":` + statement + `}`}
	}
	if _, err := w.directory.CreateUser(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	return w.as(spec.AccessKeyID, spec.SecretAccessKey)
}

func wantError(t *testing.T, err error, status int, code, message string) {
	t.Helper()
	var api smithy.APIError
	var response *smithyhttp.ResponseError
	if !errors.As(err, &api) || !errors.As(err, &response) {
		t.Fatalf("got %v, want %s", err, code)
	}
	if api.ErrorCode() != code || response.HTTPStatusCode() != status || !strings.Contains(api.ErrorMessage(), message) {
		t.Fatalf("got %d %s: %s; want %d %s: %s", response.HTTPStatusCode(), api.ErrorCode(), api.ErrorMessage(), status, code, message)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func createRole(name, trust string) *awsiam.CreateRoleInput {
	return &awsiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}
}

func TestRoleLifecycle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, client := t.Context(), w.admin()
	name := aws.String("oidc-s3-dev-web-01")
	in := createRole(*name, denyAll)
	in.Description, in.MaxSessionDuration = aws.String("one <server> & more"), aws.Int32(7200)
	in.Tags = []types.Tag{{Key: aws.String("phase"), Value: aws.String("pending")}, {Key: aws.String("empty"), Value: aws.String("")}}
	role := must[*awsiam.CreateRoleOutput](t)(client.CreateRole(ctx, in)).Role
	if aws.ToString(role.Arn) != "arn:aws:iam::123456789012:role/oidc-s3-dev-web-01" || !strings.HasPrefix(*role.RoleId, "AROA") || len(*role.RoleId) != 21 {
		t.Errorf("role %+v", role)
	}
	must[*awsiam.PutRolePolicyOutput](t)(client.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("s3"), PolicyDocument: aws.String(allowGet)}))
	must[*awsiam.AttachRolePolicyOutput](t)(client.AttachRolePolicy(ctx, &awsiam.AttachRolePolicyInput{RoleName: name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")}))
	must[*awsiam.UpdateRoleOutput](t)(client.UpdateRole(ctx, &awsiam.UpdateRoleInput{RoleName: name, MaxSessionDuration: aws.Int32(3600)}))
	must[*awsiam.TagRoleOutput](t)(client.TagRole(ctx, &awsiam.TagRoleInput{RoleName: name, Tags: []types.Tag{{Key: aws.String("phase"), Value: aws.String("ready")}}}))
	must[*awsiam.UntagRoleOutput](t)(client.UntagRole(ctx, &awsiam.UntagRoleInput{RoleName: name, TagKeys: []string{"empty"}}))

	got := must[*awsiam.GetRoleOutput](t)(client.GetRole(ctx, &awsiam.GetRoleInput{RoleName: name})).Role
	if aws.ToString(got.Description) != "one <server> & more" || aws.ToInt32(got.MaxSessionDuration) != 3600 || len(got.Tags) != 1 || *got.Tags[0].Value != "ready" {
		t.Errorf("role %+v", got)
	}
	if trust := must[string](t)(url.PathUnescape(*got.AssumeRolePolicyDocument)); trust != denyAll {
		t.Errorf("trust policy %s", trust)
	}
	inline := must[*awsiam.GetRolePolicyOutput](t)(client.GetRolePolicy(ctx, &awsiam.GetRolePolicyInput{RoleName: name, PolicyName: aws.String("s3")}))
	if document := must[string](t)(url.QueryUnescape(*inline.PolicyDocument)); document != allowGet {
		t.Errorf("inline policy %s", document)
	}
	if names := must[*awsiam.ListRolePoliciesOutput](t)(client.ListRolePolicies(ctx, &awsiam.ListRolePoliciesInput{RoleName: name})).PolicyNames; len(names) != 1 || names[0] != "s3" {
		t.Errorf("inline policies %v", names)
	}
	attached := must[*awsiam.ListAttachedRolePoliciesOutput](t)(client.ListAttachedRolePolicies(ctx, &awsiam.ListAttachedRolePoliciesInput{RoleName: name})).AttachedPolicies
	if len(attached) != 1 || *attached[0].PolicyName != "AmazonS3ReadOnlyAccess" {
		t.Errorf("attached %v", attached)
	}
	must[*awsiam.ListInstanceProfilesForRoleOutput](t)(client.ListInstanceProfilesForRole(ctx, &awsiam.ListInstanceProfilesForRoleInput{RoleName: name}))

	_, err := client.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: name})
	wantError(t, err, 409, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
	must[*awsiam.DetachRolePolicyOutput](t)(client.DetachRolePolicy(ctx, &awsiam.DetachRolePolicyInput{RoleName: name, PolicyArn: attached[0].PolicyArn}))
	_, err = client.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: name})
	wantError(t, err, 409, "DeleteConflict", "Cannot delete entity, must delete policies first.")
	must[*awsiam.DeleteRolePolicyOutput](t)(client.DeleteRolePolicy(ctx, &awsiam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String("s3")}))
	must[*awsiam.DeleteRoleOutput](t)(client.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: name}))
	_, err = client.GetRole(ctx, &awsiam.GetRoleInput{RoleName: name})
	wantError(t, err, 404, "NoSuchEntity", "The role with name oidc-s3-dev-web-01 cannot be found.")
}

func TestRoleRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.directory.SetRoleQuota(2)
	ctx, client := t.Context(), w.admin()
	must[*awsiam.CreateRoleOutput](t)(client.CreateRole(ctx, createRole("taken", denyAll)))
	trust := func(principal string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":` + principal + `,"Action":"sts:AssumeRole"}}`
	}
	many := make([]types.Tag, 51)
	for i := range many {
		many[i] = types.Tag{Key: aws.String(fmt.Sprint("k", i)), Value: aws.String("v")}
	}
	for _, test := range []struct {
		name          string
		in            *awsiam.CreateRoleInput
		status        int
		code, message string
	}{
		{"taken", createRole("taken", denyAll), 409, "EntityAlreadyExists", "Role with name taken already exists."},
		{"taken but for case", createRole("TAKEN", denyAll), 409, "EntityAlreadyExists", "already exists"},
		{"long name", createRole(strings.Repeat("a", 65), denyAll), 400, "ValidationError", "less than or equal to 64"},
		{"bad name", createRole("a b", denyAll), 400, "ValidationError", "roleName is invalid"},
		{"no JSON", createRole("r", "{"), 400, "MalformedPolicyDocument", "invalid Json"},
		{"unknown element", createRole("r", `{"Version":"2012-10-17","Rules":[]}`), 400, "MalformedPolicyDocument", "Unknown field Rules"},
		{"long trust", createRole("r", strings.Replace(denyAll, "Statement", "Id\":\""+strings.Repeat("x", 2048)+"\",\"Statement", 1)), 409, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048"},
		{"unknown role", createRole("r", trust(`{"AWS":"arn:aws:iam::123456789012:role/nobody"}`)), 400, "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/nobody"`},
		{"unknown user", createRole("r", trust(`{"AWS":["123456789012","arn:aws:iam::123456789012:user/nobody"]}`)), 400, "MalformedPolicyDocument", "Invalid principal in policy"},
		{"wildcard in a principal", createRole("r", trust(`{"AWS":"arn:aws:iam::123456789012:role/*"}`)), 400, "MalformedPolicyDocument", "Invalid principal in policy"},
		{"unknown provider", createRole("r", trust(`{"Federated":"arn:aws:iam::123456789012:oidc-provider/idp.example"}`)), 400, "MalformedPolicyDocument", "Invalid principal in policy"},
		{"bad service", createRole("r", trust(`{"Service":"lambda"}`)), 400, "MalformedPolicyDocument", "Invalid principal in policy"},
		{"short session", &awsiam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(denyAll), MaxSessionDuration: aws.Int32(3599)}, 400, "ValidationError", "greater than or equal to 3600"},
		{"long session", &awsiam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(denyAll), MaxSessionDuration: aws.Int32(43201)}, 400, "ValidationError", "less than or equal to 43200"},
		{"too many tags", &awsiam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(denyAll), Tags: many}, 409, "LimitExceeded", "50"},
		{"tags differ by case", &awsiam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(denyAll), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("")}, {Key: aws.String("A"), Value: aws.String("")}}}, 400, "InvalidInput", "Duplicate tag keys"},
		{"unknown boundary", &awsiam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(denyAll), PermissionsBoundary: aws.String("arn:aws:iam::123456789012:policy/none")}, 404, "NoSuchEntity", "does not exist or is not attachable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := client.CreateRole(ctx, test.in)
			wantError(t, err, test.status, test.code, test.message)
		})
	}
	must[*awsiam.CreateRoleOutput](t)(client.CreateRole(ctx, createRole("second", denyAll)))
	_, err := client.CreateRole(ctx, createRole("third", denyAll))
	wantError(t, err, 409, "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 2")

	long := strings.Replace(allowGet, "arn:aws:s3:::b", "arn:aws:s3:::b"+strings.Repeat("x", 5200), 1)
	must[*awsiam.PutRolePolicyOutput](t)(client.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: aws.String("second"), PolicyName: aws.String("one"), PolicyDocument: &long}))
	must[*awsiam.PutRolePolicyOutput](t)(client.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: aws.String("second"), PolicyName: aws.String("one"), PolicyDocument: &long}))
	_, err = client.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: aws.String("second"), PolicyName: aws.String("two"), PolicyDocument: &long})
	wantError(t, err, 409, "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role second")
}

// TestDeletedPrincipal reads a trust policy whose principal is gone, and made anew.
func TestDeletedPrincipal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, client := t.Context(), w.admin()
	caller := must[*awsiam.CreateRoleOutput](t)(client.CreateRole(ctx, createRole("caller", denyAll))).Role
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["` + *caller.Arn + `","123456789012"]},"Action":"sts:AssumeRole"}]}`
	must[*awsiam.CreateRoleOutput](t)(client.CreateRole(ctx, createRole("target", trust)))
	read := func() string {
		role := must[*awsiam.GetRoleOutput](t)(client.GetRole(ctx, &awsiam.GetRoleInput{RoleName: aws.String("target")})).Role
		return must[string](t)(url.QueryUnescape(*role.AssumeRolePolicyDocument))
	}
	if got := read(); got != trust {
		t.Errorf("before: %s", got)
	}
	must[*awsiam.DeleteRoleOutput](t)(client.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: aws.String("caller")}))
	for _, when := range []string{"deleted", "made anew"} {
		if got := read(); strings.Contains(got, *caller.Arn) || !strings.Contains(got, `"`+*caller.RoleId+`"`) || !strings.Contains(got, "123456789012") {
			t.Errorf("%s: %s", when, got)
		}
		if when == "deleted" {
			must[*awsiam.CreateRoleOutput](t)(client.CreateRole(ctx, createRole("caller", denyAll)))
		}
	}
	must[*awsiam.UpdateAssumeRolePolicyOutput](t)(client.UpdateAssumeRolePolicy(ctx, &awsiam.UpdateAssumeRolePolicyInput{RoleName: aws.String("target"), PolicyDocument: &trust}))
	if got := read(); got != trust {
		t.Errorf("written again: %s", got)
	}
}

func TestOIDCProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, client := t.Context(), w.admin()
	out := must[*awsiam.CreateOpenIDConnectProviderOutput](t)(client.CreateOpenIDConnectProvider(ctx, &awsiam.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://127.0.0.1:8443/"), ClientIDList: []string{"api"}, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
	}))
	arn := out.OpenIDConnectProviderArn
	if *arn != "arn:aws:iam::123456789012:oidc-provider/127.0.0.1:8443/" {
		t.Errorf("arn %s", *arn)
	}
	_, err := client.CreateOpenIDConnectProvider(ctx, &awsiam.CreateOpenIDConnectProviderInput{Url: aws.String("https://127.0.0.1:8443/")})
	wantError(t, err, 409, "EntityAlreadyExists", "Provider with url https://127.0.0.1:8443/ already exists.")
	_, err = client.CreateOpenIDConnectProvider(ctx, &awsiam.CreateOpenIDConnectProviderInput{Url: aws.String("http://idp.example")})
	wantError(t, err, 400, "InvalidInput", "Invalid Open ID Connect Provider URL")
	for i := range 99 {
		must[*awsiam.AddClientIDToOpenIDConnectProviderOutput](t)(client.AddClientIDToOpenIDConnectProvider(ctx, &awsiam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String(fmt.Sprint("c", i))}))
	}
	// one that is there already does not count
	must[*awsiam.AddClientIDToOpenIDConnectProviderOutput](t)(client.AddClientIDToOpenIDConnectProvider(ctx, &awsiam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("c1")}))
	_, err = client.AddClientIDToOpenIDConnectProvider(ctx, &awsiam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("c100")})
	wantError(t, err, 409, "LimitExceeded", "100")
	must[*awsiam.RemoveClientIDFromOpenIDConnectProviderOutput](t)(client.RemoveClientIDFromOpenIDConnectProvider(ctx, &awsiam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("c1")}))
	got := must[*awsiam.GetOpenIDConnectProviderOutput](t)(client.GetOpenIDConnectProvider(ctx, &awsiam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))
	if *got.Url != "127.0.0.1:8443/" || len(got.ClientIDList) != 99 || len(got.Tags) != 1 {
		t.Errorf("provider %s with %d client ids", *got.Url, len(got.ClientIDList))
	}
	must[*awsiam.DeleteOpenIDConnectProviderOutput](t)(client.DeleteOpenIDConnectProvider(ctx, &awsiam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))
	_, err = client.GetOpenIDConnectProvider(ctx, &awsiam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn})
	wantError(t, err, 404, "NoSuchEntity", "OpenIDConnect Provider not found for arn")
}

func TestAccountDetails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, client := t.Context(), w.admin()
	for i := range 25 {
		if _, err := w.directory.CreateRole(ctx, iam.RoleSpec{
			Name: fmt.Sprintf("role-%02d", i), TrustPolicy: denyAll, Tags: map[string]string{"n": fmt.Sprint(i)}, InlinePolicies: map[string]string{"s3": allowGet},
		}); err != nil {
			t.Fatal(err)
		}
	}
	pages, seen := 0, map[string]bool{}
	pager := awsiam.NewGetAccountAuthorizationDetailsPaginator(client, &awsiam.GetAccountAuthorizationDetailsInput{
		Filter: []types.EntityType{types.EntityTypeRole}, MaxItems: aws.Int32(10),
	})
	for pager.HasMorePages() {
		out := must[*awsiam.GetAccountAuthorizationDetailsOutput](t)(pager.NextPage(ctx))
		pages++
		if len(out.UserDetailList)+len(out.Policies) > 0 {
			t.Error("the filter let others through")
		}
		for _, role := range out.RoleDetailList {
			seen[*role.RoleName] = true
			if must[string](t)(url.PathUnescape(*role.AssumeRolePolicyDocument)) != denyAll || len(role.Tags) != 1 || len(role.RolePolicyList) != 1 ||
				must[string](t)(url.PathUnescape(*role.RolePolicyList[0].PolicyDocument)) != allowGet {
				t.Errorf("role %s: %+v", *role.RoleName, role)
			}
		}
	}
	if pages != 3 || len(seen) != 25 {
		t.Errorf("%d roles on %d pages", len(seen), pages)
	}
	if all := must[*awsiam.ListRolesOutput](t)(client.ListRoles(ctx, nil)).Roles; len(all) != 25 {
		t.Errorf("ListRoles: %d", len(all))
	}
}

// TestEveryActionIsGuarded calls each action as a user who may do nothing.
func TestEveryActionIsGuarded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.limited(t, "NOBODY", "")
	for _, action := range w.service.Actions() {
		form := url.Values{
			"Action": {action}, "Version": {"2010-05-08"}, "RoleName": {"r"}, "UserName": {"u"}, "PolicyName": {"p"}, "PolicyArn": {"arn:aws:iam::123456789012:policy/p"},
			"OpenIDConnectProviderArn": {"arn:aws:iam::123456789012:oidc-provider/idp.example"}, "Url": {"https://idp.example"},
		}.Encode()
		status, body := w.post(t, aws.Credentials{AccessKeyID: "AKIANOBODY", SecretAccessKey: "NOBODY-secret"}, form)
		var answer struct {
			Error     struct{ Type, Code, Message string }
			RequestID string `xml:"RequestId"`
		}
		if err := xml.Unmarshal(body, &answer); err != nil {
			t.Fatalf("%s: %v", action, err)
		}
		if status != 403 || answer.Error.Code != "AccessDenied" || answer.Error.Type != "Sender" || answer.RequestID == "" ||
			!strings.Contains(answer.Error.Message, "because no identity-based policy allows the iam:"+action+" action") {
			t.Errorf("%s: %d %+v", action, status, answer)
		}
	}
	status, body := w.post(t, aws.Credentials{AccessKeyID: "AKIAADMIN", SecretAccessKey: "admin-secret"}, "Action=Nothing&Version=2010-05-08")
	if status != 400 || !strings.Contains(string(body), "<Code>InvalidAction</Code>") {
		t.Errorf("unknown action: %d %s", status, body)
	}
}

func (w *world) post(t *testing.T, c aws.Credentials, form string) (int, []byte) {
	t.Helper()
	r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL, strings.NewReader(form)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sum := sha256.Sum256([]byte(form))
	if err := v4.NewSigner().SignHTTP(t.Context(), c, r, hex.EncodeToString(sum[:]), "iam", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	resp := must[*http.Response](t)(w.server.Client().Do(r))
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode, must[[]byte](t)(io.ReadAll(resp.Body))
}

// TestLeastPrivilege tries the condition keys by which a platform team limits who makes roles.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	boundary := must[*awsiam.CreatePolicyOutput](t)(w.admin().CreatePolicy(ctx, &awsiam.CreatePolicyInput{PolicyName: aws.String("edge"), PolicyDocument: aws.String(allowGet)})).Policy.Arn
	bounded := w.limited(t, "BOUNDED", `[{"Effect":"Allow","Action":["iam:CreateRole","iam:PutRolePolicy"],"Resource":"arn:aws:iam::123456789012:role/oidc-s3-*","Condition":{"StringEquals":{"iam:PermissionsBoundary":"`+*boundary+`"}}}]`)
	_, err := bounded.CreateRole(ctx, createRole("oidc-s3-a", denyAll))
	wantError(t, err, 403, "AccessDenied", "User: arn:aws:iam::123456789012:user/BOUNDED is not authorized to perform: iam:CreateRole on resource: arn:aws:iam::123456789012:role/oidc-s3-a because no identity-based policy allows the iam:CreateRole action")
	in := createRole("oidc-s3-a", denyAll)
	in.PermissionsBoundary = boundary
	must[*awsiam.CreateRoleOutput](t)(bounded.CreateRole(ctx, in))
	put := &awsiam.PutRolePolicyInput{RoleName: aws.String("oidc-s3-a"), PolicyName: aws.String("p"), PolicyDocument: aws.String(allowGet)}
	must[*awsiam.PutRolePolicyOutput](t)(bounded.PutRolePolicy(ctx, put))
	must[*awsiam.DeleteRolePermissionsBoundaryOutput](t)(w.admin().DeleteRolePermissionsBoundary(ctx, &awsiam.DeleteRolePermissionsBoundaryInput{RoleName: put.RoleName}))
	_, err = bounded.PutRolePolicy(ctx, put)
	wantError(t, err, 403, "AccessDenied", "iam:PutRolePolicy")

	tagger := w.limited(t, "TAGGER", `[{"Effect":"Allow","Action":"iam:CreateRole","Resource":"*"},{"Effect":"Allow","Action":"iam:TagRole","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"logs"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}},{"Effect":"Allow","Action":"iam:DeleteRole","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"logs"}}}]`)
	tagged := createRole("tagged", denyAll)
	tagged.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("other")}}
	_, err = tagger.CreateRole(ctx, tagged)
	wantError(t, err, 403, "AccessDenied", "iam:TagRole")
	tagged.Tags[0].Value = aws.String("logs")
	must[*awsiam.CreateRoleOutput](t)(tagger.CreateRole(ctx, tagged))
	must[*awsiam.CreateRoleOutput](t)(tagger.CreateRole(ctx, createRole("untagged", denyAll)))
	_, err = tagger.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: aws.String("untagged")})
	wantError(t, err, 403, "AccessDenied", "iam:DeleteRole")
	must[*awsiam.DeleteRoleOutput](t)(tagger.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: aws.String("tagged")}))
}

func TestUsersAndKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, client := t.Context(), w.admin()
	must[*awsiam.CreateUserOutput](t)(client.CreateUser(ctx, &awsiam.CreateUserInput{UserName: aws.String("jo")}))
	key := must[*awsiam.CreateAccessKeyOutput](t)(client.CreateAccessKey(ctx, &awsiam.CreateAccessKeyInput{UserName: aws.String("jo")})).AccessKey
	must[*awsiam.PutUserPolicyOutput](t)(client.PutUserPolicy(ctx, &awsiam.PutUserPolicyInput{UserName: aws.String("jo"), PolicyName: aws.String("self"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::*:user/${aws:username}"}}`)}))
	jo := w.as(*key.AccessKeyId, *key.SecretAccessKey)
	if me := must[*awsiam.GetUserOutput](t)(jo.GetUser(ctx, nil)).User; *me.UserName != "jo" {
		t.Errorf("user %s", *me.UserName)
	}
	_, err := jo.GetUser(ctx, &awsiam.GetUserInput{UserName: aws.String("admin")})
	wantError(t, err, 403, "AccessDenied", "iam:GetUser")
	_, err = client.DeleteUser(ctx, &awsiam.DeleteUserInput{UserName: aws.String("jo")})
	wantError(t, err, 409, "DeleteConflict", "policies")
	must[*awsiam.DeleteUserPolicyOutput](t)(client.DeleteUserPolicy(ctx, &awsiam.DeleteUserPolicyInput{UserName: aws.String("jo"), PolicyName: aws.String("self")}))
	_, err = client.DeleteUser(ctx, &awsiam.DeleteUserInput{UserName: aws.String("jo")})
	wantError(t, err, 409, "DeleteConflict", "access keys")
	must[*awsiam.DeleteAccessKeyOutput](t)(client.DeleteAccessKey(ctx, &awsiam.DeleteAccessKeyInput{UserName: aws.String("jo"), AccessKeyId: key.AccessKeyId}))
	_, err = jo.GetUser(ctx, nil)
	wantError(t, err, 403, "InvalidClientTokenId", "The security token included in the request is invalid.")
	must[*awsiam.DeleteUserOutput](t)(client.DeleteUser(ctx, &awsiam.DeleteUserInput{UserName: aws.String("jo")}))
	_, err = w.as("AKIAADMIN", "wrong").GetUser(ctx, nil)
	wantError(t, err, 403, "SignatureDoesNotMatch", "")
}

func TestStateHasNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must[*awsiam.CreateRoleOutput](t)(w.admin().CreateRole(t.Context(), createRole("r", denyAll)))
	dump, err := json.Marshal(w.directory.State(context.Background()))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(dump), "admin-secret") || !strings.Contains(string(dump), `"name":"r"`) {
		t.Errorf("state %s", dump)
	}
}
