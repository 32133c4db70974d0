package provider_test

import (
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
)

// connects is a proxy that opens tunnels and remembers where to. It knows the clouds by names that no resolver knows, so
// that whoever reaches them has come by way of it.
type connects struct {
	*httptest.Server
	aws string // address that stands for every host of AWS

	mu    sync.Mutex
	asked map[string]bool
}

func newConnects(t *testing.T, s *sandbox.Sandbox) *connects {
	t.Helper()
	endpoint, err := url.Parse(s.Env()["AWS_ENDPOINT_URL"])
	if err != nil {
		t.Fatal(err)
	}
	p := &connects{aws: net.JoinHostPort("127.0.0.1", endpoint.Port()), asked: map[string]bool{}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	p.Config.Handler = p
	return p
}

func (p *connects) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(rw, "this proxy opens tunnels only", http.StatusMethodNotAllowed)
		return
	}
	p.mu.Lock()
	p.asked[r.Host] = true
	p.mu.Unlock()
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	target := net.JoinHostPort("127.0.0.1", port)
	if strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".api.aws") {
		target = p.aws
	}
	far, err := net.Dial("tcp", target)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = far.Close() }()
	near, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = near.Close() }()
	if _, err := io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(far, near)
		close(done)
	}()
	_, _ = io.Copy(near, far)
	<-done
}

// taken returns the hosts that tunnels were opened to since it was last asked.
func (p *connects) taken() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	hosts := slices.Sorted(maps.Keys(p.asked))
	p.asked = map[string]bool{}
	return hosts
}

// without is the workplace without variables of those names, and then with more of them.
func (w *workplace) without(names []string, more ...string) *workplace {
	part := *w
	part.env = slices.DeleteFunc(slices.Clone(w.env), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(names, name)
	})
	part.env = append(part.env, more...)
	return &part
}

// proxies are the variables that name proxies.
var proxies = []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"}

// listing is a configuration that asks IAM and nobody else.
func listing(settings string) string {
	return oidcs3Block + "provider \"oidcs3\" {\n  aws = {\n    max_retries = 1\n" + settings + "  }\n}\n\ndata \"oidcs3_servers\" \"all\" {}\n"
}

// TestAccProxy reaches every cloud by a name that only the proxy knows, and looks at what it and the clouds were asked.
func TestAccProxy(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t, func(o *sandbox.Options) { o.Host = "clouds.test" })
	proxy := newConnects(t, w.clouds)
	env := w.clouds.Env()
	host := func(text string) string {
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			return u.Host
		}
		return text
	}
	aws, auth0 := host(env["AWS_ENDPOINT_URL"]), env["AUTH0_DOMAIN"]
	for _, test := range []struct {
		idp, variable string
		hosts         []string
	}{
		{"auth0", "HTTPS_PROXY", []string{aws, auth0}},
		{"entra", "https_proxy", []string{aws, env["OIDCS3_ENTRA_LOGIN_HOST"], host(env["OIDCS3_ENTRA_GRAPH_URL"])}},
	} {
		through := w.without(proxies, test.variable+"="+proxy.URL)
		dir := through.dir(callsConfiguration)
		args := []string{"-auto-approve", "-input=false", "-no-color", "-var=" + test.idp + "=" + identityOf(w.clouds, test.idp), `-var=servers={"proxied":"write"}`, "-var=wait=true"}
		for _, verb := range []string{"apply", "destroy"} {
			through.terraform(dir, append([]string{verb}, args...)...)
		}
		if slices.Sort(test.hosts); !slices.Equal(proxy.taken(), test.hosts) {
			t.Errorf("%s: the proxy was not asked for %v", test.variable, test.hosts)
		}
	}
	services := map[string]bool{}
	for _, call := range w.clouds.Edge().Calls().Calls() {
		services[call.Service] = true
		if call.UserAgent == "Go-http-client/1.1" && strings.HasPrefix(call.Operation, "GET ") {
			continue // the sandbox's STS, which fetches the issuers' keys
		}
		if !strings.Contains(call.UserAgent, "terraform-provider-oidcs3/dev Terraform/1.") {
			t.Errorf("%s of %s is asked by %q", call.Operation, call.Service, call.UserAgent)
		}
	}
	for _, service := range []string{"iam", "sts", "auth0", "graph"} {
		if !services[service] {
			t.Errorf("%s was asked nothing", service)
		}
	}

	w.env = w.without(proxies).env
	block := "https_proxy = \"" + proxy.URL + "\"\n"
	for name, test := range map[string]struct {
		settings string
		env      []string
		hosts    []string
	}{
		"block":                            {block, nil, []string{aws}},
		"block for HTTP, which serves TLS": {"http_proxy = \"" + proxy.URL + "\"\n", nil, []string{aws}},
		"block over environment":           {block, []string{"HTTPS_PROXY=http://127.0.0.1:1"}, []string{aws}},
		"none, by the block":               {"https_proxy = \"\"\n", []string{"HTTPS_PROXY=" + proxy.URL}, nil},
		"not for this host, by NO_PROXY":   {"", []string{"HTTPS_PROXY=" + proxy.URL, "NO_PROXY=clouds.test"}, nil},
		"not for this host, by no_proxy":   {"", []string{"https_proxy=" + proxy.URL, "no_proxy=.test"}, nil},
		"not for this host, by the block":  {"no_proxy = \"" + aws + "\"\n", []string{"HTTPS_PROXY=" + proxy.URL}, nil},
		"another host, by the block":       {"no_proxy = \"other.test\"\n", []string{"HTTPS_PROXY=" + proxy.URL, "NO_PROXY=clouds.test"}, []string{aws}},
	} {
		part := w.without(nil, test.env...)
		out, err := part.try(part.dir(listing(test.settings)), "plan", "-input=false", "-no-color")
		if (err == nil) != (test.hosts != nil) || !slices.Equal(proxy.taken(), test.hosts) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if err != nil && !strings.Contains(out, "lookup clouds.test") {
			t.Errorf("%s: it did not go straight to the clouds: %s", name, out)
		}
	}
}

// TestAccCustomCABundle trusts the clouds' certificate by the block alone.
func TestAccCustomCABundle(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	ca := w.clouds.Env()["AWS_CA_BUNDLE"]
	w = w.without([]string{"AWS_CA_BUNDLE", "SSL_CERT_FILE"})
	w.terraform(w.dir(listing("custom_ca_bundle = \""+ca+"\"\n")), "plan", "-input=false")
	if out, err := w.try(w.dir(listing("")), "plan", "-input=false", "-no-color"); err == nil || !strings.Contains(out, "certificate signed by unknown authority") {
		t.Errorf("without the bundle: %v\n%s", err, out)
	}
}

// servicesConfiguration makes servers that take every service of AWS that there is a use for.
const servicesConfiguration = oidcs3Block + `
variable "cognito" { type = any }
variable "auth0" { type = any }

provider "oidcs3" {
  environment = "dev"
  aws = {
    allowed_account_ids    = ["123456789012"]
    use_fips_endpoint      = FIPS
    use_dualstack_endpoint = DUAL
    MORE
  }
}

resource "oidcs3_server_access" "cognito" {
  server_name           = "by-cognito"
  bucket_name           = "oidc-s3-dev-uploads"
  s3_path_prefix        = "by-cognito/"
  cognito               = var.cognito
  client_authentication = { secret_storage = "ssm" }
}

resource "oidcs3_server_access" "auth0" {
  server_name           = "by-auth0"
  bucket_name           = "oidc-s3-dev-uploads"
  s3_path_prefix        = "by-auth0/"
  auth0                 = var.auth0
  wait_for_access       = true
  client_authentication = { secret_storage = "secretsmanager" }
}
`

// TestAccEndpoints asks AWS by its own names, which a proxy leads to the sandbox.
//
// The usual names of Cognito and Secrets Manager are dual-stack already, as the SDK's rules have it.
// https://docs.aws.amazon.com/general/latest/gr/rande.html
func TestAccEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t, func(o *sandbox.Options) {
		o.Region = "us-east-1" // where every service has every kind of endpoint
		o.TLSSANs = []string{"*.amazonaws.com", "*.us-east-1.amazonaws.com", "*.global.api.aws", "*.us-east-1.api.aws"}
	})
	proxy := newConnects(t, w.clouds)
	w = w.without(append(slices.Clone(proxies), "AWS_ENDPOINT_URL"), "HTTPS_PROXY="+proxy.URL)
	variables := []string{"-auto-approve", "-input=false", "-no-color", "-var=auth0=" + identityOf(w.clouds, "auth0"), "-var=cognito=" + identityOf(w.clouds, "cognito")}
	for _, test := range []struct {
		fips, dual, more string
		hosts            []string
	}{
		{"false", "false", "", []string{"iam.amazonaws.com", "sts.us-east-1.amazonaws.com", "dynamodb.us-east-1.amazonaws.com",
			"cognito-idp.us-east-1.amazonaws.com", "secretsmanager.us-east-1.amazonaws.com", "ssm.us-east-1.amazonaws.com"}},
		{"true", "false", "", []string{"iam-fips.amazonaws.com", "sts-fips.us-east-1.amazonaws.com", "dynamodb-fips.us-east-1.amazonaws.com",
			"cognito-idp-fips.us-east-1.amazonaws.com", "secretsmanager-fips.us-east-1.amazonaws.com", "ssm-fips.us-east-1.amazonaws.com"}},
		{"false", "true", "", []string{"iam.global.api.aws", "sts.us-east-1.api.aws", "dynamodb.us-east-1.api.aws",
			"cognito-idp.us-east-1.amazonaws.com", "secretsmanager.us-east-1.amazonaws.com", "ssm.us-east-1.api.aws"}},
		{"true", "false", `endpoints = { iam = "https://iam.amazonaws.com" }`, []string{"iam.amazonaws.com", "sts-fips.us-east-1.amazonaws.com", "dynamodb-fips.us-east-1.amazonaws.com",
			"cognito-idp-fips.us-east-1.amazonaws.com", "secretsmanager-fips.us-east-1.amazonaws.com", "ssm-fips.us-east-1.amazonaws.com"}},
	} {
		dir := w.dir(strings.NewReplacer("FIPS", test.fips, "DUAL", test.dual, "MORE", test.more).Replace(servicesConfiguration))
		for _, verb := range []string{"apply", "destroy"} {
			w.terraform(dir, append([]string{verb}, variables...)...)
		}
		var hosts []string
		for _, host := range test.hosts {
			hosts = append(hosts, host+":443")
		}
		slices.Sort(hosts)
		if got := slices.DeleteFunc(proxy.taken(), func(host string) bool { return host == "vending.example:443" }); !slices.Equal(got, hosts) {
			t.Errorf("FIPS %s, dual-stack %s, %q: asked were\n%v, not\n%v", test.fips, test.dual, test.more, got, hosts)
		}
	}
}
