// Package layers leads the layers below terraform/ to clouds that an environment names: it leaves the states that the
// foundations would have left, and tells terraform where the provider is that was just built. The demo and the layers'
// own tests share it.
//
// What the layers contain does not belong here: that is HCL.
package layers

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
)

// Names of the environment that the sandbox's foundation is of, and of the providers that it is for.
const (
	Project     = "oidc-s3"
	Environment = "dev"
	Auth0       = "auth0"
	Entra       = "entra"
	Cognito     = "cognito"
)

// ServersKey is the key of the servers layer's state in the state bucket.
const ServersKey = "oidc-s3/servers.tfstate"

// FoundationKey is the key of a foundation's state in the state bucket.
func FoundationKey(identityProvider string) string {
	return "oidc-s3/foundation-" + identityProvider + ".tfstate"
}

// Outputs are what the foundation of each identity provider outputs for the servers layer. env is the sandbox's, in which
// the foundation is made already.
func Outputs(env map[string]string) map[string]map[string]any {
	of := func(name string) string { return env["OIDCS3_SANDBOX_"+name] }
	identities := map[string]map[string]any{
		Auth0: {"audience": of("AUTH0_AUDIENCE"), "oidc_provider_arn": of("AUTH0_OIDC_PROVIDER_ARN")},
		Entra: {"audience": of("ENTRA_AUDIENCE"), "oidc_provider_arn": of("ENTRA_OIDC_PROVIDER_ARN"),
			"api_client_id": of("ENTRA_API_CLIENT_ID"), "token_version": "v1"},
		Cognito: {"user_pool_id": of("COGNITO_USER_POOL_ID"), "domain": of("COGNITO_DOMAIN"),
			"allowed_scopes":   strings.Fields(of("COGNITO_SCOPES")),
			"vending_role_arn": of("VENDING_ROLE_ARN"), "vending_url": of("VENDING_URL"),
			"client_roles_table_name": of("CLIENT_ROLES_TABLE")},
	}
	outputs := map[string]map[string]any{}
	for name, identity := range identities {
		outputs[name] = map[string]any{
			"project": Project, "environment": Environment, "aws_region": env["AWS_REGION"],
			"bucket_name": of("BUCKET"), "bucket_arn": "arn:aws:s3:::" + of("BUCKET"),
			name: identity, // kms_key_arn and permissions_boundary_arn are null, and Terraform keeps no such output
		}
	}
	return outputs
}

// LeaveStates makes the state bucket and puts the state of each foundation into it.
func LeaveStates(ctx context.Context, env map[string]string, bucket string) error {
	client, err := Client(env)
	if err != nil {
		return err
	}
	_, err = client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: &types.CreateBucketConfiguration{
		LocationConstraint: types.BucketLocationConstraint(env["AWS_REGION"])}})
	if err != nil {
		return fmt.Errorf("create state bucket %s: %w", bucket, err)
	}
	for name, outputs := range Outputs(env) {
		state, err := state(outputs)
		if err != nil {
			return fmt.Errorf("state of the foundation of %s: %w", name, err)
		}
		_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String(FoundationKey(name)), Body: bytes.NewReader(state)})
		if err != nil {
			return fmt.Errorf("put state of the foundation of %s: %w", name, err)
		}
	}
	return nil
}

// state is a Terraform state of version 4 that holds outputs and nothing else.
func state(values map[string]any) ([]byte, error) {
	type output struct {
		Value any `json:"value"`
		Type  any `json:"type"`
	}
	outputs := map[string]output{}
	for name, value := range values {
		outputs[name] = output{value, typeOf(value)}
	}
	return json.Marshal(map[string]any{
		"version": 4, "terraform_version": "1.11.0", "serial": 1, "lineage": "00000000-0000-4000-8000-000000000000",
		"outputs": outputs, "resources": []any{},
	})
}

// typeOf is a value's type in the JSON form of Terraform's type expressions.
func typeOf(value any) any {
	switch value := value.(type) {
	case []string:
		return []any{"set", "string"}
	case map[string]any:
		attributes := map[string]any{}
		for name, attribute := range value {
			attributes[name] = typeOf(attribute)
		}
		return []any{"object", attributes}
	}
	return "string"
}

// Client is a client of the environment's S3.
func Client(env map[string]string) (*s3.Client, error) {
	ca, err := os.ReadFile(env["AWS_CA_BUNDLE"])
	if err != nil {
		return nil, fmt.Errorf("read AWS_CA_BUNDLE: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("AWS_CA_BUNDLE holds no certificate")
	}
	return s3.New(s3.Options{
		Region:       env["AWS_REGION"],
		BaseEndpoint: aws.String(env["AWS_ENDPOINT_URL"]),
		UsePathStyle: true,
		APIOptions:   awsanswer.Options(),
		Credentials:  credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], ""),
		HTTPClient:   &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}},
	}), nil
}
