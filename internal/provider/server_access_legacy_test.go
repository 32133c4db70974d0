package provider_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
)

// legacyServers are ten servers of the plain module, of every identity provider and level.
func legacyServers(prefix string) []legacy {
	servers := []legacy{
		{name: "backup-01", level: "read-write"},
		{name: "backup-02"},
		{name: "log-shipper", duration: 7200},
		{name: "data-sync", level: "full"},
		{name: "default-dialect", api: "_AZP"},
		{name: "pool-01", idp: "cognito"},
		{name: "pool-02", idp: "cognito", level: "read-write"},
		{name: "pool-03", idp: "cognito", level: "full"},
		{name: "graph-01", idp: "entra", level: "full"},
		{name: "graph-02", idp: "entra", api: "_AZP"},
	}
	for i := range servers {
		servers[i].name = prefix + servers[i].name
	}
	return servers
}

// levels says what a permission level lets a server do.
var levels = map[string][]string{"write": {"put"}, "read-write": {"put", "get"}, "full": {"put", "get", "list", "delete"}}

// TestAccServerAccess_importLegacy imports servers of the plain module, some by every form of id, and brings them up to
// today's shape in one update that changes nothing a host knows.
func TestAccServerAccess_importLegacy(t *testing.T) {
	t.Parallel()
	for _, l := range legacyServers("old-") {
		t.Run(l.name, func(t *testing.T) {
			made := l.build(t)
			s := made.server()
			forms := []string{l.name}
			if l.level == "read-write" || l.idp == "entra" {
				forms = []string{l.name, "dev/" + l.name, l.role(), made.roleARN}
			}
			var steps []resource.TestStep
			for i, id := range forms {
				steps = append(steps, resource.TestStep{
					Config: s.hcl(), ResourceName: address, ImportState: true, ImportStateId: id, ImportStatePersist: i == len(forms)-1,
					ImportStateCheck: made.imported,
				})
			}
			steps = append(steps, resource.TestStep{
				Config: s.hcl(),
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
					plancheck.ExpectResourceAction(address, plancheck.ResourceActionUpdate), mends{address, made.deviations(), made.changes()},
				}},
				ConfigStateChecks: made.kept(address),
				Check:             resource.ComposeTestCheckFunc(made.works(address), checking(func() error { return made.samePassword(t) })),
			})
			run(t, []string{l.name}, steps...)
		})
	}
}

// TestAccServerAccess_importWithPath imports servers whose roles have an IAM path. Neither the first apply nor a later one
// promises another ARN, and the host is told of the one that the role has, also after its role was deleted and made without.
func TestAccServerAccess_importWithPath(t *testing.T) {
	t.Parallel()
	for _, idp := range idps {
		t.Run(idp, func(t *testing.T) {
			l := legacy{name: "pathed-" + idp, idp: idp, path: "/uploads/"}
			made := l.build(t)
			if want := "arn:aws:iam::123456789012:role/uploads/" + l.role(); made.roleARN != want {
				t.Fatalf("the role is %s, not %s", made.roleARN, want)
			}
			s := made.server()
			wider := s
			wider.permissions = "full"
			told := func(arn string) []statecheck.StateCheck {
				return []statecheck.StateCheck{value("role_arn", exactly(arn)),
					value("server_configuration", knownvalue.StringRegexp(regexp.MustCompile(`"aws_role_arn":"`+arn+`"`)))}
			}
			planned := func(arn string) resource.ConfigPlanChecks {
				return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
					plancheck.ExpectResourceAction(address, plancheck.ResourceActionUpdate), plancheck.ExpectKnownValue(address, at("role_arn"), exactly(arn)),
				}}
			}
			steps := []resource.TestStep{
				{Config: s.hcl(), ResourceName: address, ImportState: true, ImportStateId: made.roleARN, ImportStatePersist: true, ImportStateCheck: made.imported},
				{Config: s.hcl(), ConfigPlanChecks: planned(made.roleARN), ConfigStateChecks: append(made.kept(address), told(made.roleARN)...)},
				{Config: wider.hcl(), ConfigPlanChecks: planned(made.roleARN), ConfigStateChecks: told(made.roleARN)},
			}
			bare := "arn:aws:iam::123456789012:role/" + l.role()
			steps = append(steps, resource.TestStep{PreConfig: doing(t, func() error { return deleteRole(t, l.role()) }),
				Config: wider.hcl(), ConfigPlanChecks: planned(bare), ConfigStateChecks: told(bare), Check: may(address, levels["full"]...)})
			run(t, []string{l.name}, steps...)
		})
	}
}

// imported checks what an import says of the server.
func (m *legacyThing) imported(states []*terraform.InstanceState) error {
	if len(states) != 1 {
		return fmt.Errorf("there are %d instances", len(states))
	}
	want := map[string]string{
		"server_name": m.name, "environment": "dev", "role_arn": m.roleARN, "client_id": m.clientID, "subject": m.subject,
		"s3_permissions": m.level, "s3_path_prefix": m.prefix, "max_session_duration": fmt.Sprint(m.duration), "client_secret": m.secret,
		"tags.Server": m.name,
	}
	if m.idp == "entra" { // Microsoft Graph shows a secret once
		want["client_secret"] = ""
	}
	for name, value := range want {
		if got := states[0].Attributes[name]; got != value {
			if name == "client_secret" {
				return fmt.Errorf("client_secret is not the one that the host has")
			}
			return fmt.Errorf("%s is %q, not %q", name, got, value)
		}
	}
	return nil
}

// kept expects that nothing has changed that a host knows.
func (m *legacyThing) kept(at1 string) []statecheck.StateCheck {
	secret := exactly(m.secret)
	if m.idp == "entra" {
		secret = knownvalue.Null()
	}
	var checks []statecheck.StateCheck
	for name, want := range map[string]knownvalue.Check{
		"client_id": exactly(m.clientID), "subject": exactly(m.subject), "role_arn": exactly(m.roleARN), "client_secret": secret,
		"drift": knownvalue.ListSizeExact(0),
	} {
		checks = append(checks, statecheck.ExpectKnownValue(at1, at(name), want))
	}
	return checks
}

// works checks that the host, with the secret that it has had all along, can do what it could.
func (m *legacyThing) works(at string) resource.TestCheckFunc {
	return func(state *terraform.State) error {
		state.RootModule().Resources[at].Primary.Attributes["client_secret"] = m.secret
		return may(at, levels[m.level]...)(state)
	}
}

// samePassword expects that an Entra application has the password that it had, and no other.
func (m *legacyThing) samePassword(t *testing.T) error {
	if m.idp != "entra" {
		return nil
	}
	if passwords := application(t, m.role()).Passwords; len(passwords) != 1 || passwords[0].Name != "uploads" {
		return fmt.Errorf("the application has the passwords %v", passwords)
	}
	return nil
}

// mends expects the list of what an update mends besides what attributes show, and the attributes that it changes.
type mends struct {
	address    string
	drift      []string
	attributes []string // that it changes
}

func (m mends) CheckPlan(_ context.Context, req plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	for _, change := range req.Plan.ResourceChanges {
		if change.Address == m.address {
			resp.Error = m.check(change)
			return
		}
	}
	resp.Error = fmt.Errorf("the plan does not have %s", m.address)
}

func (m mends) check(change *tfjson.ResourceChange) error {
	before, _ := change.Change.Before.(map[string]any)
	list, _ := before["drift"].([]any)
	var found []string
	for _, one := range list {
		found = append(found, fmt.Sprint(one))
	}
	want := slices.Clone(m.drift)
	slices.Sort(found)
	slices.Sort(want)
	if !slices.Equal(found, want) {
		return fmt.Errorf("of %s the plan mends\n%s\nand not\n%s", m.address, strings.Join(found, "\n"), strings.Join(want, "\n"))
	}
	var changed []string
	after, _ := change.Change.After.(map[string]any)
	unknown, _ := change.Change.AfterUnknown.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if unknown[name] == true || !reflect.DeepEqual(before[name], after[name]) {
			changed = append(changed, name)
		}
	}
	if want := slices.Sorted(slices.Values(m.attributes)); !slices.Equal(changed, want) {
		return fmt.Errorf("of %s the plan changes %v, not %v", m.address, changed, want)
	}
	return nil
}

// changes are the attributes that the update changes.
func (m *legacyThing) changes() []string {
	attributes := []string{"drift", "permissions_policy"}
	switch {
	case m.idp == "cognito": // sessions are named after the server
		attributes = append(attributes, "trust_policy")
	case m.api != "": // the module's trust policy lets in no token with azp
		attributes = append(attributes, "trust_policy", "trust_mode")
	}
	return attributes
}

// deviations are what the plan must name: the difference between the module's shape and today's.
func (m *legacyThing) deviations() []string {
	return append(map[string][]string{
		"auth0": {
			"client_metadata oidcs3_audience is missing", "client_metadata oidcs3_environment is missing", "client_metadata oidcs3_server is missing",
			"description is M2M app for " + m.name + " S3 uploads instead of S3 access of server " + m.name + " (dev)",
			"grant_types are [authorization_code implicit refresh_token client_credentials] instead of [client_credentials]",
			"oidc_conformant is false instead of true",
		},
		"entra": {
			"description is empty instead of S3 access of server " + m.name + " (dev)",
			"tag oidcs3 is missing", "tag oidcs3:environment:dev is missing", "tag oidcs3:server:" + m.name + " is missing",
		},
	}[m.idp],
		"policy s3-object-access lacks s3:AbortMultipartUpload",
		"policy s3-object-access lacks s3:ListMultipartUploadParts",
		"role "+m.role()+" has not the tags [oidcs3:client-id oidcs3:environment oidcs3:identity-provider oidcs3:onboarding-id oidcs3:phase oidcs3:server oidcs3:trust-mode]",
	)
}

// withoutScan gives a user the published policy without dynamodb:Scan.
func withoutScan(t *testing.T, user string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "policies", "terraform-vending.json"))
	if err != nil {
		t.Fatal(err)
	}
	narrow := strings.Replace(string(text), `, "dynamodb:Scan"`, "", 1)
	if narrow == string(text) {
		t.Fatal("the policy has changed")
	}
	_, err = iamClient(t).PutUserPolicy(t.Context(), &awsiam.PutUserPolicyInput{UserName: &user, PolicyName: aws.String("terraform-vending"), PolicyDocument: &narrow})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAccServerAccess_importLeastPrivilege imports with the published policies and nothing else.
func TestAccServerAccess_importLeastPrivilege(t *testing.T) {
	t.Parallel()
	for idp, policies := range map[string][]string{
		"auth0": {"terraform.json"}, "entra": {"terraform.json"}, "cognito": {"terraform.json", "terraform-vending.json"},
	} {
		t.Run(idp, func(t *testing.T) {
			made := legacy{name: "least-import-" + idp, idp: idp}.build(t)
			s := made.server()
			s.provider = limited(t, "terraform-import-"+idp, auth0Scopes, policies...) + strings.TrimPrefix(legacyProvider, `environment = "dev"`)
			steps := []resource.TestStep{
				{Config: s.hcl(), ResourceName: address, ImportState: true, ImportStateId: made.name, ImportStatePersist: true, ImportStateCheck: made.imported},
				{Config: s.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), ConfigStateChecks: made.kept(address), Check: made.works(address)},
			}
			if idp == "cognito" {
				narrow := s
				narrow.provider = limited(t, "terraform-no-scan", auth0Scopes, "terraform.json")
				withoutScan(t, "terraform-no-scan")
				steps = append([]resource.TestStep{{Config: narrow.hcl(), ResourceName: address, ImportState: true, ImportStateId: made.name,
					ExpectError: saying("not authorized to perform: dynamodb:Scan")}}, steps...)
			}
			run(t, []string{made.name}, steps...)
		})
	}
}
