package cli_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/audit/cli"
)

// auth0Scopes are those that the guide names.
var auth0Scopes = []string{"read:clients", "read:client_grants", "read:resource_servers", "read:client_credentials"}

// limited is the world of somebody with the published policies, the scopes and one app role of Graph, and nothing else.
func (w *world) limited(t *testing.T, user string, policies map[string]string, scopes []string) *world {
	t.Helper()
	w.check(w.iam.CreateUser(t.Context(), &awsiam.CreateUserInput{UserName: &user}))
	for name, text := range policies {
		w.check(w.iam.PutUserPolicy(t.Context(), &awsiam.PutUserPolicyInput{UserName: &user, PolicyName: &name, PolicyDocument: &text}))
	}
	key, err := w.iam.CreateAccessKey(t.Context(), &awsiam.CreateAccessKeyInput{UserName: &user})
	if err != nil {
		t.Fatal(err)
	}
	token, err := w.sandbox.Auth0().ManagementToken(t.Context(), scopes, 3600)
	if err != nil {
		t.Fatal(err)
	}
	client, secret, err := w.sandbox.Entra().AddManagementClient(user, "Application.Read.All")
	if err != nil {
		t.Fatal(err)
	}
	part := w.with(t)
	part.env = maps.Clone(w.env)
	maps.Copy(part.env, map[string]string{
		"AWS_ACCESS_KEY_ID": aws.ToString(key.AccessKey.AccessKeyId), "AWS_SECRET_ACCESS_KEY": aws.ToString(key.AccessKey.SecretAccessKey),
		"AUTH0_API_TOKEN": token, "ARM_CLIENT_ID": client.AppID, "ARM_CLIENT_SECRET": secret,
	})
	return part
}

// published are the policies of the guide, by name.
func published(t *testing.T) map[string]string {
	t.Helper()
	policies := map[string]string{}
	for _, name := range []string{"access-report", "access-report-vending"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", "policies", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		policies[name] = string(text)
	}
	return policies
}

// rarely are the permissions that only a role or a row takes that appears while the lists are read.
var rarely = []string{
	"iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "dynamodb:GetItem",
}

// TestLeastPrivilege: what the guide names is enough, and each part of it is needed.
func TestLeastPrivilege(t *testing.T) {
	w := newWorld(t)
	w.clean()
	w.attach("restore", grants("s3:GetObject", "elsewhere/*"))
	part := w.limited(t, "auditor", published(t), auth0Scopes)
	w.sandbox.Edge().Calls().Clear()
	if code, stdout, stderr := part.run(tomorrow(), nil, "--environment", "dev"); code != cli.Clean || stderr != "" {
		t.Fatalf("exit code %d: %s\n%s", code, stderr, stdout)
	}
	t.Run("policies", func(t *testing.T) { w.everyPermission(t) })
	t.Run("scopes", func(t *testing.T) {
		for _, scope := range auth0Scopes {
			rest := slices.DeleteFunc(slices.Clone(auth0Scopes), func(s string) bool { return s == scope })
			part := w.limited(t, "without-"+strings.ReplaceAll(scope, ":", "-"), published(t), rest)
			if code, _, stderr := part.run(tomorrow(), nil, "--environment", "dev"); code != cli.Unread || !strings.Contains(stderr, scope) {
				t.Errorf("without %s: exit code %d: %s", scope, code, stderr)
			}
		}
	})
}

// everyPermission compares the policies with the calls of the run.
func (w *world) everyPermission(t *testing.T) {
	services := map[string]string{"iam": "iam", "dynamodb": "dynamodb", "cognito": "cognito-idp"}
	called := map[string]bool{}
	for _, call := range w.sandbox.Edge().Calls().Calls() {
		called[services[call.Service]+":"+call.Operation] = true
	}
	for name, text := range published(t) {
		var policy struct {
			Statement []struct{ Action []string }
		}
		if err := json.Unmarshal([]byte(text), &policy); err != nil {
			t.Fatal(err)
		}
		for _, s := range policy.Statement {
			for _, action := range s.Action {
				if called[action] == slices.Contains(rarely, action) {
					t.Errorf("%s: %s: called: %t", name, action, called[action])
				}
			}
		}
	}
}
