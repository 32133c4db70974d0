package provider_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
)

// TestAccServerAccess_ignoreTags: tags that others put on the role are not shown and not removed; without ignore_tags they
// would be.
func TestAccServerAccess_ignoreTags(t *testing.T) {
	const ignoring = "environment = \"dev\"\nignore_tags = { keys = [\"Cost\"], key_prefixes = [\"report:\"] }"
	s := server{name: "ignoring", provider: ignoring, more: `tags = { Team = "a" }`}
	changed := s
	changed.more = `tags = { Team = "b" }`
	forbidden := s
	forbidden.more = `tags = { Cost = "1" }`
	plain := server{name: s.name, more: changed.more}
	role := aws.String("oidc-s3-dev-" + s.name)
	tags := func(want int) resource.TestCheckFunc {
		return checking(func() error {
			out, err := iamClient(t).ListRoleTags(t.Context(), &awsiam.ListRoleTagsInput{RoleName: role})
			if err != nil {
				return err
			}
			found := 0
			for _, tag := range out.Tags {
				if *tag.Key == "Cost" || *tag.Key == "report:id" {
					found++
				}
			}
			if found != want {
				return fmt.Errorf("%d tags of others, not %d", found, want)
			}
			return nil
		})
	}
	team := func(value string) []statecheck.StateCheck {
		only := knownvalue.MapExact(map[string]knownvalue.Check{"Team": exactly(value)})
		return []statecheck.StateCheck{statecheck.ExpectKnownValue(address, at("tags"), only), statecheck.ExpectKnownValue(address, at("tags_all"), only)}
	}
	run(t, []string{s.name},
		resource.TestStep{Config: s.hcl()},
		resource.TestStep{PreConfig: func() {
			_, err := iamClient(t).TagRole(t.Context(), &awsiam.TagRoleInput{RoleName: role, Tags: []iamtypes.Tag{
				{Key: aws.String("Cost"), Value: aws.String("7")}, {Key: aws.String("report:id"), Value: aws.String("x")}}})
			if err != nil {
				t.Fatal(err)
			}
		}, Config: s.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionNoop), ConfigStateChecks: team("a")},
		resource.TestStep{Config: changed.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), ConfigStateChecks: team("b"), Check: tags(2)},
		resource.TestStep{Config: forbidden.hcl(), ExpectError: says("ignore_tags leave tag Cost alone")},
		resource.TestStep{Config: plain.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: tags(0)},
	)
}
