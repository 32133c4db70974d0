package provider_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/provider"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

const reads = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:*","sts:AssumeRole"],"Resource":"*"}}`

// role makes a role that may read roles and assume others, and returns its ARN.
func role(t *testing.T, name, trust string) string {
	t.Helper()
	client := iamClient(t)
	made, err := client.CreateRole(t.Context(), &awsiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust, MaxSessionDuration: aws.Int32(7200)})
	if err != nil {
		t.Fatal(err)
	}
	allow(t, name)
	return *made.Role.Arn
}

// allow lets a role read roles and assume others.
func allow(t *testing.T, name string) {
	t.Helper()
	_, err := iamClient(t).PutRolePolicy(t.Context(), &awsiam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("reads"), PolicyDocument: aws.String(reads)})
	if err != nil {
		t.Fatal(err)
	}
}

// trusts is a trust policy for a principal, under conditions in JSON.
func trusts(principal, conditions string) string {
	if conditions == "" {
		conditions = "{}"
	}
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":%q},"Action":["sts:AssumeRole","sts:SetSourceIdentity"],"Condition":%s}}`,
		principal, conditions)
}

const wholeAccount = "arn:aws:iam::123456789012:root"

// validated is a provider that has looked at settings and not been configured with them yet.
func validated(t *testing.T, settings object) (*wire, *tfprotov6.DynamicValue, []*tfprotov6.Diagnostic) {
	t.Helper()
	w := &wire{t: t, server: provider.Server("1.2.3")()}
	var err error
	if w.schemas, err = w.server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{}); err != nil {
		t.Fatal(err)
	}
	config := w.nested(w.schemas.Provider.ValueType(), settings)
	valid, err := w.server.ValidateProviderConfig(t.Context(), &tfprotov6.ValidateProviderConfigRequest{Config: config})
	if err != nil {
		t.Fatal(err)
	}
	return w, config, valid.Diagnostics
}

// listed configures a provider with aws settings and has it list servers, as a plan would. It returns what is wrong, which
// is empty for nothing.
func listed(t *testing.T, settings object) string {
	t.Helper()
	ctx := t.Context()
	w, config, problems := validated(t, object{"aws": settings})
	if text := errorsOf(problems); text != "" {
		return text
	}
	configured, err := w.server.ConfigureProvider(ctx, &tfprotov6.ConfigureProviderRequest{Config: config, TerraformVersion: "1.11.4"})
	if err != nil {
		t.Fatal(err)
	}
	read, err := w.server.ReadDataSource(ctx, &tfprotov6.ReadDataSourceRequest{
		TypeName: "oidcs3_servers", Config: w.nested(w.schemas.DataSourceSchemas["oidcs3_servers"].ValueType(), object{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return errorsOf(configured.Diagnostics, read.Diagnostics)
}

// mustList is listed for settings that work. It returns the ARNs of those who asked IAM, of whom the session's name says
// that this test has them ask.
func mustList(t *testing.T, session string, settings object) []string {
	t.Helper()
	if problem := listed(t, settings); problem != "" {
		t.Fatal(problem)
	}
	var callers []string
	for _, call := range clouds.Edge().Calls().Calls() {
		if call.Service == "iam" && strings.HasSuffix(call.Caller, "/"+session) && !slices.Contains(callers, call.Caller) {
			callers = append(callers, call.Caller)
		}
	}
	return callers
}

func wantProblem(t *testing.T, problem string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(problem, want) {
			t.Errorf("the problem is %q, without %q", problem, want)
		}
	}
}

// TestAWSSettings_chain assumes two roles, of which the second trusts the first and nobody else.
func TestAWSSettings_chain(t *testing.T) {
	first := role(t, "chain-first", trusts(wholeAccount, ""))
	second := role(t, "chain-second", trusts(first, ""))
	link := func(arn string) object { return object{"role_arn": arn, "session_name": "chained"} }
	callers := mustList(t, "chained", object{"assume_role": []any{link(first), link(second)}})
	if want := []string{"arn:aws:sts::123456789012:assumed-role/chain-second/chained"}; !slices.Equal(callers, want) {
		t.Errorf("IAM was asked by %v, not %v", callers, want)
	}
	wantProblem(t, listed(t, object{"assume_role": []any{link(second)}}), "Cannot assume IAM Role", "chain-second")
	wantProblem(t, listed(t, object{"assume_role": []any{link(second), link(first)}}), "Cannot assume IAM Role", "chain-second")
}

// TestAWSSettings_externalID: the role asks for an external id.
func TestAWSSettings_externalID(t *testing.T) {
	arn := role(t, "external", trusts(wholeAccount, `{"StringEquals":{"sts:ExternalId":"agreed/upon"}}`))
	with := func(id any) object {
		return object{"assume_role": []any{object{"role_arn": arn, "session_name": "external", "external_id": id}}}
	}
	if callers := mustList(t, "external", with("agreed/upon")); len(callers) != 1 {
		t.Errorf("IAM was asked by %v", callers)
	}
	wantProblem(t, listed(t, with("another")), "Cannot assume IAM Role")
	wantProblem(t, listed(t, with(nil)), "Cannot assume IAM Role")
}

// TestAWSSettings_sessionPolicy: a session policy takes the right to list away, and managed ones give it back or not.
func TestAWSSettings_sessionPolicy(t *testing.T) {
	arn := role(t, "restricted", trusts(wholeAccount, ""))
	nothing := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}}`
	managed := func(name, document string) string {
		made, err := iamClient(t).CreatePolicy(t.Context(), &awsiam.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document})
		if err != nil {
			t.Fatal(err)
		}
		return *made.Policy.Arn
	}
	enough, tooLittle := managed("settings-enough", reads), managed("settings-too-little", nothing)
	for name, test := range map[string]struct {
		role    object
		refused bool
	}{
		"none":               {object{}, false},
		"inline, enough":     {object{"policy": reads}, false},
		"inline, too little": {object{"policy": nothing}, true},
		"ARN, enough":        {object{"policy_arns": []any{enough}}, false},
		"ARN, too little":    {object{"policy_arns": []any{tooLittle}}, true},
	} {
		maps.Copy(test.role, object{"role_arn": arn, "session_name": "restricted"})
		problem := listed(t, object{"assume_role": []any{test.role}, "max_retries": 3})
		if refused := strings.Contains(problem, "is not authorized to perform: iam:"); refused != test.refused || !refused && problem != "" {
			t.Errorf("%s: %q", name, problem)
		}
	}
}

// TestAWSSettings_whatArrives looks at what STS is asked: everything that a role's block says is there.
func TestAWSSettings_whatArrives(t *testing.T) {
	arn := role(t, "arrives", trusts(wholeAccount, `{"StringEquals":{"sts:SourceIdentity":"alice"}}`))
	sts := newRecorder(t)
	whole := object{"role_arn": arn, "session_name": "arrives", "duration": "1h15m", "source_identity": "alice"}
	settings := object{"endpoints": object{"sts": sts.URL}, "assume_role": []any{whole}}
	mustList(t, "arrives", settings)
	asked := sts.last(t, "AssumeRole")
	for name, want := range map[string]string{"RoleArn": arn, "RoleSessionName": "arrives", "DurationSeconds": "4500", "SourceIdentity": "alice"} {
		if got := asked.Get(name); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	// The sandbox has no session tags: that it refuses them says no more than that they arrive.
	whole["tags"], whole["transitive_tag_keys"] = object{"Team": "storage"}, []any{"Team"}
	wantProblem(t, listed(t, settings), "Session tags are not supported here")
	asked = sts.last(t, "AssumeRole")
	for name, want := range map[string]string{"Tags.member.1.Key": "Team", "Tags.member.1.Value": "storage", "TransitiveTagKeys.member.1": "Team"} {
		if got := asked.Get(name); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	// Nor has it another region.
	delete(whole, "tags")
	delete(whole, "transitive_tag_keys")
	settings["sts_region"] = "eu-central-1"
	wantProblem(t, listed(t, settings), "Credential should be scoped to a valid region")
	if scope := sts.last(t, "AssumeRole").Get("signature"); !strings.Contains(scope, "/eu-central-1/sts/") {
		t.Errorf("the call is signed as %s", scope)
	}
}

// recorder is a stand-in of STS, which keeps what it is asked and hands it on.
type recorder struct {
	*httptest.Server
	mu    sync.Mutex
	forms []url.Values
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	target, err := url.Parse(clouds.Env()["AWS_ENDPOINT_URL"])
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	onward := &httputil.ReverseProxy{
		Transport: clouds.Client().Transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Host = p.In.Host // it is signed
		},
	}
	r.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		form, err := url.ParseQuery(string(edge.PeekBody(req, 1<<20)))
		if err != nil {
			t.Error(err)
		}
		form.Set("signature", req.Header.Get("Authorization"))
		r.mu.Lock()
		r.forms = append(r.forms, form)
		r.mu.Unlock()
		onward.ServeHTTP(rw, req)
	}))
	t.Cleanup(r.Close)
	return r
}

// last is the form of the last call of an action.
func (r *recorder) last(t *testing.T, action string) url.Values {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, form := range slices.Backward(r.forms) {
		if form.Get("Action") == action {
			return form
		}
	}
	t.Fatalf("%s was not asked for", action)
	return nil
}

// TestAWSSettings_webIdentity gets credentials for a token of Auth0, which AWS keys in the environment do not stand in
// the way of, and goes on to another role from there.
func TestAWSSettings_webIdentity(t *testing.T) {
	made := legacy{name: "web-identity"}.build(t)
	allow(t, made.role())
	next := role(t, "web-identity-next", trusts(made.roleARN, ""))
	token, err := host{secret: made.secret, configuration: map[string]string{"identity_provider": "auth0", "auth0_domain": clouds.Env()["AUTH0_DOMAIN"],
		"auth0_client_id": made.clientID, "auth0_audience": made.env("AUDIENCE")}}.token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	identity := func(session string, more object) object {
		i := object{"role_arn": made.roleARN, "session_name": session, "duration": "20m"}
		maps.Copy(i, more)
		return object{"assume_role_with_web_identity": i}
	}
	want := "arn:aws:sts::123456789012:assumed-role/" + made.role()
	for session, more := range map[string]object{"by-token": {"web_identity_token": token}, "by-file": {"web_identity_token_file": file}} {
		if callers := mustList(t, session, identity(session, more)); !slices.Equal(callers, []string{want + "/" + session}) {
			t.Errorf("IAM was asked by %v", callers)
		}
	}
	chained := identity("first-link", object{"web_identity_token": token})
	chained["assume_role"] = []any{object{"role_arn": next, "session_name": "second-link"}}
	if callers := mustList(t, "second-link", chained); len(callers) != 1 || !strings.Contains(callers[0], "web-identity-next") {
		t.Errorf("IAM was asked by %v", callers)
	}
	forged := token[:len(token)-8] + "AAAAAAAA"
	wantProblem(t, listed(t, identity("forged", object{"web_identity_token": forged})), "InvalidIdentityToken")
	wantProblem(t, listed(t, identity("no-file", object{"web_identity_token_file": file + "-missing"})), "no such file")
	nothing := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}}`
	wantProblem(t, listed(t, identity("restricted", object{"web_identity_token": token, "policy": nothing})), "is not authorized to perform: iam:")
}

// TestAWSSettings_accounts: credentials of an account that is forbidden, or not allowed, change nothing.
func TestAWSSettings_accounts(t *testing.T) {
	const ours, another = "123456789012", "999999999999"
	for name, test := range map[string]struct {
		settings object
		want     string
	}{
		"allowed":       {object{"allowed_account_ids": []any{another, ours}}, ""},
		"not allowed":   {object{"allowed_account_ids": []any{another}}, "belong to account 123456789012, which is not one of allowed_account_ids [999999999999]"},
		"forbidden":     {object{"forbidden_account_ids": []any{another, ours}}, "belong to account 123456789012, which is one of forbidden_account_ids"},
		"not forbidden": {object{"forbidden_account_ids": []any{another}}, ""},
	} {
		if problem := listed(t, test.settings); (problem == "") != (test.want == "") || !strings.Contains(problem, test.want) {
			t.Errorf("%s: %q", name, problem)
		}
	}
}

// TestAWSSettings_profile takes keys of one profile of a shared file to assume the role of another.
func TestAWSSettings_profile(t *testing.T) {
	name := "settings-profile"
	client := iamClient(t)
	user, err := client.CreateUser(t.Context(), &awsiam.CreateUserInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	key, err := client.CreateAccessKey(t.Context(), &awsiam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	arn := role(t, "by-profile", trusts(*user.User.Arn, ""))
	dir := t.TempDir()
	write := func(file, text string) string {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	credentials := write("credentials", fmt.Sprintf("[keys]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
		*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey))
	config := write("config", fmt.Sprintf("[profile storage]\nrole_arn = %s\nsource_profile = keys\nrole_session_name = by-profile\n", arn))
	settings := object{"profile": "storage", "shared_config_files": []any{config}, "shared_credentials_files": []any{credentials}}
	if callers := mustList(t, "by-profile", settings); len(callers) != 1 {
		t.Errorf("IAM was asked by %v", callers)
	}
	settings["profile"] = "nobody"
	wantProblem(t, listed(t, settings), "shared config profile, nobody")
}

// TestAWSSettings_maxRetries counts how often a call is tried that fails each time. It runs alone: no other test meets the
// faults.
func TestAWSSettings_maxRetries(t *testing.T) {
	const operation = "GetAccountAuthorizationDetails"
	tries := func(settings object) (n int) {
		clouds.Edge().Calls().Clear()
		defer clouds.Edge().Faults().Clear()
		if err := clouds.Edge().Faults().Add(edge.Fault{Service: "iam", Operation: operation, Kind: edge.InternalError, Times: 100}); err != nil {
			t.Fatal(err)
		}
		wantProblem(t, listed(t, settings), "Servers were not listed", "InternalFailure")
		for _, call := range clouds.Edge().Calls().Calls() {
			if call.Operation == operation {
				n++
			}
		}
		return n
	}
	if n := tries(object{"max_retries": 2}); n != 2 {
		t.Errorf("with max_retries = 2 there were %d attempts", n)
	}
	t.Setenv("AWS_MAX_ATTEMPTS", "3")
	if n := tries(object{}); n != 3 {
		t.Errorf("with AWS_MAX_ATTEMPTS = 3 there were %d attempts", n)
	}
	if n := tries(object{"max_retries": 1}); n != 1 {
		t.Errorf("max_retries = 1 does not win over the environment: there were %d attempts", n)
	}
}

// TestAWSSettings_refused expects what cannot work to be refused before anything is asked, by the path of its attribute.
func TestAWSSettings_refused(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:iam::123456789012:role/x"
	assumed := func(more object) object {
		r := object{"role_arn": arn}
		maps.Copy(r, more)
		return object{"assume_role": []any{r}}
	}
	identified := func(more object) object {
		i := object{"role_arn": arn, "web_identity_token": "a.b.c"}
		maps.Copy(i, more)
		return object{"assume_role_with_web_identity": i}
	}
	with := func(settings, more object) object { maps.Copy(settings, more); return settings }
	for name, test := range map[string]struct {
		settings object
		path     string // of the attribute, with dots
		want     string
	}{
		"allowed and forbidden":     {object{"allowed_account_ids": []any{"123456789012"}, "forbidden_account_ids": []any{"999999999999"}}, "allowed_account_ids", "forbidden_account_ids"},
		"account in words":          {object{"forbidden_account_ids": []any{"production"}}, "forbidden_account_ids.production", "12 digits"},
		"key without secret":        {object{"access_key": "AKIA"}, "access_key", "secret_key"},
		"secret without key":        {object{"secret_key": "s"}, "secret_key", "access_key"},
		"token without key":         {object{"token": "t"}, "token", "access_key"},
		"no retries at all":         {object{"max_retries": 0}, "max_retries", "at least 1"},
		"no roles":                  {object{"assume_role": []any{}}, "assume_role", "at least 1"},
		"role that is a user":       {assumed(object{"role_arn": "arn:aws:iam::123456789012:user/x"}), "assume_role.0.role_arn", "role/"},
		"role without ARN":          {assumed(object{"role_arn": "x"}), "assume_role.0.role_arn", "is no ARN"},
		"duration too short":        {assumed(object{"duration": "14m59s"}), "assume_role.0.duration", "15 minutes to 12 hours"},
		"duration too long":         {assumed(object{"duration": "12h1s"}), "assume_role.0.duration", "15 minutes to 12 hours"},
		"duration without unit":     {assumed(object{"duration": "3600"}), "assume_role.0.duration", "1h or 45m"},
		"session name":              {assumed(object{"session_name": "a b"}), "assume_role.0.session_name", "2 to 64"},
		"source identity":           {assumed(object{"source_identity": "a"}), "assume_role.0.source_identity", "2 to 64"},
		"external id":               {assumed(object{"external_id": "a"}), "assume_role.0.external_id", "2 or more"},
		"external id too long":      {assumed(object{"external_id": strings.Repeat("a", 1225)}), "assume_role.0.external_id", "1224"},
		"policy that is none":       {assumed(object{"policy": "[]"}), "assume_role.0.policy", "object in JSON"},
		"policy too long":           {assumed(object{"policy": "{" + strings.Repeat(" ", 2048) + "}"}), "assume_role.0.policy", "2048"},
		"policy ARN of a role":      {assumed(object{"policy_arns": []any{arn}}), "assume_role.0.policy_arns." + arn, "policy/NAME"},
		"second role of the chain":  {object{"assume_role": []any{object{"role_arn": arn}, object{"role_arn": arn, "duration": "1s"}}}, "assume_role.1.duration", "15 minutes"},
		"two tokens":                {identified(object{"web_identity_token_file": "/token"}), "assume_role_with_web_identity.web_identity_token", "one (and only one)"},
		"no token":                  {identified(object{"web_identity_token": nil}), "assume_role_with_web_identity.web_identity_token", "No attribute specified"},
		"keys and a token":          {with(identified(object{}), object{"access_key": "AKIA", "secret_key": "s"}), "assume_role_with_web_identity", "access_key"},
		"web identity for too long": {identified(object{"duration": "13h"}), "assume_role_with_web_identity.duration", "12 hours"},
	} {
		_, _, problems := validated(t, object{"aws": test.settings})
		found := false
		for _, p := range problems {
			found = found || p.Attribute != nil && dotted(p.Attribute) == "aws."+test.path && strings.Contains(p.Summary+p.Detail, test.want)
		}
		if !found {
			t.Errorf("%s: %s is not named with %q: %s", name, test.path, test.want, errorsOf(problems))
			for _, p := range problems {
				t.Logf("  at %s", dotted(p.Attribute))
			}
		}
	}
	for name, settings := range map[string]object{
		"AWS's own policy, another partition": assumed(object{"role_arn": "arn:aws-cn:iam::123456789012:role/a/b", "policy_arns": []any{"arn:aws-us-gov:iam::aws:policy/ReadOnlyAccess"}}),
		"the limits":                          assumed(object{"duration": "12h", "external_id": strings.Repeat("a", 1224), "session_name": "ab"}),
		"known only after apply":              {"allowed_account_ids": []any{notKnown{}}, "assume_role": []any{object{"role_arn": notKnown{}, "duration": notKnown{}}}},
	} {
		if _, _, problems := validated(t, object{"aws": settings}); len(problems) > 0 {
			t.Errorf("%s: %s", name, errorsOf(problems))
		}
	}
}

// dotted is an attribute's path with dots between its steps.
func dotted(path *tftypes.AttributePath) string {
	var steps []string
	for _, step := range path.Steps() {
		switch step := step.(type) {
		case tftypes.AttributeName:
			steps = append(steps, string(step))
		case tftypes.ElementKeyInt:
			steps = append(steps, strconv.FormatInt(int64(step), 10))
		case tftypes.ElementKeyValue:
			var text string
			if tftypes.Value(step).As(&text) == nil {
				steps = append(steps, text)
			}
		}
	}
	return strings.Join(steps, ".")
}

// TestAWSSettings_endpoints leads IAM elsewhere, by the block and by the environment, of which the block counts more.
func TestAWSSettings_endpoints(t *testing.T) {
	asked := func(r *recorder) int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.forms)
	}
	here, there := newRecorder(t), newRecorder(t)
	t.Setenv("AWS_ENDPOINT_URL_IAM", there.URL)
	if problem := listed(t, object{}); problem != "" {
		t.Fatal(problem)
	}
	before := asked(there)
	if problem := listed(t, object{"endpoints": object{"iam": here.URL}}); problem != "" {
		t.Fatal(problem)
	}
	if before == 0 || asked(here) == 0 || asked(there) != before {
		t.Errorf("the environment's endpoint was asked %d times without the block's and %d times in all, the block's %d times", before, asked(there), asked(here))
	}
}
