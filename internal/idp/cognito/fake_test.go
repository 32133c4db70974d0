package cognito_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	cognitoidp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/cognito"
)

const (
	poolID = "eu-west-1_AbCdEfGhI"
	target = "AWSCognitoIdentityProviderService."
)

// fault is what happens to the next calls of an operation: status 0 closes the connection.
type fault struct {
	status  int
	code    string
	after   bool // the call takes effect first
	forever bool
}

// fake is a user pool that speaks Cognito's protocol.
type fake struct {
	t *testing.T

	mu      sync.Mutex
	clients map[string]map[string]any // by id
	servers []map[string]any
	pool    map[string]any
	made    int
	calls   []string
	bodies  []map[string]any
	regions map[string]bool
	faults  map[string]fault
}

func newFake(t *testing.T) *fake {
	t.Helper()
	return &fake{
		t: t, clients: map[string]map[string]any{}, regions: map[string]bool{}, faults: map[string]fault{},
		pool:    map[string]any{"Id": poolID, "Arn": "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/" + poolID, "Domain": "oidc-s3"},
		servers: []map[string]any{{"Identifier": "s3", "Scopes": []any{map[string]any{"ScopeName": "upload"}, map[string]any{"ScopeName": "read"}}}},
	}
}

// provider returns an adapter whose calls end at the fake.
func (f *fake) provider(change ...func(*cognito.Config)) *cognito.Provider {
	f.t.Helper()
	server := httptest.NewTLSServer(f)
	f.t.Cleanup(server.Close)
	config := cognito.Config{
		Client: cognitoidp.New(cognitoidp.Options{
			BaseEndpoint: &server.URL, Region: "us-east-1", HTTPClient: server.Client(), RetryMaxAttempts: 2,
			APIOptions:  awsanswer.Options(),
			Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "SECRET", ""),
		}),
		PoolID: poolID, Domain: "oidc-s3", Region: "us-east-1", Sleep: func(context.Context, time.Duration) error { return nil },
	}
	for _, one := range change {
		one(&config)
	}
	p, err := cognito.New(config)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func (f *fake) count(operation string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, one := range f.calls {
		if one == operation {
			n++
		}
	}
	return n
}

func (f *fake) fail(operation string, next fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[operation] = next
}

func (f *fake) last() map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bodies[len(f.bodies)-1]
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), target)
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		f.t.Errorf("%s: the body does not parse: %v", operation, err)
	}
	f.calls, f.bodies = append(f.calls, operation), append(f.bodies, body)
	if parts := strings.Split(r.Header.Get("Authorization"), "/"); len(parts) > 2 {
		f.regions[parts[2]] = true
	}
	next, faulty := f.faults[operation]
	if faulty && !next.forever {
		delete(f.faults, operation)
	}
	answer, code := map[string]any(nil), ""
	if !faulty || next.after {
		answer, code = f.do(operation, body)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	switch {
	case faulty && next.status == 0:
		panic(http.ErrAbortHandler)
	case faulty:
		w.WriteHeader(next.status)
		answer = map[string]any{"__type": next.code, "message": "message of Cognito"}
	case code != "":
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]any{"__type": code, "message": "message of Cognito"}
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		f.t.Error(err)
	}
}

// notStored are members of requests that are no properties of a client.
var notStored = []string{"GenerateSecret"}

func (f *fake) do(operation string, body map[string]any) (answer map[string]any, code string) {
	if body["UserPoolId"] != poolID {
		return nil, "ResourceNotFoundException"
	}
	id, _ := body["ClientId"].(string)
	found, exists := f.clients[id]
	if id != "" && !exists {
		return nil, "ResourceNotFoundException"
	}
	switch operation {
	case "DescribeUserPool":
		return map[string]any{"UserPool": f.pool}, ""
	case "ListResourceServers":
		return page(f.servers, 1, body, "ResourceServers")
	case "ListUserPoolClients":
		var all []map[string]any
		for _, key := range slices.Sorted(maps.Keys(f.clients)) {
			all = append(all, map[string]any{"ClientId": key, "ClientName": f.clients[key]["ClientName"], "UserPoolId": poolID})
		}
		return page(all, 2, body, "UserPoolClients")
	case "DescribeUserPoolClient":
		return map[string]any{"UserPoolClient": found}, ""
	case "CreateUserPoolClient":
		f.made++
		id = fmt.Sprintf("client-%d", f.made)
		body["ClientId"] = id
		if body["GenerateSecret"] == true {
			body["ClientSecret"] = "secret-of-" + id
		}
		body["EnableTokenRevocation"] = true
	case "UpdateUserPoolClient":
		body["ClientSecret"] = found["ClientSecret"] // all else is reset
	case "DeleteUserPoolClient":
		delete(f.clients, id)
		return map[string]any{}, ""
	default:
		return nil, "UnknownOperationException"
	}
	for _, scope := range body["AllowedOAuthScopes"].([]any) {
		if scope == "s3/nonsense" {
			return nil, "ScopeDoesNotExistException"
		}
	}
	kept := maps.Clone(body)
	maps.DeleteFunc(kept, func(name string, _ any) bool { return slices.Contains(notStored, name) })
	f.clients[id] = kept
	return map[string]any{"UserPoolClient": kept}, ""
}

// page gives size objects at a time.
func page(all []map[string]any, size int, body map[string]any, name string) (map[string]any, string) {
	from := 0
	if token, ok := body["NextToken"].(string); ok {
		if _, err := fmt.Sscanf(token, "from-%d", &from); err != nil {
			return nil, "InvalidParameterException"
		}
	}
	to := min(from+size, len(all))
	answer := map[string]any{name: all[from:to]}
	if to < len(all) {
		answer["NextToken"] = fmt.Sprintf("from-%d", to)
	}
	return answer, ""
}

func spec() idp.Spec {
	return idp.Spec{Name: "oidc-s3-dev-web-01", OnboardingID: "o-1", Audience: poolID, Scopes: []string{"s3/upload"}, Method: idp.ClientSecret}
}

// existing puts a client into the pool that has what ours has and more.
func (f *fake) existing(changes map[string]any) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made++
	id := fmt.Sprintf("client-%d", f.made)
	one := map[string]any{
		"UserPoolId": poolID, "ClientId": id, "ClientName": spec().Name, "ClientSecret": "secret-of-" + id,
		"AllowedOAuthFlowsUserPoolClient": true, "AllowedOAuthFlows": []any{"client_credentials"}, "AllowedOAuthScopes": []any{"s3/upload"},
		"EnableTokenRevocation": true, "RefreshTokenValidity": 30.0, "CreationDate": 1.7e9,
	}
	maps.Copy(one, changes)
	f.clients[id] = one
	return id
}

func (f *fake) stored(id string) map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.clients[id])
}
