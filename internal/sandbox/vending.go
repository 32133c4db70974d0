package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/lambda"
)

const (
	rolesTable       = "oidc-s3-dev-client-roles"
	vendingRole      = "oidc-s3-vending-dev" // not one of the roles that it may assume: oidc-s3-dev-*
	resourceServer   = "https://s3-uploader.dev.example.com"
	vendingInstances = 4
	// A function's credentials are renewed by Lambda; the sandbox's last as long as anybody will run it.
	functionSession = 7 * 24 * time.Hour
)

// layCognito makes a user pool, the mapping table and the credential vending service's role.
func (s *Sandbox) layCognito(ctx context.Context) error {
	env := &s.environment
	pool, err := s.cognito.CreatePool(ctx, "oidc-s3-dev", env.cognitoHost, map[string][]string{resourceServer: {"read", "write"}})
	if err != nil {
		return fmt.Errorf("user pool: %w", err)
	}
	table, err := s.dynamodb.CreateTable(ctx, rolesTable, "client_id")
	if err != nil {
		return fmt.Errorf("mapping table: %w", err)
	}
	role, err := s.iam.CreateRole(ctx, iam.RoleSpec{
		Name:        vendingRole,
		TrustPolicy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
		InlinePolicies: map[string]string{"vending": fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:%s:iam::%s:role/oidc-s3-dev-*"},
			{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"%s"}]}`, s.options.partition(), s.options.AccountID, table)},
	})
	if err != nil {
		return fmt.Errorf("role of the vending service: %w", err)
	}
	// Where all this is, by the names that tests and demos know and by those that the provider reads.
	for _, v := range []variable{
		{"COGNITO_USER_POOL_ID", pool}, {"COGNITO_DOMAIN", env.cognitoHost}, {"VENDING_ROLE_ARN", role}, {"CLIENT_ROLES_TABLE", rolesTable},
	} {
		env.add("OIDCS3_SANDBOX_"+v.name, v.value)
		env.add("OIDCS3_"+v.name, v.value)
	}
	env.add("OIDCS3_SANDBOX_COGNITO_SCOPES", resourceServer+"/read "+resourceServer+"/write")
	if s.options.VendingBinary == "" {
		return nil
	}
	return s.startVending(ctx, pool)
}

// startVending runs the credential vending service as Lambda would: the real binary, with the credentials of its role.
func (s *Sandbox) startVending(ctx context.Context, pool string) error {
	keyID, secret, token := "ASIA"+strings.ToUpper(rand.Text()[:16]), rand.Text()+rand.Text(), rand.Text()+rand.Text()
	role, _ := s.engine.Role(ctx, vendingRole)
	s.engine.AddSession(authz.Session{
		AccessKeyID: keyID, Secret: secret, Token: token, RoleName: role.Name, RoleARN: role.ARN, RoleID: role.ID, Name: "vending",
		ARN:    fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/vending", s.options.partition(), s.options.AccountID, vendingRole),
		Issued: s.options.Now(), Expires: s.options.Now().Add(functionSession),
	})
	type issuer struct {
		Provider    string   `json:"identity_provider"`
		URL         string   `json:"issuer"`
		Audience    string   `json:"audience,omitempty"`
		Scopes      []string `json:"required_scopes,omitempty"`
		ClientClaim string   `json:"client_claim,omitempty"`
	}
	config, err := json.Marshal(map[string]any{
		"client_roles_table_name": rolesTable,
		"buckets":                 []any{map[string]string{"name": foundationBucket}},
		"requests_per_minute":     6000,
		"request_burst":           1000,
		"row_cache_seconds":       0, // a server that was just changed is seen at once
		"issuers": []issuer{
			{Provider: "cognito", URL: s.cognito.Issuer(pool), Scopes: []string{resourceServer + "/write"}},
			{Provider: "auth0", URL: s.auth0.Issuer(), Audience: auth0Audience},
			{Provider: "entra", URL: s.entra.Issuer(1), Audience: entraAudience, ClientClaim: "appid"},
		},
	})
	if err != nil {
		return err
	}
	ca := filepath.Join(s.options.Dir, "ca.pem")
	if err := writeFile(ca, s.authority.pem(), 0o644); err != nil {
		return err
	}
	s.function, err = lambda.Start(context.WithoutCancel(ctx), lambda.Config{
		Binary: s.options.VendingBinary, Instances: vendingInstances, Logs: s.options.Log,
		Now: s.options.Now, AccountID: s.options.AccountID, Region: s.options.Region, Partition: s.options.partition(),
		Env: map[string]string{
			"AWS_ENDPOINT_URL": s.environment.awsEndpoint, "AWS_CA_BUNDLE": ca, "SSL_CERT_FILE": ca,
			"AWS_ACCESS_KEY_ID": keyID, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token,
			"OIDCS3_VENDING_CONFIG_JSON": string(config),
		},
	})
	if err != nil {
		return fmt.Errorf("vending service: %w", err)
	}
	listener, address, err := s.listen()
	if err != nil {
		return err
	}
	s.serve(listener, s.edge.Wrap(s.function))
	s.states["vending"] = s.function.State
	s.environment.add("OIDCS3_SANDBOX_VENDING_URL", "https://"+address)
	s.environment.add("OIDCS3_VENDING_URL", "https://"+address)
	return nil
}
