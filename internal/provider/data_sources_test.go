package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

// published is the text of a published example.
func published(t *testing.T, name ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", "..", "examples"}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAccServerAccessData(t *testing.T) {
	t.Parallel()
	const data = "data.oidcs3_server_access.web"
	forEachIDP(t, func(t *testing.T, idp string) {
		s := server{name: "looked-at-" + idp, idp: idp, permissions: "full", more: `tags = { Team = "a" }`}
		config := s.hcl() + fmt.Sprintf("data \"oidcs3_server_access\" \"web\" {\nserver_name = %q\ndepends_on = [oidcs3_server_access.this]\n}\n", s.name)
		if idp == "cognito" { // a role does not tell where its user pool is
			f := foundation(idp)
			s.provider = fmt.Sprintf("environment = \"dev\"\ncognito = {\nuser_pool_id = %s\ndomain = %s\nvending_url = %s\nclient_roles_table_name = %s\n}",
				f["user_pool_id"], f["domain"], f["vending_url"], f["client_roles_table_name"])
			config = s.hcl() + fmt.Sprintf("data \"oidcs3_server_access\" \"web\" {\nid = \"dev/%s\"\ndepends_on = [oidcs3_server_access.this]\n}\n", s.name)
		}
		checks := []statecheck.StateCheck{
			statecheck.ExpectKnownValue(data, at("id"), exactly("dev/"+s.name)),
			statecheck.ExpectKnownValue(data, at("phase"), exactly("ready")),
			statecheck.ExpectKnownValue(data, at("enabled"), knownvalue.Bool(true)),
			statecheck.ExpectKnownValue(data, at("identity_provider"), exactly(idp)),
			statecheck.ExpectKnownValue(data, at("tags"), knownvalue.MapExact(map[string]knownvalue.Check{"Team": exactly("a")})),
			statecheck.ExpectKnownValue(data, at("drift"), knownvalue.ListSizeExact(0)),
		}
		for _, name := range []string{"server_name", "environment", "role_name", "role_arn", "client_id", "subject", "issuer", "token_endpoint", "token_audience", "trust_mode",
			"bucket_name", "s3_path_prefix", "s3_permissions", "max_session_duration", "trust_policy", "permissions_policy", "server_configuration"} {
			checks = append(checks, statecheck.CompareValuePairs(data, at(name), address, at(name), equal{}))
		}
		run(t, []string{s.name}, resource.TestStep{Config: config, ConfigStateChecks: checks})
	})
}

// equal compares two values.
type equal struct{}

func (equal) CompareValues(values ...any) error { return sameValue{}.CompareValues(values...) }

func TestAccServerAccessData_missing(t *testing.T) {
	config := "provider \"oidcs3\" {\nenvironment = \"dev\"\n}\n"
	run(t, nil,
		resource.TestStep{Config: config + `data "oidcs3_server_access" "web" { server_name = "nobody" }`, ExpectError: regexp.MustCompile(`(?s)Server access was not read.*There is no role`)},
		resource.TestStep{Config: config + `data "oidcs3_server_access" "web" {}`, ExpectError: regexp.MustCompile(`(?s)Missing Attribute Configuration`)},
	)
}

// unfinished makes the role of an onboarding that was cut off right after it was begun.
func unfinished(t *testing.T, environment, name string) {
	t.Helper()
	tag := func(key, value string) iamtypes.Tag {
		return iamtypes.Tag{Key: aws.String("oidcs3:" + key), Value: aws.String(value)}
	}
	role := aws.String("oidc-s3-" + environment + "-" + name)
	_, err := iamClient(t).CreateRole(t.Context(), &awsiam.CreateRoleInput{RoleName: role,
		AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`),
		Tags: []iamtypes.Tag{tag("server", name), tag("environment", environment), tag("phase", "pending"), tag("onboarding-id", "cut-off"),
			tag("identity-provider", "entra"), tag("trust-mode", "plain"), tag("lock", "none")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = iamClient(t).DeleteRole(t.Context(), &awsiam.DeleteRoleInput{RoleName: role}) //nolint:usetesting // best effort
	})
}

func TestAccServersData(t *testing.T) {
	const data = "data.oidcs3_servers.all"
	unfinished(t, "shelf", "cut-off")
	s := server{name: "listed", permissions: "read-write", provider: `environment = "shelf"`}
	config := s.hcl() + "data \"oidcs3_servers\" \"all\" {\ndepends_on = [oidcs3_server_access.this]\n}\n" +
		"data \"oidcs3_servers\" \"none\" {\nenvironment = \"nobody-here\"\n}\n" +
		"data \"oidcs3_server_access\" \"unfinished\" {\nserver_name = \"cut-off\"\n}\noutput \"of\" {\nvalue = { for s in data.oidcs3_servers.all.servers : s.id => s.phase }\n}\n"
	item := func(n int, name string) tfjsonpath.Path { return at("servers").AtSliceIndex(n).AtMapKey(name) }
	run(t, []string{s.name}, resource.TestStep{Config: config, ConfigStateChecks: []statecheck.StateCheck{
		statecheck.ExpectKnownOutputValue("of", knownvalue.MapExact(map[string]knownvalue.Check{"shelf/cut-off": exactly("pending"), "shelf/listed": exactly("ready")})),
		statecheck.ExpectKnownValue("data.oidcs3_servers.none", at("servers"), knownvalue.ListSizeExact(0)),
		statecheck.ExpectKnownValue(data, at("environment"), exactly("shelf")),
		statecheck.ExpectKnownValue(data, item(0, "enabled"), knownvalue.Bool(false)),
		statecheck.ExpectKnownValue(data, item(0, "bucket_name"), knownvalue.Null()),
		statecheck.ExpectKnownValue(data, item(1, "s3_permissions"), exactly("read-write")),
		statecheck.ExpectKnownValue(data, item(1, "enabled"), knownvalue.Bool(true)),
		statecheck.CompareValuePairs(data, item(1, "client_id"), address, at("client_id"), equal{}),
		statecheck.CompareValuePairs(data, item(1, "s3_path_prefix"), address, at("s3_path_prefix"), equal{}),
		statecheck.ExpectKnownValue("data.oidcs3_server_access.unfinished", at("phase"), exactly("pending")),
		statecheck.ExpectKnownValue("data.oidcs3_server_access.unfinished", at("subject"), knownvalue.Null()),
	}})
}
