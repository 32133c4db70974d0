package provider_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/auth0/go-auth0"
	"github.com/auth0/go-auth0/management"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	cognitotypes "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// What the plain Terraform module made of one server, made here with the vendors' own clients, call by call.

// legacy is one server of the plain module.
type legacy struct {
	name     string
	idp      string // default: "auth0"
	level    string // default: "write"
	prefix   string // default: "legacy/<name>/"
	duration int32  // default: 3600
	path     string // of the role; default: "/"
	api      string // suffix of the API's environment variables; "_AZP": its tokens carry azp

	trust    func(string) string            // edits the trust policy; nil: as the module writes it
	policies func(map[string]string)        // edits the inline policies; nil: as the module writes them
	tags     map[string]string              // over the module's
	then     func(*testing.T, *legacyThing) // what has happened to it since; nil: nothing
}

// legacyThing is what came of it.
type legacyThing struct {
	legacy
	clientID, secret, subject string
	objectID                  string // Entra: of the application
	roleARN                   string
}

func (l legacy) role() string { return "oidc-s3-dev-" + l.name }

// build makes the server.
func (l legacy) build(t *testing.T) *legacyThing {
	t.Helper()
	if l.idp == "" {
		l.idp = "auth0"
	}
	if l.level == "" {
		l.level = "write"
	}
	if l.prefix == "" {
		l.prefix = "legacy/" + l.name + "/"
	}
	if l.duration == 0 {
		l.duration = 3600
	}
	made := &legacyThing{legacy: l}
	map[string]func(*testing.T){"auth0": made.buildAuth0, "entra": made.buildEntra, "cognito": made.buildCognito}[l.idp](t)
	made.buildRole(t)
	if l.idp == "cognito" {
		made.buildRow(t)
	}
	if l.then != nil {
		l.then(t, made)
	}
	return made
}

// buildAuth0 makes auth0_client and auth0_client_grant.
func (m *legacyThing) buildAuth0(t *testing.T) {
	t.Helper()
	client := &management.Client{
		Name: auth0.String(m.role()), Description: auth0.String("M2M app for " + m.name + " S3 uploads"), AppType: auth0.String("non_interactive"),
		Callbacks: &[]string{}, AllowedLogoutURLs: &[]string{},
	}
	api := auth0Client(t)
	if err := api.Client.Create(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	if len(client.GetGrantTypes()) != 4 {
		t.Fatalf("the tenant gave the client the grant types %v, not the four of a real one", client.GetGrantTypes())
	}
	m.clientID, m.secret, m.subject = client.GetClientID(), client.GetClientSecret(), client.GetClientID()+"@clients"
	err := api.ClientGrant.Create(t.Context(), &management.ClientGrant{
		ClientID: client.ClientID, Audience: auth0.String(m.env("AUDIENCE")), Scope: &[]string{},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// buildEntra makes azuread_application, azuread_service_principal and azuread_application_password.
func (m *legacyThing) buildEntra(t *testing.T) {
	t.Helper()
	var app struct{ ID, AppID string }
	var principal struct{ ID string }
	var password struct{ SecretText string }
	ask := func(path string, body, answer any) {
		if err := graphAnswer(t, http.MethodPost, path, body, answer); err != nil {
			t.Fatal(err)
		}
	}
	ask("/applications", map[string]any{"displayName": m.role(), "signInAudience": "AzureADMyOrg"}, &app)
	ask("/servicePrincipals", map[string]any{"appId": app.AppID}, &principal)
	ask("/applications/"+app.ID+"/addPassword", map[string]any{"passwordCredential": map[string]any{"displayName": "uploads",
		"endDateTime": time.Now().AddDate(1, 0, 0).UTC().Format(time.RFC3339)}}, &password)
	m.clientID, m.secret, m.subject, m.objectID = app.AppID, password.SecretText, principal.ID, app.ID
}

// buildCognito makes aws_cognito_user_pool_client.
func (m *legacyThing) buildCognito(t *testing.T) {
	t.Helper()
	out, err := poolsClient(t).CreateUserPoolClient(t.Context(), &cognitoidentityprovider.CreateUserPoolClientInput{
		UserPoolId: aws.String(clouds.Env()["OIDCS3_SANDBOX_COGNITO_USER_POOL_ID"]), ClientName: aws.String(m.role()), GenerateSecret: true,
		AllowedOAuthFlows: []cognitotypes.OAuthFlowType{cognitotypes.OAuthFlowTypeClientCredentials}, AllowedOAuthFlowsUserPoolClient: true,
		AllowedOAuthScopes:  strings.Fields(clouds.Env()["OIDCS3_SANDBOX_COGNITO_SCOPES"]),
		AccessTokenValidity: aws.Int32(1), TokenValidityUnits: &cognitotypes.TokenValidityUnitsType{AccessToken: cognitotypes.TimeUnitsTypeHours},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.clientID, m.secret, m.subject = *out.UserPoolClient.ClientId, *out.UserPoolClient.ClientSecret, *out.UserPoolClient.ClientId
}

// env is a value of the foundation that the server's API is part of.
func (l legacy) env(name string) string {
	return clouds.Env()["OIDCS3_SANDBOX_"+strings.ToUpper(l.idp)+"_"+name+l.api]
}

// buildRole makes aws_iam_role and aws_iam_role_policy.
func (m *legacyThing) buildRole(t *testing.T) {
	t.Helper()
	trust := encoded(t, m.trustPolicy())
	if m.trust != nil {
		trust = m.trust(trust)
	}
	tags := map[string]string{"Project": "oidc-s3-uploader", "ManagedBy": "Terraform", "Environment": "dev", "Server": m.name}
	maps.Copy(tags, m.tags)
	in := &awsiam.CreateRoleInput{RoleName: aws.String(m.role()), AssumeRolePolicyDocument: &trust, MaxSessionDuration: &m.duration}
	if m.path != "" {
		in.Path = &m.path
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		in.Tags = append(in.Tags, iamtypes.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	out, err := iamClient(t).CreateRole(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	m.roleARN = *out.Role.Arn
	policies := m.inlinePolicies(t)
	if m.policies != nil {
		m.policies(policies)
	}
	for name, document := range policies {
		_, err := iamClient(t).PutRolePolicy(t.Context(), &awsiam.PutRolePolicyInput{
			RoleName: aws.String(m.role()), PolicyName: aws.String(name), PolicyDocument: aws.String(document),
		})
		if err != nil {
			t.Fatalf("%s: %v", document, err)
		}
	}
}

type object = map[string]any

func policyOf(statement object) object {
	return object{"Version": "2012-10-17", "Statement": []any{statement}}
}

func (m *legacyThing) trustPolicy() object {
	if m.idp == "cognito" {
		return policyOf(object{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": object{"AWS": clouds.Env()["OIDCS3_SANDBOX_VENDING_ROLE_ARN"]}})
	}
	provider := m.env("OIDC_PROVIDER_ARN")
	_, issuer, _ := strings.Cut(provider, ":oidc-provider/")
	return policyOf(object{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": object{"Federated": provider},
		"Condition": object{"StringEquals": object{issuer + ":aud": m.env("AUDIENCE"), issuer + ":sub": m.subject}}})
}

func (m *legacyThing) inlinePolicies(t *testing.T) map[string]string {
	t.Helper()
	bucket := "arn:aws:s3:::" + clouds.Env()["OIDCS3_SANDBOX_BUCKET"]
	actions := map[string][]string{
		"write": {"s3:PutObject"}, "read-write": {"s3:PutObject", "s3:GetObject"}, "full": {"s3:PutObject", "s3:GetObject", "s3:DeleteObject"},
	}[m.level]
	policies := map[string]string{
		"s3-object-access": encoded(t, policyOf(object{"Effect": "Allow", "Action": actions, "Resource": bucket + "/" + m.prefix + "*"})),
	}
	if m.level == "full" {
		policies["s3-list-access"] = encoded(t, policyOf(object{"Effect": "Allow", "Action": []string{"s3:ListBucket"}, "Resource": bucket,
			"Condition": object{"StringLike": object{"s3:prefix": []string{m.prefix + "*"}}}}))
	}
	return policies
}

// buildRow makes aws_dynamodb_table_item.
func (m *legacyThing) buildRow(t *testing.T) {
	t.Helper()
	if err := putRow(t, m.clientID, m.roleARN, m.name, m.prefix); err != nil {
		t.Fatal(err)
	}
}

func putRow(t *testing.T, client, role, server, prefix string) error {
	t.Helper()
	item := map[string]dynamotypes.AttributeValue{}
	for name, value := range map[string]string{"client_id": client, "role_arn": role, "server_name": server, "s3_path_prefix": prefix} {
		item[name] = &dynamotypes.AttributeValueMemberS{Value: value}
	}
	_, err := dynamoClient(t).PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(clouds.Env()["OIDCS3_SANDBOX_CLIENT_ROLES_TABLE"]), Item: item})
	return err
}

// encoded is what Terraform's jsonencode makes of it.
func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// server is the configuration that takes it over. What the module's callers tagged, it tags.
func (m *legacyThing) server() server {
	s := server{name: m.name, idp: m.idp, prefix: m.prefix, permissions: m.level, provider: legacyProvider,
		more: fmt.Sprintf("max_session_duration = %d\ntags = { Server = %q }", m.duration, m.name)}
	if m.api != "" {
		s.identity = withAZP(m.idp)
	}
	return s
}

// legacyProvider has the default tags that the module's AWS provider had.
const legacyProvider = `environment = "dev"
default_tags = { Project = "oidc-s3-uploader", ManagedBy = "Terraform", Environment = "dev" }`
