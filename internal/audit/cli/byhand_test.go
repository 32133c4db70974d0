package cli_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
)

// What people change in the clouds behind Terraform's back.

// grants is a policy that allows actions on objects of the bucket; the last argument is the key.
func grants(args ...string) string {
	actions, _ := json.Marshal(args[:len(args)-1])
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":%s,"Resource":"arn:aws:s3:::oidc-s3-dev-uploads/%s"}]}`, actions, args[len(args)-1])
}

const trustEC2 = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

func (w *world) putPolicy(role, name, document string) {
	w.Helper()
	w.check(w.iam.PutRolePolicy(w.Context(), &awsiam.PutRolePolicyInput{RoleName: &role, PolicyName: &name, PolicyDocument: &document}))
}

// check fails the test where a call by hand has failed.
func (w *world) check(_ any, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) setTrust(role string, change func(access.Trust) access.Trust) {
	w.Helper()
	found, err := iam.New(w.iam).Read(w.Context(), role)
	if err != nil {
		w.Fatal(err)
	}
	trust, err := access.ParseTrust(found.TrustPolicy)
	if err != nil {
		w.Fatal(err)
	}
	w.check(w.iam.UpdateAssumeRolePolicy(w.Context(), &awsiam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: aws.String(change(trust).Policy())}))
}

func (w *world) deleteRole(role string) {
	w.Helper()
	for _, policy := range []string{access.ObjectPolicy} {
		w.check(w.iam.DeleteRolePolicy(w.Context(), &awsiam.DeleteRolePolicyInput{RoleName: &role, PolicyName: &policy}))
	}
	w.check(w.iam.DeleteRole(w.Context(), &awsiam.DeleteRoleInput{RoleName: &role}))
}

func (w *world) makeRole(name, policy, document string) {
	w.Helper()
	w.check(w.iam.CreateRole(w.Context(), &awsiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trustEC2)}))
	w.putPolicy(name, policy, document)
}

// attach makes a role with a managed policy.
func (w *world) attach(name, document string) {
	w.Helper()
	w.check(w.iam.CreateRole(w.Context(), &awsiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trustEC2)}))
	made, err := w.iam.CreatePolicy(w.Context(), &awsiam.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document})
	if err != nil {
		w.Fatal(err)
	}
	w.check(w.iam.AttachRolePolicy(w.Context(), &awsiam.AttachRolePolicyInput{RoleName: &name, PolicyArn: made.Policy.Arn}))
}

func (w *world) deleteRow(client string) {
	w.Helper()
	w.check(w.dynamo.DeleteItem(w.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(w.env["OIDCS3_CLIENT_ROLES_TABLE"]),
		Key: map[string]dynamotypes.AttributeValue{"client_id": &dynamotypes.AttributeValueMemberS{Value: client}}}))
}

func (w *world) putRow(client, roleARN string) {
	w.Helper()
	w.check(w.dynamo.PutItem(w.Context(), &dynamodb.PutItemInput{TableName: aws.String(w.env["OIDCS3_CLIENT_ROLES_TABLE"]),
		Item: map[string]dynamotypes.AttributeValue{
			"client_id": &dynamotypes.AttributeValueMemberS{Value: client}, "role_arn": &dynamotypes.AttributeValueMemberS{Value: roleARN},
		}}))
}

// appClient makes a client in the user pool that is no server's.
func (w *world) appClient(name string) string {
	w.Helper()
	made, err := cognitoidentityprovider.NewFromConfig(w.aws()).CreateUserPoolClient(w.Context(), &cognitoidentityprovider.CreateUserPoolClientInput{
		UserPoolId: aws.String(w.env["OIDCS3_COGNITO_USER_POOL_ID"]), ClientName: &name})
	if err != nil {
		w.Fatal(err)
	}
	return *made.UserPoolClient.ClientId
}

// expireKey dates the key of an Auth0 client.
func (w *world) expireKey(client string, end time.Time) {
	w.Helper()
	var keys []struct{ ID string }
	path := "clients/" + client + "/credentials"
	if err := json.Unmarshal(w.call("GET", "https://"+w.env["AUTH0_DOMAIN"]+"/api/v2/"+path, w.env["AUTH0_API_TOKEN"], ""), &keys); err != nil || len(keys) != 1 {
		w.Fatalf("%v: %d keys", err, len(keys))
	}
	w.auth0Call("PATCH", path+"/"+keys[0].ID, fmt.Sprintf(`{"expires_at":%q}`, end.UTC().Format(time.RFC3339)))
}
