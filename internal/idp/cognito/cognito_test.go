package cognito_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cognitoidp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/cognito"
)

// part is the app client itself.
func part(t *testing.T, p *cognito.Provider) idp.Part {
	t.Helper()
	parts := p.Parts()
	if len(parts) != 2 || parts[0].Name != "app client" {
		t.Fatalf("parts %v", parts)
	}
	return parts[0]
}

func TestNew(t *testing.T) {
	t.Parallel()
	client := cognitoidp.New(cognitoidp.Options{Region: "eu-west-1"})
	for name, c := range map[string]struct {
		config cognito.Config
		ok     bool
	}{
		"prefix":        {cognito.Config{Client: client, PoolID: poolID, Domain: "oidc-s3"}, true},
		"host and port": {cognito.Config{Client: client, PoolID: poolID, Domain: "127.0.0.1:8443"}, true},
		"no client":     {cognito.Config{PoolID: poolID, Domain: "oidc-s3"}, false},
		"no pool":       {cognito.Config{Client: client, Domain: "oidc-s3"}, false},
		"no region":     {cognito.Config{Client: client, PoolID: "pool_x", Domain: "oidc-s3"}, false},
		"region given":  {cognito.Config{Client: client, PoolID: "pool_x", Domain: "oidc-s3", Region: "eu-west-1"}, true},
		"an ARN":        {cognito.Config{Client: client, PoolID: "arn:aws:cognito-idp:eu-west-1:1:userpool/" + poolID, Domain: "oidc-s3"}, false},
		"no domain":     {cognito.Config{Client: client, PoolID: poolID}, false},
		"a URL":         {cognito.Config{Client: client, PoolID: poolID, Domain: "https://x/"}, false},
	} {
		p, err := cognito.New(c.config)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && p.Kind() != idp.Cognito {
			t.Errorf("%s: kind %s", name, p.Kind())
		}
	}
}

func TestAPI(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		arn, domain, issuer string
		want                idp.API
	}{
		"prefix": {"arn:aws:cognito-idp:eu-west-1:1:userpool/x", "oidc-s3", "", idp.API{
			Issuer: "https://cognito-idp.eu-west-1.amazonaws.com/" + poolID, TokenEndpoint: "https://oidc-s3.auth.eu-west-1.amazoncognito.com/oauth2/token"}},
		"host": {"arn:aws:cognito-idp:eu-west-1:1:userpool/x", "login.example.com", "", idp.API{
			Issuer: "https://cognito-idp.eu-west-1.amazonaws.com/" + poolID, TokenEndpoint: "https://login.example.com/oauth2/token"}},
		"port and issuer": {"", "127.0.0.1:8443", "https://127.0.0.1:8443/pool", idp.API{
			Issuer: "https://127.0.0.1:8443/pool", TokenEndpoint: "https://127.0.0.1:8443/oauth2/token"}},
		"China": {"arn:aws-cn:cognito-idp:eu-west-1:1:userpool/x", "oidc-s3", "", idp.API{
			Issuer: "https://cognito-idp.eu-west-1.amazonaws.com.cn/" + poolID, TokenEndpoint: "https://oidc-s3.auth.eu-west-1.amazoncognito.com/oauth2/token"}},
		"GovCloud": {"arn:aws-us-gov:cognito-idp:eu-west-1:1:userpool/x", "oidc-s3", "", idp.API{
			Issuer: "https://cognito-idp.eu-west-1.amazonaws.com/" + poolID, TokenEndpoint: "https://oidc-s3.auth-fips.eu-west-1.amazoncognito.com/oauth2/token"}},
	} {
		f := newFake(t)
		f.pool["Arn"] = c.arn
		f.servers = append(f.servers, map[string]any{"Identifier": "https://api", "Scopes": []any{map[string]any{"ScopeName": "x"}}}, map[string]any{"Identifier": "empty"})
		p := f.provider(func(config *cognito.Config) { config.Domain, config.Issuer = c.domain, c.issuer })
		c.want.Audience, c.want.Scopes = poolID, []string{"https://api/x", "s3/read", "s3/upload"}
		var wait sync.WaitGroup
		for range 5 {
			wait.Go(func() {
				if got, err := p.API(context.Background(), poolID); err != nil || !reflect.DeepEqual(got, c.want) {
					t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
				}
			})
		}
		wait.Wait()
		if n := f.count("DescribeUserPool"); n != 1 {
			t.Errorf("%s: the pool was read %d times", name, n)
		}
		if !f.regions["eu-west-1"] || len(f.regions) != 1 {
			t.Errorf("%s: calls went to %v", name, f.regions)
		}
	}
}

func TestAPIRefusals(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	p := f.provider()
	if _, err := p.API(context.Background(), "eu-west-1_other"); !apierror.Is(err, apierror.NotFound) {
		t.Errorf("another pool: %v", err)
	}
	f.fail("DescribeUserPool", fault{status: 400, code: "ResourceNotFoundException"})
	if _, err := p.API(context.Background(), poolID); !apierror.Is(err, apierror.NotFound) {
		t.Errorf("no such pool: %v", err)
	}
	f.fail("ListResourceServers", fault{status: 400, code: "NotAuthorizedException"})
	if _, err := p.API(context.Background(), poolID); !apierror.Is(err, apierror.Denied) {
		t.Errorf("denied: %v", err)
	}
	if _, err := p.API(context.Background(), poolID); err != nil {
		t.Errorf("a failure is remembered: %v", err)
	}
	other := f.provider(func(config *cognito.Config) { config.Domain = "another" })
	if _, err := other.API(context.Background(), poolID); !apierror.Is(err, apierror.Invalid) || !strings.Contains(err.Error(), "oidc-s3") {
		t.Errorf("another's domain: %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.provider().API(ended, poolID); err == nil {
		t.Error("a cancelled read succeeds")
	}
}

func TestClientLife(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	p := f.provider()
	ctx, one, want := context.Background(), part(t, p), spec()
	var c idp.Client
	if got := one.Deviations(c, want); !slices.Equal(got, []string{"app client oidc-s3-dev-web-01 is missing"}) {
		t.Errorf("deviations of nothing: %q", got)
	}
	if err := one.Apply(ctx, &c, want); err != nil {
		t.Fatal(err)
	}
	if c.ID != "client-1" || c.Subject != c.ID || c.Secret.Reveal() != "secret-of-client-1" || c.Name != want.Name || c.Method != idp.ClientSecret {
		t.Errorf("made %+v", c)
	}
	if got := one.Deviations(c, want); len(got) != 0 {
		t.Errorf("deviations once made: %q", got)
	}
	sent := f.last()
	for name, value := range map[string]any{
		"GenerateSecret": true, "AllowedOAuthFlowsUserPoolClient": true, "AllowedOAuthFlows": []any{"client_credentials"},
		"AllowedOAuthScopes": []any{"s3/upload"}, "AccessTokenValidity": 1.0, "ExplicitAuthFlows": []any{"ALLOW_REFRESH_TOKEN_AUTH"},
	} {
		if !reflect.DeepEqual(sent[name], value) {
			t.Errorf("created with %s %v, want %v", name, sent[name], value)
		}
	}
	for name, which := range map[string]idp.Lookup{"id": {ID: c.ID}, "name": {Name: want.Name}} {
		found, err := p.Find(ctx, which)
		if err != nil || found.ID != c.ID || found.Secret != c.Secret || len(one.Deviations(found, want)) != 0 {
			t.Errorf("found by %s: %+v, %v", name, found, err)
		}
	}
	if err := p.Delete(ctx, c); err != nil {
		t.Fatal(err)
	}
	if err := p.Delete(ctx, c); err != nil {
		t.Errorf("a second delete: %v", err)
	}
	if err := p.Delete(ctx, idp.Client{}); err != nil {
		t.Errorf("delete of nothing: %v", err)
	}
	for name, which := range map[string]idp.Lookup{"id": {ID: c.ID}, "name": {Name: want.Name}} {
		if _, err := p.Find(ctx, which); !apierror.Is(err, apierror.NotFound) {
			t.Errorf("found by %s once gone: %v", name, err)
		}
	}
	if err := one.Apply(ctx, &idp.Client{}, want); err != nil {
		t.Errorf("made again: %v", err)
	}
}

func TestFindByName(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for i := range 5 {
		f.existing(map[string]any{"ClientName": fmt.Sprintf("other-%d", i)})
	}
	id := f.existing(nil)
	p := f.provider()
	if found, err := p.Find(context.Background(), idp.Lookup{Name: spec().Name}); err != nil || found.ID != id {
		t.Errorf("found %q, %v", found.ID, err)
	}
	if n := f.count("ListUserPoolClients"); n != 3 {
		t.Errorf("%d pages", n)
	}
	f.existing(nil)
	if _, err := p.Find(context.Background(), idp.Lookup{Name: spec().Name}); !apierror.Is(err, apierror.Conflict) || !strings.Contains(err.Error(), id) {
		t.Errorf("two of a name: %v", err)
	}
	since := time.Unix(1_800_000_000, 0)
	second := f.existing(map[string]any{"CreationDate": float64(since.Add(time.Second).Unix())})
	if found, err := p.Find(context.Background(), idp.Lookup{Name: spec().Name, Since: since}); err != nil || found.ID != second {
		t.Errorf("one that is older than its role: found %q, %v", found.ID, err)
	}
	if _, err := p.Find(context.Background(), idp.Lookup{Name: spec().Name, Since: since.Add(time.Hour)}); !apierror.Is(err, apierror.NotFound) {
		t.Errorf("all of them are older: %v", err)
	}
	if _, err := p.Find(context.Background(), idp.Lookup{Name: spec().Name, OnboardingID: "o-1"}); !apierror.Is(err, apierror.NotFound) {
		t.Errorf("of an onboarding whose role is gone: %v", err)
	}
	if _, err := p.Find(context.Background(), idp.Lookup{OnboardingID: "o-1"}); !apierror.Is(err, apierror.Invalid) {
		t.Errorf("an onboarding id alone: %v", err)
	}
}

func TestDeviationsAndMending(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		changes map[string]any
		want    string
	}{
		"name":          {map[string]any{"ClientName": "other"}, "name is other instead of oidc-s3-dev-web-01"},
		"flow":          {map[string]any{"AllowedOAuthFlows": []any{"code"}}, "AllowedOAuthFlows is [code] instead of [client_credentials]"},
		"more flows":    {map[string]any{"AllowedOAuthFlows": []any{"code", "client_credentials"}}, "AllowedOAuthFlows is [client_credentials code] instead of [client_credentials]"},
		"off":           {map[string]any{"AllowedOAuthFlowsUserPoolClient": false}, "AllowedOAuthFlowsUserPoolClient is false instead of true"},
		"more scopes":   {map[string]any{"AllowedOAuthScopes": []any{"s3/upload", "s3/admin"}}, "AllowedOAuthScopes is [s3/admin s3/upload] instead of [s3/upload]"},
		"validity":      {map[string]any{"AccessTokenValidity": 24}, "access token validity is 24h0m0s instead of 1h0m0s"},
		"in minutes":    {map[string]any{"AccessTokenValidity": 60, "TokenValidityUnits": map[string]any{"AccessToken": "minutes"}}, ""},
		"few minutes":   {map[string]any{"AccessTokenValidity": 5, "TokenValidityUnits": map[string]any{"AccessToken": "minutes", "IdToken": "days"}}, "access token validity is 5m0s instead of 1h0m0s"},
		"callback URLs": {map[string]any{"CallbackURLs": []any{"https://x"}}, ""},
	} {
		f := newFake(t)
		id := f.existing(c.changes)
		p := f.provider()
		one := part(t, p)
		before, err := p.Find(context.Background(), idp.Lookup{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(one.Deviations(before, spec()), "; "); got != c.want {
			t.Errorf("%s: deviations %q, want %q", name, got, c.want)
		}
		was, now := f.stored(id), before
		if err := one.Apply(context.Background(), &now, spec()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := one.Deviations(now, spec()); len(got) != 0 || now.Secret != before.Secret {
			t.Errorf("%s: deviations once mended: %q", name, got)
		}
		if updates := f.count("UpdateUserPoolClient"); (updates == 1) != (c.want != "") {
			t.Errorf("%s: %d updates", name, updates)
		}
		if err := one.Revert(context.Background(), &now, before); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		reverted, err := p.Find(context.Background(), idp.Lookup{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(one.Deviations(reverted, spec()), "; "); got != c.want {
			t.Errorf("%s: deviations once reverted: %q, want %q", name, got, c.want)
		}
		if !reflect.DeepEqual(was["CallbackURLs"], f.stored(id)["CallbackURLs"]) {
			t.Errorf("%s: callback URLs changed", name)
		}
	}
}

// What Cognito shows of a client and takes in an update must come back, whatever it is: what is not sent is reset.
func TestUpdateKeepsWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	theirs := map[string]any{
		"AnalyticsConfiguration": map[string]any{"ApplicationId": "a"}, "AuthSessionValidity": 5.0, "CallbackURLs": []any{"https://x"}, "DefaultRedirectURI": "https://x",
		"EnablePropagateAdditionalUserContextData": true, "EnableTokenRevocation": false, "ExplicitAuthFlows": []any{"ALLOW_USER_SRP_AUTH"}, "IdTokenValidity": 2.0,
		"LogoutURLs": []any{"https://y"}, "PreventUserExistenceErrors": "LEGACY", "ReadAttributes": []any{"email"}, "WriteAttributes": []any{"name"},
		"RefreshTokenRotation": map[string]any{"Feature": "ENABLED", "RetryGracePeriodSeconds": 10.0}, "RefreshTokenValidity": 7.0, "SupportedIdentityProviders": []any{"COGNITO"},
		"TokenValidityUnits": map[string]any{"AccessToken": "hours", "IdToken": "hours", "RefreshToken": "days"}, "AccessTokenValidity": 1.0,
	}
	ours := []string{"UserPoolId", "ClientId", "ClientName", "AllowedOAuthFlows", "AllowedOAuthFlowsUserPoolClient", "AllowedOAuthScopes"}
	shown := reflect.TypeFor[types.UserPoolClientType]()
	for field := range reflect.TypeFor[cognitoidp.UpdateUserPoolClientInput]().Fields() {
		if _, readable := shown.FieldByName(field.Name); readable && field.IsExported() && !slices.Contains(ours, field.Name) && theirs[field.Name] == nil {
			t.Errorf("the SDK's update has a new member %s that this test does not know", field.Name)
		}
	}
	theirs["AllowedOAuthScopes"] = []any{"s3/admin"}
	id := f.existing(theirs)
	p := f.provider()
	c, err := p.Find(context.Background(), idp.Lookup{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	if err := part(t, p).Apply(context.Background(), &c, spec()); err != nil {
		t.Fatal(err)
	}
	sent := f.stored(id)
	for name, value := range theirs {
		if name != "AllowedOAuthScopes" && !reflect.DeepEqual(sent[name], value) {
			t.Errorf("%s was %v and is %v", name, value, sent[name])
		}
	}
	if !reflect.DeepEqual(sent["AllowedOAuthScopes"], []any{"s3/upload"}) {
		t.Errorf("scopes are %v", sent["AllowedOAuthScopes"])
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := newFake(t)
	p := f.provider()
	one := part(t, p)
	key := spec()
	key.Method = idp.PrivateKeyJWT
	if err := one.Apply(ctx, &idp.Client{}, key); !apierror.Is(err, apierror.Invalid) || f.count("CreateUserPoolClient") != 0 {
		t.Errorf("private_key_jwt: %v", err)
	}
	nonsense := spec()
	nonsense.Scopes = []string{"s3/nonsense"}
	if err := one.Apply(ctx, &idp.Client{}, nonsense); !apierror.Is(err, apierror.Invalid) || !strings.Contains(err.Error(), "ScopeDoesNotExistException") {
		t.Errorf("a scope that does not exist: %v", err)
	}
	id := f.existing(map[string]any{"ClientSecret": nil})
	public, err := p.Find(ctx, idp.Lookup{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	if got := one.Deviations(public, spec()); !slices.Equal(got, []string{"app client has no secret"}) {
		t.Errorf("deviations of a client without a secret: %q", got)
	}
	if got := one.Deviations(public, key); len(got) != 2 {
		t.Errorf("deviations of a client that shall use a key: %q", got)
	}
	if err := one.Apply(ctx, &public, spec()); !apierror.Is(err, apierror.Conflict) {
		t.Errorf("mending a client without a secret: %v", err)
	}
	gone := idp.Client{ID: "gone", Secret: "x"}
	if err := one.Apply(ctx, &gone, spec()); !apierror.Is(err, apierror.NotFound) {
		t.Errorf("mending a client that is gone: %v", err)
	}
	if err := one.Revert(ctx, &gone, gone); err != nil {
		t.Errorf("reverting a client that is gone: %v", err)
	}
}

func TestNamesThatAreTaken(t *testing.T) {
	t.Parallel()
	ctx, f := context.Background(), newFake(t)
	id := f.existing(nil)
	var late time.Duration
	p := f.provider(func(c *cognito.Config) { c.Now = func() time.Time { return time.Unix(0, 0).Add(late) } })
	one := part(t, p)
	var c idp.Client
	if err := one.Apply(ctx, &c, spec()); !apierror.Is(err, apierror.Exists) || !strings.Contains(err.Error(), id) || c.Exists() {
		t.Fatalf("a taken name: %v", err)
	}
	lists := f.count("ListUserPoolClients")
	for i := range 5 {
		other := spec()
		other.Name = fmt.Sprintf("other-%d", i)
		if err := one.Apply(ctx, &idp.Client{}, other); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.count("ListUserPoolClients"); n != lists {
		t.Errorf("%d more pages were read for free names", n-lists)
	}
	if err := p.Delete(ctx, idp.Client{ID: id}); err != nil {
		t.Fatal(err)
	}
	if err := one.Apply(ctx, &c, spec()); err != nil {
		t.Fatalf("a name that was given back: %v", err)
	}
	late = time.Hour
	stranger := spec()
	stranger.Name = "stranger"
	f.existing(map[string]any{"ClientName": "stranger"})
	if err := one.Apply(ctx, &idp.Client{}, stranger); !apierror.Is(err, apierror.Exists) {
		t.Errorf("a name that was taken an hour ago: %v", err)
	}
	f.fail("ListUserPoolClients", fault{status: 400, code: "NotAuthorizedException"})
	if err := one.Apply(ctx, &idp.Client{}, stranger); !apierror.Is(err, apierror.Denied) {
		t.Errorf("when names cannot be listed: %v", err)
	}
}

func TestCreateIsOneAttempt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault    fault
		kind     apierror.Kind
		attempts int
		clients  int
	}{
		"closed":             {fault{}, apierror.Ambiguous, 1, 0},
		"closed afterwards":  {fault{after: true}, apierror.Ambiguous, 1, 1},
		"500 afterwards":     {fault{status: 500, code: "InternalErrorException", after: true}, apierror.Ambiguous, 1, 1},
		"denied":             {fault{status: 400, code: "NotAuthorizedException"}, apierror.Denied, 1, 0},
		"quota":              {fault{status: 400, code: "LimitExceededException"}, apierror.Invalid, 1, 0},
		"flow":               {fault{status: 400, code: "InvalidOAuthFlowException"}, apierror.Invalid, 1, 0},
		"throttled once":     {fault{status: 400, code: "TooManyRequestsException"}, 0, 2, 1},
		"throttled for ever": {fault{status: 400, code: "TooManyRequestsException", forever: true}, apierror.Throttled, 28, 0},
	} {
		f := newFake(t)
		p := f.provider()
		one := part(t, p)
		f.fail("CreateUserPoolClient", c.fault)
		var made idp.Client
		err := one.Apply(context.Background(), &made, spec())
		if c.kind == 0 && err != nil || c.kind != 0 && !apierror.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
		if n := f.count("CreateUserPoolClient"); n != c.attempts {
			t.Errorf("%s: %d attempts, want %d", name, n, c.attempts)
		}
		if made.Exists() != (c.kind == 0) {
			t.Errorf("%s: client %q", name, made.ID)
		}
		found, err := p.Find(context.Background(), idp.Lookup{Name: spec().Name})
		if found.Exists() != (c.clients == 1) || c.clients == 0 && !apierror.Is(err, apierror.NotFound) {
			t.Errorf("%s: afterwards found %q, %v", name, found.ID, err)
		}
	}
}

func TestUpdateIsRepeated(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, c := range map[string]struct {
		fault fault
		kind  apierror.Kind
	}{
		"500":             {fault{status: 500, code: "InternalErrorException"}, 0},
		"closed":          {fault{after: true}, 0},
		"concurrent":      {fault{status: 400, code: "ConcurrentModificationException", forever: true}, apierror.Throttled},
		"500 for ever":    {fault{status: 500, code: "InternalErrorException", forever: true}, apierror.Ambiguous},
		"closed for ever": {fault{forever: true}, apierror.Ambiguous},
	} {
		f := newFake(t)
		id := f.existing(map[string]any{"AllowedOAuthScopes": []any{"s3/admin"}})
		p := f.provider()
		found, err := p.Find(ctx, idp.Lookup{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		f.fail("UpdateUserPoolClient", c.fault)
		err = part(t, p).Apply(ctx, &found, spec())
		if c.kind == 0 && err != nil || c.kind != 0 && !apierror.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
		if err != nil && strings.Contains(err.Error(), "secret-of") {
			t.Errorf("%s: the error shows a secret", name)
		}
	}
}
