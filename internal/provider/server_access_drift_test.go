package provider_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"testing"

	"github.com/auth0/go-auth0"
	"github.com/auth0/go-auth0/management"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
)

const openToAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}]}`

const wide = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`

// change is something done to a server's access behind Terraform's back. role is the name of role and client.
type change func(t *testing.T, role string) error

// roleChanges are changes to what every server has.
var roleChanges = map[string]change{
	"trust-policy": func(t *testing.T, role string) error {
		_, err := iamClient(t).UpdateAssumeRolePolicy(t.Context(), &awsiam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: aws.String(openToAll)})
		return err
	},
	"widened-policy": func(t *testing.T, role string) error {
		_, err := iamClient(t).PutRolePolicy(t.Context(), &awsiam.PutRolePolicyInput{RoleName: &role, PolicyName: aws.String("s3-object-access"), PolicyDocument: aws.String(wide)})
		return err
	},
	"deleted-policy": func(t *testing.T, role string) error {
		_, err := iamClient(t).DeleteRolePolicy(t.Context(), &awsiam.DeleteRolePolicyInput{RoleName: &role, PolicyName: aws.String("s3-object-access")})
		return err
	},
	"changed-tag": func(t *testing.T, role string) error {
		_, err := iamClient(t).TagRole(t.Context(), &awsiam.TagRoleInput{RoleName: &role, Tags: []types.Tag{{Key: aws.String("Team"), Value: aws.String("other")}}})
		return err
	},
	"added-tag": func(t *testing.T, role string) error {
		_, err := iamClient(t).TagRole(t.Context(), &awsiam.TagRoleInput{RoleName: &role, Tags: []types.Tag{{Key: aws.String("Extra"), Value: aws.String("x")}}})
		return err
	},
	"lost-journal": func(t *testing.T, role string) error {
		_, err := iamClient(t).UntagRole(t.Context(), &awsiam.UntagRoleInput{RoleName: &role, TagKeys: []string{"oidcs3:client-id", "oidcs3:phase"}})
		return err
	},
	"session-duration": func(t *testing.T, role string) error {
		_, err := iamClient(t).UpdateRole(t.Context(), &awsiam.UpdateRoleInput{RoleName: &role, MaxSessionDuration: aws.Int32(43200)})
		return err
	},
	"role-deleted": deleteRole,
}

// clientChanges are changes to what one identity provider has.
var clientChanges = map[string]map[string]change{
	"auth0": {
		"grant-deleted": func(t *testing.T, role string) error {
			m := auth0Client(t)
			grants, err := m.ClientGrant.List(t.Context(), management.Parameter("client_id", auth0ID(t, role)))
			if err != nil {
				return err
			}
			return m.ClientGrant.Delete(t.Context(), grants.ClientGrants[0].GetID())
		},
		"grant-types": func(t *testing.T, role string) error {
			return auth0Client(t).Client.Update(t.Context(), auth0ID(t, role), &management.Client{GrantTypes: &[]string{"client_credentials", "implicit"}})
		},
		"renamed": func(t *testing.T, role string) error {
			return auth0Client(t).Client.Update(t.Context(), auth0ID(t, role), &management.Client{Name: auth0.String("renamed by hand")})
		},
	},
	"entra": {
		"renamed": func(t *testing.T, role string) error {
			return graph(t, http.MethodPatch, "/applications/"+application(t, role).ObjectID, map[string]any{"displayName": "renamed by hand"})
		},
		"principal-disabled": func(t *testing.T, role string) error {
			return graph(t, http.MethodPatch, "/servicePrincipals(appId='"+application(t, role).AppID+"')", map[string]any{"accountEnabled": false})
		},
	},
	"cognito": {
		"flows-removed": func(t *testing.T, role string) error {
			return updatePoolClient(t, role, func(in *cognitoidentityprovider.UpdateUserPoolClientInput) {
				in.AllowedOAuthFlowsUserPoolClient = false
			})
		},
		"scope-removed": func(t *testing.T, role string) error {
			return updatePoolClient(t, role, func(in *cognitoidentityprovider.UpdateUserPoolClientInput) {
				in.AllowedOAuthScopes = in.AllowedOAuthScopes[:1]
			})
		},
		"row-deleted": func(t *testing.T, role string) error {
			_, err := dynamoClient(t).DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
				TableName: aws.String(clouds.Env()["OIDCS3_SANDBOX_CLIENT_ROLES_TABLE"]),
				Key:       map[string]dynamotypes.AttributeValue{"client_id": &dynamotypes.AttributeValueMemberS{Value: poolClient(t, role)}},
			})
			return err
		},
		"row-changed": func(t *testing.T, role string) error {
			_, err := dynamoClient(t).UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
				TableName:                 aws.String(clouds.Env()["OIDCS3_SANDBOX_CLIENT_ROLES_TABLE"]),
				Key:                       map[string]dynamotypes.AttributeValue{"client_id": &dynamotypes.AttributeValueMemberS{Value: poolClient(t, role)}},
				UpdateExpression:          aws.String("SET s3_path_prefix = :p"),
				ExpressionAttributeValues: map[string]dynamotypes.AttributeValue{":p": &dynamotypes.AttributeValueMemberS{Value: "elsewhere/"}},
			})
			return err
		},
	},
}

// TestAccServerAccess_drift changes one thing after another behind Terraform's back, expects each time that the plan shows
// one update in place, and that the apply mends it while client and secret stay.
func TestAccServerAccess_drift(t *testing.T) {
	t.Parallel()
	forEachIDP(t, func(t *testing.T, idp string) {
		changes := maps.Clone(roleChanges)
		maps.Copy(changes, clientChanges[idp])
		s := server{name: "drift-" + idp, idp: idp, more: `tags = { Team = "a" }`}
		id, secret := statecheck.CompareValue(sameValue{}), statecheck.CompareValue(sameValue{})
		same := func() []statecheck.StateCheck {
			return []statecheck.StateCheck{id.AddStateValue(address, at("client_id")), secret.AddStateValue(address, at("client_secret"))}
		}
		steps := []resource.TestStep{{Config: s.hcl(), ConfigStateChecks: same()}}
		for name, change := range changes {
			steps = append(steps, resource.TestStep{
				PreConfig: doing(t, func() error {
					t.Log(name)
					return change(t, "oidc-s3-dev-"+s.name)
				}),
				Config:            s.hcl(),
				ConfigPlanChecks:  in(plancheck.ResourceActionUpdate),
				ConfigStateChecks: append(same(), value("drift", knownvalue.ListSizeExact(0))),
				Check:             may(address, "put"),
			})
		}
		run(t, []string{s.name}, steps...)
	})
}

// doing is a PreConfig that must succeed.
func doing(t *testing.T, do func() error) func() {
	return func() {
		t.Helper()
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
}

// deleteClient deletes a server's client behind Terraform's back.
var deleteClient = map[string]change{
	"auth0": func(t *testing.T, role string) error {
		return auth0Client(t).Client.Delete(t.Context(), auth0ID(t, role))
	},
	"entra": func(t *testing.T, role string) error {
		return graph(t, http.MethodDelete, "/applications/"+application(t, role).ObjectID, nil)
	},
	"cognito": func(t *testing.T, role string) error {
		id := poolClient(t, role)
		_, err := poolsClient(t).DeleteUserPoolClient(t.Context(), &cognitoidentityprovider.DeleteUserPoolClientInput{
			UserPoolId: aws.String(clouds.Env()["OIDCS3_SANDBOX_COGNITO_USER_POOL_ID"]), ClientId: &id,
		})
		return err
	},
}

func TestAccServerAccess_clientDeleted(t *testing.T) {
	t.Parallel()
	forEachIDP(t, func(t *testing.T, idp string) {
		s := server{name: "client-deleted-" + idp, idp: idp}
		run(t, []string{s.name},
			resource.TestStep{Config: s.hcl()},
			resource.TestStep{
				PreConfig: doing(t, func() error { return deleteClient[idp](t, "oidc-s3-dev-"+s.name) }),
				Config:    s.hcl(),
				ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
					plancheck.ExpectResourceAction(address, plancheck.ResourceActionUpdate),
					plancheck.ExpectUnknownValue(address, at("client_id")),
					plancheck.ExpectUnknownValue(address, at("client_secret")),
				}},
				Check: may(address, "put"),
			})
	})
}

func TestAccServerAccess_bothDeleted(t *testing.T) {
	t.Parallel()
	forEachIDP(t, func(t *testing.T, idp string) {
		s := server{name: "both-deleted-" + idp, idp: idp}
		role := "oidc-s3-dev-" + s.name
		action := plancheck.ResourceActionCreate
		if idp == "cognito" { // its mapping row is left, and found by it
			action = plancheck.ResourceActionUpdate
		}
		run(t, []string{s.name},
			resource.TestStep{Config: s.hcl()},
			resource.TestStep{
				PreConfig:        doing(t, func() error { return errors.Join(deleteClient[idp](t, role), deleteRole(t, role)) }),
				Config:           s.hcl(),
				ConfigPlanChecks: in(action),
				Check:            may(address, "put"),
			})
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
