package cli

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
)

// sent notes requests, and answers none.
type sent []string

func (s *sent) RoundTrip(r *http.Request) (*http.Response, error) {
	*s = append(*s, r.Method+" "+r.URL.Path)
	return nil, io.ErrUnexpectedEOF
}

// TestOnlyGets: no request that changes something leaves the program.
func TestOnlyGets(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]bool{
		"GET /api/v2/clients": true, "GET /v1.0/applications": true, "POST /oauth/token": true, "POST /tenant/oauth2/v2.0/token": true,
		"POST /api/v2/clients": false, "PATCH /api/v2/clients/c": false, "DELETE /api/v2/clients/c": false, "PUT /oauth/token": false,
		"POST /v1.0/$batch": false, "POST /oauth/token/revoke": false,
	} {
		method, path, _ := strings.Cut(request, " ")
		r, err := http.NewRequestWithContext(t.Context(), method, "https://tenant.example.com"+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		var through sent
		a := &app{Process: Process{Transport: &through}}
		if response, err := a.idpOptions().HTTPClient.Transport.RoundTrip(r); err == nil {
			_ = response.Body.Close()
			t.Errorf("%s: answered", request)
		}
		if len(through) > 0 != want {
			t.Errorf("%s: sent: %t, want %t", request, len(through) > 0, want)
		}
	}
}

// TestOnlyReads: no call that changes something leaves the program.
func TestOnlyReads(t *testing.T) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1", "AWS_CA_BUNDLE": ""} {
		t.Setenv(name, value)
	}
	config, err := (&app{}).aws(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var through sent
	config.HTTPClient = &http.Client{Transport: &through}
	config.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	roles, table := awsiam.NewFromConfig(config), dynamodb.NewFromConfig(config)
	for name, test := range map[string]struct {
		call func(context.Context) error
		want bool
	}{
		"GetRole": {func(ctx context.Context) error {
			_, err := roles.GetRole(ctx, &awsiam.GetRoleInput{RoleName: aws.String("r")})
			return err
		}, true},
		"Scan": {func(ctx context.Context) error {
			_, err := table.Scan(ctx, &dynamodb.ScanInput{TableName: aws.String("t")})
			return err
		}, true},
		"DeleteRole": {func(ctx context.Context) error {
			_, err := roles.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: aws.String("r")})
			return err
		}, false},
		"TagRole": {func(ctx context.Context) error {
			_, err := roles.TagRole(ctx, &awsiam.TagRoleInput{RoleName: aws.String("r")})
			return err
		}, false},
		"DeleteItem": {func(ctx context.Context) error {
			_, err := table.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String("t")})
			return err
		}, false},
	} {
		through = nil
		if err := test.call(t.Context()); err == nil {
			t.Errorf("%s: answered", name)
		}
		if len(through) > 0 != test.want {
			t.Errorf("%s: sent: %t, want %t", name, len(through) > 0, test.want)
		}
	}
}

// TestPublishedPolicies: the published policies allow what the report reads, and nothing else.
func TestPublishedPolicies(t *testing.T) {
	t.Parallel()
	var allowed []string
	for _, name := range []string{"access-report.json", "access-report-vending.json"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", "policies", name))
		if err != nil {
			t.Fatal(err)
		}
		var policy struct {
			Statement []struct{ Action []string }
		}
		if err := json.Unmarshal(text, &policy); err != nil {
			t.Fatal(err)
		}
		for _, s := range policy.Statement {
			for _, action := range s.Action {
				_, operation, _ := strings.Cut(action, ":")
				allowed = append(allowed, operation)
			}
		}
	}
	slices.Sort(allowed)
	if want := slices.Sorted(slices.Values(reads)); !slices.Equal(allowed, want) {
		t.Errorf("the policies allow\n%v\nand the report reads\n%v", allowed, want)
	}
}
