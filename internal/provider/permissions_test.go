package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
)

// auth0Scopes are those that the guide names for clients with a secret.
var auth0Scopes = strings.Fields(`create:clients read:clients update:clients delete:clients create:client_grants read:client_grants
	update:client_grants delete:client_grants read:resource_servers read:client_keys update:client_keys`)

// limited is the inside of a provider block of a principal with the published policies and scopes, and nothing else.
func limited(t *testing.T, user string, scopes []string, policies ...string) string {
	t.Helper()
	client := iamClient(t)
	if _, err := client.CreateUser(t.Context(), &awsiam.CreateUserInput{UserName: &user}); err != nil {
		t.Fatal(err)
	}
	for _, name := range policies {
		text, err := os.ReadFile(filepath.Join("..", "..", "examples", "policies", name))
		if err != nil {
			t.Fatal(err)
		}
		made, err := client.CreatePolicy(t.Context(), &awsiam.CreatePolicyInput{PolicyName: aws.String(user + "-" + strings.TrimSuffix(name, ".json")), PolicyDocument: aws.String(string(text))})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.AttachUserPolicy(t.Context(), &awsiam.AttachUserPolicyInput{UserName: &user, PolicyArn: made.Policy.Arn}); err != nil {
			t.Fatal(err)
		}
	}
	key, err := client.CreateAccessKey(t.Context(), &awsiam.CreateAccessKeyInput{UserName: &user})
	if err != nil {
		t.Fatal(err)
	}
	token, err := clouds.Auth0().ManagementToken(t.Context(), scopes, 3600)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("environment = \"dev\"\naws = { access_key = %q, secret_key = %q }\nauth0 = { api_token = %q }\n",
		*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, token)
}

// TestAccServerAccess_leastPrivilege runs a server's life with the published policies and nothing else.
func TestAccServerAccess_leastPrivilege(t *testing.T) {
	t.Parallel()
	for idp, policies := range map[string][]string{
		"auth0": {"terraform.json"}, "entra": {"terraform.json"}, "cognito": {"terraform.json", "terraform-vending.json"},
	} {
		t.Run(idp, func(t *testing.T) {
			s := server{name: "least-" + idp, idp: idp, provider: limited(t, "terraform-"+idp, auth0Scopes, policies...)}
			changed := s
			changed.permissions, changed.more = "full", "max_session_duration = 7200\ntags = { Team = \"a\" }"
			steps := []resource.TestStep{
				{Config: s.hcl(), Check: may(address, "put")},
				{Config: changed.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: may(address, "put", "get", "list", "delete")},
				{Config: s.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: may(address, "put")},
				{Config: rotated(s, "1", "allow_downtime = true")},
				{Config: rotated(s, "2", "allow_downtime = true"), Check: may(address, "put")},
			}
			policies = append(policies, "terraform-secrets.json")
			keeper := s
			keeper.provider = limited(t, "terraform-secrets-"+idp, auth0Scopes, policies...)
			last := ""
			for _, where := range []string{"secretsmanager", "ssm"} {
				steps = append(steps, resource.TestStep{Config: stored(keeper, where, `rotation_triggers = { when = "2" }`), Check: works(where, &last, false)})
			}
			steps = append(steps,
				resource.TestStep{Config: stored(keeper, "ssm", "allow_downtime = true\nrotation_triggers = { when = \"3\" }"), Check: works("ssm", &last, true)},
				resource.TestStep{Config: keeper.hcl(), Check: may(address, "put")})
			off := s
			off.more = "enabled = false"
			steps = append(steps, resource.TestStep{Config: off.hcl(), Check: shutOut()}, resource.TestStep{Config: s.hcl(), Check: may(address, "put")})
			if idp != "cognito" {
				azp := s
				azp.identity = withAZP(idp)
				steps = append(steps, resource.TestStep{Config: azp.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: may(address, "put")})
			}
			run(t, []string{s.name}, steps...)
		})
	}
}

// TestAccServerAccess_otherEnvironment shows that the published policy keeps to its environment: nothing is made outside.
func TestAccServerAccess_otherEnvironment(t *testing.T) {
	s := server{name: "outside", provider: limited(t, "terraform-outside", auth0Scopes, "terraform.json"), more: `environment = "prod"`}
	run(t, []string{s.name}, resource.TestStep{
		Config:      s.hcl(),
		ExpectError: regexp.MustCompile(`(?s)not authorized to\s+perform: iam:CreateRole.*undone: all\s+is\s+as\s+it\s+was\s+before`),
	})
}

// TestAccServerAccess_withoutSharedReads has a principal that may not list: roles are read one by one.
func TestAccServerAccess_withoutSharedReads(t *testing.T) {
	provider := limited(t, "terraform-no-list", auth0Scopes)
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "policies", "terraform.json"))
	if err != nil {
		t.Fatal(err)
	}
	narrow := strings.Replace(string(text), `"iam:GetAccountAuthorizationDetails", "iam:ListRoles"`, `"iam:GetUser"`, 1)
	if narrow == string(text) {
		t.Fatal("the policy has changed")
	}
	user := "terraform-no-list"
	_, err = iamClient(t).PutUserPolicy(t.Context(), &awsiam.PutUserPolicyInput{UserName: &user, PolicyName: aws.String("narrow"), PolicyDocument: &narrow})
	if err != nil {
		t.Fatal(err)
	}
	s := server{name: "unlisted", provider: provider}
	run(t, []string{s.name}, resource.TestStep{Config: s.hcl(), Check: may(address, "put")})
}

// TestAccServerAccess_missingScope names the scope that is missing, and leaves nothing.
func TestAccServerAccess_missingScope(t *testing.T) {
	scopes := strings.Fields("create:clients read:clients update:clients delete:clients read:client_grants read:resource_servers read:client_keys")
	s := server{name: "scopeless", provider: limited(t, "terraform-scopeless", scopes, "terraform.json")}
	run(t, []string{s.name}, resource.TestStep{Config: s.hcl(), ExpectError: regexp.MustCompile(`create:client_grants`)})
}

// TestAccServerAccess_leastPrivilegeEntra runs a server's life with the one app role of Microsoft Graph that the guide names. It
// reads all applications: https://learn.microsoft.com/graph/api/serviceprincipal-get
func TestAccServerAccess_leastPrivilegeEntra(t *testing.T) {
	t.Parallel()
	as := func(name string, roles ...string) string {
		made, secret, err := clouds.Entra().AddManagementClient(name, roles...)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("environment = \"dev\"\nentra = { client_id = %q, client_secret = %q }\n", made.AppID, secret)
	}
	t.Run("owner", func(t *testing.T) {
		s := server{name: "least-graph", idp: "entra", provider: as("terraform-owner", "Application.ReadWrite.OwnedBy")}
		changed := s
		changed.permissions = "full"
		run(t, []string{s.name},
			resource.TestStep{Config: s.hcl(), Check: may(address, "put")},
			resource.TestStep{Config: changed.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: may(address, "put", "get", "list", "delete")},
			resource.TestStep{Config: rotated(changed, "1", "")},
			resource.TestStep{Config: rotated(changed, "2", ""), Check: may(address, "put", "get", "list", "delete")},
		)
	})
	t.Run("reader", func(t *testing.T) {
		s := server{name: "least-graph-reader", idp: "entra", provider: as("terraform-reader", "Application.Read.All")}
		run(t, []string{s.name}, resource.TestStep{Config: s.hcl(), ExpectError: says("Insufficient privileges to complete the operation")})
	})
}
