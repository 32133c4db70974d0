package provider_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
)

// TestAccServerAccess_badArguments expects every bad argument to be refused at plan, by the path of its attribute.
func TestAccServerAccess_badArguments(t *testing.T) {
	t.Parallel()
	good := server{name: "refused"}
	with := func(change func(*server)) server {
		s := good
		change(&s)
		return s
	}
	for name, c := range map[string]struct {
		config string
		want   string // of the error, with blanks for any white space
	}{
		"server name with a slash":  {with(func(s *server) { s.name = "a/b" }).hcl(), `with oidcs3_server_access.this.*server_name`},
		"server name too short":     {with(func(s *server) { s.name = "a" }).hcl(), `server_name`},
		"name too long in all":      {with(func(s *server) { s.name = strings.Repeat("a", 60) }).hcl(), `Name too long`},
		"prefix without slash":      {with(func(s *server) { s.prefix = "backups/one" }).hcl(), `s3_path_prefix`},
		"prefix with leading slash": {with(func(s *server) { s.prefix = "/backups/" }).hcl(), `s3_path_prefix`},
		"prefix with wildcard":      {with(func(s *server) { s.prefix = "backups/*/" }).hcl(), `s3_path_prefix`},
		"prefix with variable":      {with(func(s *server) { s.prefix = "backups/$${aws:username}/" }).hcl(), `s3_path_prefix`},
		"prefix with dots":          {with(func(s *server) { s.prefix = "backups/../other/" }).hcl(), `s3_path_prefix`},
		"permission level":          {with(func(s *server) { s.permissions = "all" }).hcl(), `s3_permissions`},
		"session too long":          {with(func(s *server) { s.more = "max_session_duration = 43201" }).hcl(), `max_session_duration`},
		"session too short":         {with(func(s *server) { s.more = "max_session_duration = 3599" }).hcl(), `max_session_duration`},
		"boundary of another kind":  {with(func(s *server) { s.more = `permissions_boundary = "arn:aws:iam::123456789012:role/x"` }).hcl(), `permissions_boundary`},
		"key that is no ARN":        {with(func(s *server) { s.more = `kms_key_arn = "alias/x"` }).hcl(), `kms_key_arn`},
		"reserved tag":              {with(func(s *server) { s.more = `tags = { "oidcs3:phase" = "ready" }` }).hcl(), `tags`},
		"provider ARN of a role": {with(func(s *server) {
			s.identity = map[string]string{"oidc_provider_arn": `"arn:aws:iam::123456789012:role/x"`}
		}).hcl(), `Invalid OIDC provider ARN`},
		"unknown token profile":  {with(func(s *server) { s.identity = map[string]string{"token_profile": `"jwt"`} }).hcl(), `token_profile`},
		"environment missing":    {with(func(s *server) { s.provider = `project = "oidc-s3"` }).hcl(), `Environment missing`},
		"no identity provider":   {strings.NewReplacer("auth0 = {", "tags = {").Replace(with(func(*server) {}).hcl()), `auth0`},
		"key without its method": {with(func(s *server) { s.more = "client_authentication = { public_key_pem = <<-E\n" + publicKey(t) + "E\n}" }).hcl(), `Public key without use`},
		"method without its key": {with(func(s *server) { s.more = `client_authentication = { method = "private_key_jwt" }` }).hcl(), `Public key missing`},
		"name that is no parameter's": {with(func(s *server) {
			s.name, s.more = "a+b", `client_authentication = { secret_storage = "ssm" }`
		}).hcl(), `Parameter Store takes no such name.*with oidcs3_server_access.this.*contains '\+'`},
		"project that no parameter has": {with(func(s *server) {
			s.provider, s.more = "environment = \"dev\"\nproject = \"ssm\"", `client_authentication = { secret_storage = "ssm" }`
		}).hcl(), `Parameter Store takes no such name`},
		"private key": {with(func(s *server) {
			s.more = "client_authentication = { method = \"private_key_jwt\", public_key_pem = \"-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\" }"
		}).hcl(), `must stay on the server`},
		"audience that has no API": {with(func(s *server) { s.identity = map[string]string{"audience": `"https://nobody.example"`} }).hcl(), `has no API with the audience`},
		"provider that is not there": {with(func(s *server) {
			s.identity = map[string]string{"oidc_provider_arn": `"arn:aws:iam::123456789012:oidc-provider/nobody.example/"`}
		}).hcl(), `has no OIDC provider`},
		"provider that does not know the audience": {with(func(s *server) {
			s.identity = withAZP("auth0")
			s.identity["token_profile"] = `"rfc9068"`
		}).hcl(), `does not accept the audience`},
		"level without its scope":     {server{name: "refused", idp: "cognito", permissions: "read-write", identity: map[string]string{"allowed_scopes": `["https://s3-uploader.dev.example.com/write"]`}}.hcl(), `Scope missing`},
		"scope that is not there":     {server{name: "refused", idp: "cognito", identity: map[string]string{"allowed_scopes": `["https://nobody.example/write"]`}}.hcl(), `does not exist`},
		"STS for Cognito":             {server{name: "refused", idp: "cognito", more: `federation = "sts"`}.hcl(), `Federation not possible`},
		"vending without a table":     {server{name: "refused", more: `federation = "vending"`}.hcl(), `Missing client_roles_table_name`},
		"Entra API that is not there": {server{name: "refused", idp: "entra", identity: map[string]string{"audience": `"api://nobody"`}}.hcl(), `has no API with the audience`},
		"Entra API of another id": {server{name: "refused", idp: "entra", identity: map[string]string{
			"audience": withAZP("entra")["audience"], "oidc_provider_arn": withAZP("entra")["oidc_provider_arn"],
			"api_client_id": `"11111111-2222-3333-4444-555555555555"`}}.hcl(), `has the client id`},
		"tenant that is not there": {with(func(s *server) {
			s.provider = `environment = "dev"
auth0 = { domain = "127.0.0.1:9", api_token = "t" }`
		}).hcl(), `auth0`},
	} {
		t.Run(name, func(t *testing.T) {
			pattern := "(?s)" + strings.ReplaceAll(c.want, " ", `[\s│]+`)
			run(t, nil, resource.TestStep{Config: c.config, PlanOnly: true, ExpectError: regexp.MustCompile(pattern)})
		})
	}
}

// publicKey makes a key and returns its public half in PEM form.
func publicKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
