package provider_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

// boundaryPolicy makes a managed policy that allows some actions of S3.
func boundaryPolicy(t *testing.T, name string, actions ...string) (arn string) {
	t.Helper()
	document, err := json.Marshal(object{"Version": "2012-10-17", "Statement": []any{object{"Effect": "Allow", "Action": actions, "Resource": "*"}}})
	if err != nil {
		t.Fatal(err)
	}
	made, err := iamClient(t).CreatePolicy(t.Context(), &awsiam.CreatePolicyInput{PolicyName: &name, PolicyDocument: aws.String(string(document))})
	if err != nil {
		t.Fatal(err)
	}
	return *made.Policy.Arn
}

// TestAccServerAccess_permissionsBoundary bounds what a role may do by policies of others, which wins over its own.
func TestAccServerAccess_permissionsBoundary(t *testing.T) {
	s := server{name: "bounded", permissions: "full"}
	role := "oidc-s3-dev-" + s.name
	putOnly, all := boundaryPolicy(t, role+"-put", "s3:PutObject"), boundaryPolicy(t, role+"-all", "s3:*")
	within := func(arn string) server {
		bounded := s
		bounded.more = fmt.Sprintf("permissions_boundary = %q", arn)
		return bounded
	}
	is := func(want string) resource.TestCheckFunc {
		return checking(func() error {
			found, err := iamClient(t).GetRole(t.Context(), &awsiam.GetRoleInput{RoleName: &role})
			if err != nil {
				return err
			}
			arn := ""
			if boundary := found.Role.PermissionsBoundary; boundary != nil {
				arn = aws.ToString(boundary.PermissionsBoundaryArn)
			}
			if arn != want {
				return fmt.Errorf("the boundary is %q, not %q", arn, want)
			}
			return nil
		})
	}
	update := in(plancheck.ResourceActionUpdate)
	run(t, []string{s.name},
		resource.TestStep{Config: within(putOnly).hcl(), Check: resource.ComposeTestCheckFunc(is(putOnly), may(address, "put"))},
		resource.TestStep{Config: within(all).hcl(), ConfigPlanChecks: update, Check: resource.ComposeTestCheckFunc(is(all), may(address, "put", "get", "list", "delete"))},
		resource.TestStep{PreConfig: func() { // somebody takes it away
			if _, err := iamClient(t).DeleteRolePermissionsBoundary(t.Context(), &awsiam.DeleteRolePermissionsBoundaryInput{RoleName: &role}); err != nil {
				t.Fatal(err)
			}
		}, Config: within(all).hcl(), ConfigPlanChecks: update, Check: is(all)},
		resource.TestStep{ResourceName: address, ImportState: true, ImportStateId: role, ImportStateVerify: true, ImportStateVerifyIgnore: []string{"client_secret", "timeouts"}},
		resource.TestStep{Config: s.hcl(), ConfigPlanChecks: update, Check: resource.ComposeTestCheckFunc(is(""), may(address, "put", "get", "list", "delete"))},
	)
}

// TestAccServerAccess_kmsKey gives a server the use of the bucket's key, as its level asks for, and takes it away again.
func TestAccServerAccess_kmsKey(t *testing.T) {
	const key = "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000001"
	s := server{name: "with-key", permissions: "read-write"}
	with := s
	with.more = fmt.Sprintf("kms_key_arn = %q", key)
	names := func(want bool) resource.TestCheckFunc {
		return checking(func() error {
			found, err := iamClient(t).GetRolePolicy(t.Context(), &awsiam.GetRolePolicyInput{RoleName: aws.String("oidc-s3-dev-" + s.name), PolicyName: aws.String("s3-object-access")})
			if err != nil {
				return err
			}
			document, err := url.QueryUnescape(*found.PolicyDocument)
			if err != nil {
				return err
			}
			for _, part := range []string{key, "kms:GenerateDataKey", "kms:Decrypt"} {
				if strings.Contains(document, part) != want {
					return fmt.Errorf("that the policy names %s should be %t: %s", part, want, document)
				}
			}
			return nil
		})
	}
	update := in(plancheck.ResourceActionUpdate)
	run(t, []string{s.name},
		resource.TestStep{Config: with.hcl(), Check: resource.ComposeTestCheckFunc(names(true), may(address, "put", "get"))},
		resource.TestStep{ResourceName: address, ImportState: true, ImportStateId: s.name, ImportStateVerify: true, ImportStateVerifyIgnore: []string{"client_secret", "timeouts"}},
		resource.TestStep{Config: s.hcl(), ConfigPlanChecks: update, Check: resource.ComposeTestCheckFunc(names(false), may(address, "put", "get"))},
		resource.TestStep{Config: with.hcl(), ConfigPlanChecks: update, Check: names(true)},
	)
}

// TestAccServerAccess_timeouts: an operation that takes longer than it may ends with an error and leaves nothing half-done.
func TestAccServerAccess_timeouts(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	patience, patient := "-var=patience=2s", "-var=patience=10m"
	variables := []string{"-input=false", "-no-color", "-var=auth0=" + identityOf(w.clouds, "auth0"), `-var=servers={"late":"write"}`}
	dir := w.dir("variable \"patience\" { type = string }\n" +
		strings.Replace(callsConfiguration, "wait_for_access = var.wait", "wait_for_access = var.wait\n  timeouts = { create = var.patience, update = var.patience }", 1))
	slow := func(operation string) {
		t.Helper()
		if err := w.clouds.Edge().Faults().Add(edge.Fault{Operation: operation, Kind: edge.Slow, DelayMS: 5000, Times: 1}); err != nil {
			t.Fatal(err)
		}
	}
	fails := func(args ...string) {
		t.Helper()
		cmd := exec.Command(w.program, append(append(args, patience), variables...)...) //nolint:gosec // the CLI under test
		cmd.Dir, cmd.Env = dir, w.env
		begin := time.Now()
		out, err := cmd.CombinedOutput()
		if text := strings.Join(strings.Fields(string(out)), " "); err == nil || !strings.Contains(text, "deadline") || !strings.Contains(text, "undone: all is as it was before") {
			t.Fatalf("terraform %s after %s: %v\n%s", args[0], time.Since(begin), err, out)
		}
	}
	succeeds := func(args ...string) {
		t.Helper()
		w.terraform(dir, append(append(args, patient), variables...)...)
	}
	slow("POST /api/v2/client-grants")
	fails("apply", "-auto-approve")
	if left := w.left("late"); len(left) > 0 {
		t.Fatalf("the apply that was too late left %v", left)
	}
	succeeds("apply", "-auto-approve")
	variables[len(variables)-1] = `-var=servers={"late":"full"}`
	slow("PutRolePolicy")
	fails("apply", "-auto-approve")
	succeeds("apply", "-auto-approve")
	succeeds("plan", "-detailed-exitcode")
	succeeds("destroy", "-auto-approve")
}

// TestAccServerAccess_directReads: with bulk_reads = false, or its variable, nothing is listed, and all else is as ever.
func TestAccServerAccess_directReads(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	lists := []string{"iam GetAccountAuthorizationDetails", "iam ListRoles", "dynamodb Scan", "dynamodb BatchGetItem", "graph POST /$batch"}
	for how, configuration := range map[string]string{
		"the provider block": strings.Replace(callsConfiguration, `environment = "dev"`, "environment = \"dev\"\n  bulk_reads = false", 1), "the environment": callsConfiguration,
	} {
		own := w.with(t)
		tried := idps
		if how == "the environment" {
			own.env, tried = append(own.env, "OIDCS3_BULK_READS=false"), []string{"auth0"}
		}
		for _, idp := range tried {
			dir := own.dir(configuration)
			own.clouds.Edge().Calls().Clear()
			for _, args := range [][]string{{"apply", "-auto-approve"}, {"plan", "-detailed-exitcode"}, {"destroy", "-auto-approve"}} {
				own.terraform(dir, append(args, "-input=false", "-no-color", "-var="+idp+"="+identityOf(own.clouds, idp), `-var=servers={"one":"write","two":"full"}`)...)
			}
			count, _ := counted(own.clouds)
			for _, operation := range lists {
				if count[operation] > 0 {
					t.Errorf("%s, %s: %d × %s", how, idp, count[operation], operation)
				}
			}
			if left := own.left("one"); len(left) > 0 {
				t.Errorf("%s, %s: left are %v", how, idp, left)
			}
		}
	}
}
