package provider_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"

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
	clouds, err = sandbox.Start(context.Background(), sandbox.Options{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = clouds.Close() }()
	for name, value := range clouds.Env() {
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

var factories = map[string]func() (tfprotov6.ProviderServer, error){
	"oidcs3": providerserver.NewProtocol6WithError(provider.New("test")()),
}

const address = "oidcs3_server_access.this"

// server is the configuration of one server under test.
type server struct {
	name        string
	prefix      string            // default: "t/<name>/"
	permissions string            // default: not set
	provider    string            // the provider block's inside; default: environment = "dev"
	auth0       map[string]string // over audience and oidc_provider_arn of the foundation; a value of "-" removes it
	more        string            // further lines of the resource
}

// hcl is the server's configuration.
func (s server) hcl() string {
	if s.provider == "" {
		s.provider = `environment = "dev"`
	}
	if s.prefix == "" {
		s.prefix = "t/" + s.name + "/"
	}
	auth0 := map[string]string{
		"audience":          clouds.Env()["OIDCS3_SANDBOX_AUTH0_AUDIENCE"],
		"oidc_provider_arn": clouds.Env()["OIDCS3_SANDBOX_AUTH0_OIDC_PROVIDER_ARN"],
	}
	maps.Copy(auth0, s.auth0)
	var b strings.Builder
	fmt.Fprintf(&b, "provider \"oidcs3\" {\n%s\n}\n\nresource \"oidcs3_server_access\" \"this\" {\n", s.provider)
	fmt.Fprintf(&b, "server_name = %q\nbucket_name = %q\ns3_path_prefix = %q\n", s.name, clouds.Env()["OIDCS3_SANDBOX_BUCKET"], s.prefix)
	if s.permissions != "" {
		fmt.Fprintf(&b, "s3_permissions = %q\n", s.permissions)
	}
	b.WriteString("auth0 = {\n")
	for _, key := range slices.Sorted(maps.Keys(auth0)) {
		if auth0[key] != "-" {
			fmt.Fprintf(&b, "%s = %q\n", key, auth0[key])
		}
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
