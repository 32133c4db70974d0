// Command scale measures what Terraform runs over many servers cost: API calls, wall time and the provider's peak memory,
// through the real terraform and the real provider, against a sandbox that takes 20 ms for every answer.
//
//	go run ./bench/scale [-servers 100,1000,3000] [-idp auth0,entra,cognito] [-rate 2,16] [-burst 10] [-bulk on,off] [-limited-writes]
//
// Auth0's Management API is limited to -rate requests a second with a bucket of -burst, as its tenants are; the others have
// no limit, and -rate does not count for them. Servers are
// made and destroyed without limits and latency, unless -limited-writes asks for those to be measured too.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/layers"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

// settings are the command line.
type settings struct {
	rate     float64
	burst    int
	parallel int
	writes   bool
	bulk     []string
	provider string // path of the built binary
}

func main() {
	var s settings
	servers := flag.String("servers", "100,1000,3000", "numbers of servers")
	idps := flag.String("idp", "auth0,entra,cognito", "identity providers")
	bulk := flag.String("bulk", "on,off", "with bulk reads, and without")
	rates := flag.String("rate", "2,16", "Auth0's requests a second; 0: unlimited")
	flag.IntVar(&s.burst, "burst", 10, "size of Auth0's bucket")
	flag.IntVar(&s.parallel, "parallelism", 10, "terraform's -parallelism")
	flag.BoolVar(&s.writes, "limited-writes", false, "measure creating and destroying under the same limits")
	flag.Parse()
	s.bulk = strings.Split(*bulk, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, s, strings.Split(*servers, ","), strings.Split(*idps, ","), strings.Split(*rates, ","))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings, servers, idps, rates []string) error {
	bin, err := os.MkdirTemp("", "oidcs3-scale-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(bin) }()
	s.provider = filepath.Join(bin, "terraform-provider-oidcs3")
	if out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", s.provider, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("build the provider: %w\n%s", err, out)
	}
	fmt.Printf("Auth0: bucket of %d requests; %v for every answer; terraform -parallelism=%d\n\n", s.burst, latency, s.parallel)
	fmt.Println("| identity provider | requests a second | servers | operation | bulk reads | API calls | of these to the identity provider | refused (429) | wall time | CPU: all, provider | provider's peak memory |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|")
	for _, idp := range idps {
		for _, count := range servers {
			n, err := strconv.Atoi(count)
			if err != nil {
				return err
			}
			for i, rate := range rates {
				if s.rate, err = strconv.ParseFloat(rate, 64); err != nil {
					return err
				}
				if idp != "auth0" && i > 0 {
					break
				}
				if err := measure(ctx, s, idp, n); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// latency is what every answer takes.
const latency = 20 * time.Millisecond

// services of an identity provider, by the names under which the sandbox counts its calls.
var services = map[string][]string{"auth0": {"auth0"}, "entra": {"entra", "graph"}, "cognito": {"cognito"}}

// bench is one sandbox with a working directory of Terraform's.
type bench struct {
	settings
	idp     string
	servers int
	clouds  *sandbox.Sandbox
	dir     string
	env     []string
}

// measure makes the servers of one table row's kind, does to them what is measured, and takes them away.
func measure(ctx context.Context, s settings, idp string, servers int) error {
	dir, err := os.MkdirTemp("", "oidcs3-scale-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	clouds, err := sandbox.Start(ctx, sandbox.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { _ = clouds.Close() }()
	clouds.IAM().SetRoleQuota(servers + 100)
	b := &bench{settings: s, idp: idp, servers: servers, clouds: clouds, dir: dir}
	if err := b.prepare(); err != nil {
		return err
	}
	if err := b.terraform(ctx, "init", "on", false, "init"); err != nil {
		return err
	}
	b.limit(s.writes)
	if err := b.terraform(ctx, "create", "on", s.writes, "apply", "-auto-approve", "-refresh=false"); err != nil {
		return err
	}
	b.limit(true)
	for _, bulk := range s.bulk {
		if err := b.terraform(ctx, "plan, no changes", bulk, true, "plan", "-detailed-exitcode"); err != nil {
			return err
		}
	}
	if err := b.terraform(ctx, "change of one", "on", true, "apply", "-auto-approve", "-var=level=full"); err != nil {
		return err
	}
	b.limit(s.writes)
	return b.terraform(ctx, "destroy", "on", s.writes, "destroy", "-auto-approve", "-var=level=full")
}

// limit makes the clouds slow and Auth0 strict, or neither.
func (b *bench) limit(on bool) {
	for _, service := range []string{"auth0", "entra", "graph", "cognito", "iam", "sts", "dynamodb"} {
		var s edge.Settings
		if on {
			s.Latency = latency
		}
		if on && service == "auth0" {
			s.Rate, s.Burst = b.rate, b.burst
		}
		b.clouds.Edge().Limits().Set(service, s)
	}
}

// limited is the column that says how many requests a second the identity provider takes.
func (b *bench) limited() string {
	if b.idp != "auth0" || b.rate == 0 {
		return "any"
	}
	return strconv.FormatFloat(b.rate, 'g', -1, 64)
}

const configuration = `
terraform {
  required_providers { oidcs3 = { source = "oidcs3/oidcs3" } }
  # As in terraform/servers. A local state is written anew after every single resource, which takes hours of a large run.
  backend "s3" {
    bucket = %q
    key    = "servers.tfstate"
  }
}
variable "level" { default = "write" }
variable "servers" { type = map(string) }
provider "oidcs3" { environment = "dev" }
resource "oidcs3_server_access" "this" {
  for_each       = var.servers # of a map: Terraform evaluates the expression once for every instance
  server_name    = each.key
  bucket_name    = %q
  s3_path_prefix = "scale/${each.key}/"
  s3_permissions = each.key == "srv-00007" ? var.level : "write"
  %s             = jsondecode(file("${path.module}/identity.json"))
}
`

// prepare writes the configuration.
func (b *bench) prepare() error {
	env := b.clouds.Env()
	names := make(map[string]string, b.servers)
	for i := range b.servers {
		names[fmt.Sprintf("srv-%05d", i)] = ""
	}
	servers, err := json.Marshal(map[string]any{"servers": names})
	if err != nil {
		return err
	}
	identity, err := json.Marshal(b.identity(env))
	if err != nil {
		return err
	}
	rc, err := layers.CLIConfig(b.dir, b.provider)
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"main.tf": fmt.Sprintf(configuration, env["OIDCS3_SANDBOX_BUCKET"], env["OIDCS3_SANDBOX_BUCKET"], b.idp), "terraform.tfvars.json": string(servers),
		"identity.json": string(identity),
	} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	b.env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+rc, "CHECKPOINT_DISABLE=1")
	for name, value := range env {
		b.env = append(b.env, name+"="+value)
	}
	return nil
}

// identity is the nested attribute of the identity provider.
func (b *bench) identity(env map[string]string) map[string]any {
	of := func(name string) string { return env["OIDCS3_SANDBOX_"+name] }
	if b.idp == "cognito" {
		return map[string]any{"user_pool_id": of("COGNITO_USER_POOL_ID"), "domain": of("COGNITO_DOMAIN"), "allowed_scopes": strings.Fields(of("COGNITO_SCOPES")),
			"vending_role_arn": of("VENDING_ROLE_ARN"), "vending_url": "https://vending.example", "client_roles_table_name": of("CLIENT_ROLES_TABLE")}
	}
	prefix := strings.ToUpper(b.idp)
	return map[string]any{"audience": of(prefix + "_AUDIENCE"), "oidc_provider_arn": of(prefix + "_OIDC_PROVIDER_ARN")}
}

// terraform runs terraform and prints a line of the table.
func (b *bench) terraform(ctx context.Context, what, bulk string, show bool, args ...string) error {
	b.clouds.Edge().Calls().Clear()
	args = append(args, "-input=false", "-no-color")
	if args[0] != "init" {
		args = append(args, "-compact-warnings", "-parallelism="+strconv.Itoa(b.parallel))
	}
	cmd := exec.CommandContext(ctx, "terraform", args...)
	cmd.Dir, cmd.Env = b.dir, append(slices.Clone(b.env), "OIDCS3_BULK_READS="+strconv.FormatBool(bulk == "on"))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	seen := make(chan usage, 1)
	done := make(chan struct{})
	go watch(b.provider, done, seen)
	err := cmd.Wait()
	wall := time.Since(begin)
	close(done)
	provider := <-seen
	if err != nil {
		text := out.String()
		return fmt.Errorf("terraform %s: %w\n%s", args[0], err, text[max(0, len(text)-2000):])
	}
	if !show {
		return nil
	}
	calls := slices.DeleteFunc(b.clouds.Edge().Calls().Calls(), func(c edge.Call) bool { return c.Service == "s3" }) // Terraform's own state
	toIDP, refused := 0, 0
	for _, c := range calls {
		if slices.Contains(services[b.idp], c.Service) {
			toIDP++
		}
		if c.Status == 429 {
			refused++
		}
	}
	fmt.Printf("| %s | %s | %d | %s | %s | %d | %d | %d | %.1f s | %.0f s, %.0f s | %d MiB |\n", b.idp, b.limited(), b.servers, what, bulk, len(calls), toIDP, refused,
		wall.Seconds(), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), provider.cpu.Seconds(), provider.memory>>20)
	return nil
}

// usage is what the processes of a binary took.
type usage struct {
	memory int64         // peak of the largest, bytes (VmHWM)
	cpu    time.Duration // of all, user and system
}

// watch samples the processes of the binary until done.
func watch(binary string, done <-chan struct{}, seen chan<- usage) {
	var u usage
	cpu := map[string]time.Duration{}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			for _, d := range cpu {
				u.cpu += d
			}
			seen <- u
			return
		case <-tick.C:
			processes, err := filepath.Glob("/proc/[0-9]*/exe")
			if err != nil {
				continue
			}
			for _, exe := range processes {
				if target, err := os.Readlink(exe); err == nil && target == binary {
					process := filepath.Dir(exe)
					u.memory = max(u.memory, highWater(process))
					cpu[process] = max(cpu[process], processorTime(process))
				}
			}
		}
	}
}

func highWater(process string) int64 {
	text, err := os.ReadFile(filepath.Join(process, "status")) //nolint:gosec // below /proc
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// processorTime is utime and stime of proc(5), which are in hundredths of a second.
func processorTime(process string) time.Duration {
	text, err := os.ReadFile(filepath.Join(process, "stat")) //nolint:gosec // below /proc
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may have blanks
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}
