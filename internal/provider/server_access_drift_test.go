package provider_test

import (
	"context"
	"regexp"
	"testing"

	"github.com/auth0/go-auth0"
	"github.com/auth0/go-auth0/management"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
)

const openToAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}]}`

const wide = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`

// TestAccServerAccess_drift changes something behind Terraform's back, expects the plan to show one update in place, and
// that the apply mends it while client and secret stay.
func TestAccServerAccess_drift(t *testing.T) {
	ctx := context.Background()
	for name, change := range map[string]func(t *testing.T, role string) error{
		"trust-policy": func(t *testing.T, role string) error {
			_, err := iamClient(t).UpdateAssumeRolePolicy(ctx, &awsiam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: aws.String(openToAll)})
			return err
		},
		"widened-policy": func(t *testing.T, role string) error {
			_, err := iamClient(t).PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: &role, PolicyName: aws.String("s3-object-access"), PolicyDocument: aws.String(wide)})
			return err
		},
		"deleted-policy": func(t *testing.T, role string) error {
			_, err := iamClient(t).DeleteRolePolicy(ctx, &awsiam.DeleteRolePolicyInput{RoleName: &role, PolicyName: aws.String("s3-object-access")})
			return err
		},
		"changed-tag": func(t *testing.T, role string) error {
			_, err := iamClient(t).TagRole(ctx, &awsiam.TagRoleInput{RoleName: &role, Tags: []types.Tag{{Key: aws.String("Team"), Value: aws.String("other")}}})
			return err
		},
		"added-tag": func(t *testing.T, role string) error {
			_, err := iamClient(t).TagRole(ctx, &awsiam.TagRoleInput{RoleName: &role, Tags: []types.Tag{{Key: aws.String("Extra"), Value: aws.String("x")}}})
			return err
		},
		"lost-journal": func(t *testing.T, role string) error {
			_, err := iamClient(t).UntagRole(ctx, &awsiam.UntagRoleInput{RoleName: &role, TagKeys: []string{"oidcs3:client-id", "oidcs3:phase"}})
			return err
		},
		"session-duration": func(t *testing.T, role string) error {
			_, err := iamClient(t).UpdateRole(ctx, &awsiam.UpdateRoleInput{RoleName: &role, MaxSessionDuration: aws.Int32(43200)})
			return err
		},
		"role-deleted": func(t *testing.T, role string) error { return deleteRole(t, role) },
		"grant-deleted": func(t *testing.T, role string) error {
			m := auth0Client(t)
			grants, err := m.ClientGrant.List(ctx, management.Parameter("client_id", auth0ID(t, role)))
			if err != nil {
				return err
			}
			return m.ClientGrant.Delete(ctx, grants.ClientGrants[0].GetID())
		},
		"client-grant-types": func(t *testing.T, role string) error {
			return auth0Client(t).Client.Update(ctx, auth0ID(t, role), &management.Client{GrantTypes: &[]string{"client_credentials", "implicit"}})
		},
		"client-renamed": func(t *testing.T, role string) error {
			id := auth0ID(t, role)
			return auth0Client(t).Client.Update(ctx, id, &management.Client{Name: auth0.String("renamed by hand")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := server{name: "drift-" + name, more: `tags = { Team = "a" }`}
			id, secret := statecheck.CompareValue(sameValue{}), statecheck.CompareValue(sameValue{})
			same := func() []statecheck.StateCheck {
				return []statecheck.StateCheck{id.AddStateValue(address, at("client_id")), secret.AddStateValue(address, at("client_secret"))}
			}
			run(t, []string{s.name},
				resource.TestStep{Config: s.hcl(), ConfigStateChecks: same()},
				resource.TestStep{
					PreConfig: func() {
						if err := change(t, "oidc-s3-dev-"+s.name); err != nil {
							t.Fatal(err)
						}
					},
					Config:            s.hcl(),
					ConfigPlanChecks:  in(plancheck.ResourceActionUpdate),
					ConfigStateChecks: append(same(), value("drift", knownvalue.ListSizeExact(0))),
					Check:             may(address, "put"),
				})
		})
	}
}

func TestAccServerAccess_clientDeleted(t *testing.T) {
	s := server{name: "client-deleted"}
	run(t, []string{s.name},
		resource.TestStep{Config: s.hcl()},
		resource.TestStep{
			PreConfig: func() {
				if err := auth0Client(t).Client.Delete(context.Background(), auth0ID(t, "oidc-s3-dev-client-deleted")); err != nil {
					t.Fatal(err)
				}
			},
			Config: s.hcl(),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(address, plancheck.ResourceActionUpdate),
				plancheck.ExpectUnknownValue(address, at("client_id")),
				plancheck.ExpectUnknownValue(address, at("client_secret")),
			}},
			Check: may(address, "put"),
		})
}

func TestAccServerAccess_bothDeleted(t *testing.T) {
	s := server{name: "both-deleted"}
	run(t, []string{s.name},
		resource.TestStep{Config: s.hcl()},
		resource.TestStep{
			PreConfig: func() {
				if err := auth0Client(t).Client.Delete(context.Background(), auth0ID(t, "oidc-s3-dev-both-deleted")); err != nil {
					t.Fatal(err)
				}
				if err := deleteRole(t, "oidc-s3-dev-both-deleted"); err != nil {
					t.Fatal(err)
				}
			},
			Config:           s.hcl(),
			ConfigPlanChecks: in(plancheck.ResourceActionCreate),
			Check:            may(address, "put"),
		})
}

func TestAccServerAccess_foreignPolicyStopsDestroy(t *testing.T) {
	s := server{name: "obstructed"}
	role, policy := "oidc-s3-dev-obstructed", "somebody-elses"
	run(t, []string{s.name},
		resource.TestStep{Config: s.hcl()},
		resource.TestStep{
			PreConfig: func() {
				_, err := iamClient(t).PutRolePolicy(context.Background(), &awsiam.PutRolePolicyInput{RoleName: &role, PolicyName: &policy, PolicyDocument: aws.String(wide)})
				if err != nil {
					t.Fatal(err)
				}
			},
			Config: s.hcl(), Destroy: true,
			ExpectError: regexp.MustCompile(`carries what\s+oidcs3\s+did\s+not\s+put\s+there: \[inline\s+policy\s+somebody-elses\]`),
		},
		resource.TestStep{
			PreConfig: func() {
				_, err := iamClient(t).DeleteRolePolicy(context.Background(), &awsiam.DeleteRolePolicyInput{RoleName: &role, PolicyName: &policy})
				if err != nil {
					t.Fatal(err)
				}
			},
			Config: s.hcl(), Check: may(address, "put"),
		})
}

func deleteRole(t *testing.T, role string) error {
	t.Helper()
	ctx := context.Background()
	client := iamClient(t)
	policies, err := client.ListRolePolicies(ctx, &awsiam.ListRolePoliciesInput{RoleName: &role})
	if err != nil {
		return err
	}
	for _, policy := range policies.PolicyNames {
		if _, err := client.DeleteRolePolicy(ctx, &awsiam.DeleteRolePolicyInput{RoleName: &role, PolicyName: &policy}); err != nil {
			return err
		}
	}
	_, err = client.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: &role})
	return err
}
