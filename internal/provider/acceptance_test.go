package provider_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/programs"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/provider"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
)

// clouds is the sandbox of all acceptance tests. The provider finds it as it would find any clouds: by its environment.
var clouds *sandbox.Sandbox

func TestMain(m *testing.M) { os.Exit(withClouds(m)) }

func withClouds(m *testing.M) int {
	dir, err := os.MkdirTemp("", "oidcs3-provider-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := chooseProgram(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	vending, err := programs.Build(programs.Vending)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	clouds, err = sandbox.Start(context.Background(), sandbox.Options{Dir: dir, VendingBinary: vending})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = clouds.Close() }()
	environment := clouds.Env()
	environment["GOGC"], environment["GOMEMLIMIT"] = "off", "1GiB" // of thousands of CLI runs, none lives to need a collection
	for name, value := range environment {
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	// A test waits most of its time, for the CLI it runs or for clouds that take theirs. -parallel on the command line counts.
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return programs.Main(m)
}

var factories = map[string]func() (tfprotov6.ProviderServer, error){
	"oidcs3": func() (tfprotov6.ProviderServer, error) { return provider.Server("test")(), nil },
}

const address = "oidcs3_server_access.this"

// idps are the identity providers; every test of a server's life runs for each.
var idps = []string{"auth0", "entra", "cognito"}

// forEachIDP runs a test for each identity provider.
func forEachIDP(t *testing.T, test func(t *testing.T, idp string)) {
	t.Helper()
	for _, idp := range idps {
		t.Run(idp, func(t *testing.T) { test(t, idp) })
	}
}

// server is the configuration of one server under test.
type server struct {
	name        string
	idp         string            // default: "auth0"
	prefix      string            // default: "t/<name>/"
	permissions string            // default: not set
	provider    string            // the provider block's inside; default: environment = "dev"
	identity    map[string]string // over the foundation's values of the nested attribute
	more        string            // further lines of the resource
}

// foundation is what the sandbox's foundation says of an identity provider, as the nested attribute takes it.
func foundation(idp string) map[string]string {
	env := clouds.Env()
	quoted := func(names map[string]string) map[string]string {
		values := map[string]string{}
		for attribute, name := range names {
			values[attribute] = strconv.Quote(env["OIDCS3_SANDBOX_"+name])
		}
		return values
	}
	switch idp {
	case "entra":
		return quoted(map[string]string{"audience": "ENTRA_AUDIENCE", "oidc_provider_arn": "ENTRA_OIDC_PROVIDER_ARN"})
	case "cognito":
		values := quoted(map[string]string{"user_pool_id": "COGNITO_USER_POOL_ID", "domain": "COGNITO_DOMAIN",
			"vending_role_arn": "VENDING_ROLE_ARN", "vending_url": "VENDING_URL", "client_roles_table_name": "CLIENT_ROLES_TABLE"})
		values["allowed_scopes"] = fmt.Sprintf("split(\" \", %q)", env["OIDCS3_SANDBOX_COGNITO_SCOPES"])
		return values
	}
	return quoted(map[string]string{"audience": "AUTH0_AUDIENCE", "oidc_provider_arn": "AUTH0_OIDC_PROVIDER_ARN"})
}

// withAZP is the foundation's API whose tokens carry azp.
func withAZP(idp string) map[string]string {
	prefix := "OIDCS3_SANDBOX_" + strings.ToUpper(idp)
	return map[string]string{"audience": strconv.Quote(clouds.Env()[prefix+"_AUDIENCE_AZP"]),
		"oidc_provider_arn": strconv.Quote(clouds.Env()[prefix+"_OIDC_PROVIDER_ARN_AZP"])}
}

// hcl is the server's configuration.
func (s server) hcl() string {
	if s.provider == "" {
		s.provider = `environment = "dev"`
	}
	if s.idp == "" {
		s.idp = "auth0"
	}
	if s.prefix == "" {
		s.prefix = "t/" + s.name + "/"
	}
	identity := foundation(s.idp)
	maps.Copy(identity, s.identity)
	var b strings.Builder
	fmt.Fprintf(&b, "provider \"oidcs3\" {\n%s\n}\n\nresource \"oidcs3_server_access\" \"this\" {\n", s.provider)
	fmt.Fprintf(&b, "server_name = %q\nbucket_name = %q\ns3_path_prefix = %q\n", s.name, clouds.Env()["OIDCS3_SANDBOX_BUCKET"], s.prefix)
	if s.permissions != "" {
		fmt.Fprintf(&b, "s3_permissions = %q\n", s.permissions)
	}
	fmt.Fprintf(&b, "%s = {\n", s.idp)
	for _, key := range slices.Sorted(maps.Keys(identity)) {
		fmt.Fprintf(&b, "%s = %s\n", key, identity[key])
	}
	fmt.Fprintf(&b, "}\n%s\n}\n", s.more)
	return b.String()
}

// run runs the steps and checks that the destroy at the end leaves nothing of the servers.
func run(t *testing.T, names []string, steps ...resource.TestStep) {
	t.Helper()
	resource.ParallelTest(t, resource.TestCase{
		ProtoV6ProviderFactories: factories,
		Steps:                    steps,
		CheckDestroy:             nothingLeft(t, names...),
	})
}

// in expects an action of the plan of the server under test.
func in(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, action)}}
}
