// Command scale measures the provider with many servers: the real terraform on the PATH and the provider of this tree
// against a sandbox in this process, with 20 ms latency before every answer and Auth0 limited to a rate.
//
//	go run ./bench/scale [-servers 100,1000,3000] [-rate 16] [-burst 10] [-only-plan]
//
// It prints a table of API calls, calls to Auth0, wall time and the provider's peak memory for create, a plan without
// changes, a change of one server and destroy. Servers are made without limits first where -only-plan is given.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

func main() {
	servers := flag.String("servers", "100,1000,3000", "numbers of servers")
	rate := flag.Float64("rate", 16, "Auth0's requests a second; 0: unlimited")
	burst := flag.Int("burst", 10, "size of Auth0's bucket")
	onlyPlan := flag.Bool("only-plan", false, "make and destroy the servers without limits, and measure the rest")
	parallel := flag.Int("parallelism", 10, "terraform's -parallelism")
	flag.Parse()
	fmt.Println("| servers | operation | API calls | to Auth0 | refused (429) | wall time | provider's peak memory |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for _, count := range strings.Split(*servers, ",") {
		n, err := strconv.Atoi(count)
		if err == nil {
			err = measure(n, *rate, *burst, *parallel, *onlyPlan)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
	}
}

const latency = 20 * time.Millisecond

// bench is one sandbox with a working directory of Terraform's.
type bench struct {
	clouds   *sandbox.Sandbox
	dir      string
	env      []string
	servers  int
	parallel int
}

func measure(servers int, rate float64, burst, parallel int, onlyPlan bool) (err error) {
	dir, err := os.MkdirTemp("", "oidcs3-scale-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	clouds, err := sandbox.Start(context.Background(), sandbox.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { _ = clouds.Close() }()
	clouds.IAM().SetRoleQuota(servers + 100)
	b := &bench{clouds: clouds, dir: dir, servers: servers, parallel: parallel}
	if err := b.prepare(); err != nil {
		return err
	}
	limit := func(on bool) {
		for _, service := range []string{"auth0", "iam", "sts"} {
			s := edge.Settings{}
			if on {
				s.Latency = latency
				if service == "auth0" {
					s.Rate, s.Burst = rate, burst
				}
			}
			clouds.Edge().Limits().Set(service, s)
		}
	}
	limit(!onlyPlan)
	if err := b.run("create", !onlyPlan, "apply", "-auto-approve", "-refresh=false"); err != nil {
		return err
	}
	limit(true)
	if err := b.run("plan, no changes", true, "plan", "-detailed-exitcode"); err != nil {
		return err
	}
	if err := b.run("change of one", true, "apply", "-auto-approve", "-var=level=full"); err != nil {
		return err
	}
	limit(!onlyPlan)
	return b.run("destroy", !onlyPlan, "destroy", "-auto-approve", "-var=level=full")
}

const configuration = `
terraform {
  required_providers { oidcs3 = { source = "oidcs3/oidcs3" } }
}
variable "level" { default = "write" }
provider "oidcs3" { environment = "dev" }
resource "oidcs3_server_access" "this" {
  for_each       = toset(split(",", file("${path.module}/servers.txt")))
  server_name    = each.key
  bucket_name    = %q
  s3_path_prefix = "scale/${each.key}/"
  s3_permissions = each.key == "srv-00007" ? var.level : "write"
  auth0          = { audience = %q, oidc_provider_arn = %q }
}
`

// prepare writes the configuration, and builds the provider behind a shell that notes its peak memory.
func (b *bench) prepare() error {
	env := b.clouds.Env()
	text := fmt.Sprintf(configuration, env["OIDCS3_SANDBOX_BUCKET"], env["OIDCS3_SANDBOX_AUTH0_AUDIENCE"], env["OIDCS3_SANDBOX_AUTH0_OIDC_PROVIDER_ARN"])
	names := make([]string, b.servers)
	for i := range names {
		names[i] = fmt.Sprintf("srv-%05d", i)
	}
	bin := filepath.Join(b.dir, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		return err
	}
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "terraform-provider-oidcs3"), ".")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the provider: %w\n%s", err, out)
	}
	rc := fmt.Sprintf("provider_installation {\n dev_overrides { %q = %q }\n direct {}\n}\n", "registry.terraform.io/oidcs3/oidcs3", bin)
	for name, content := range map[string]string{"main.tf": text, "servers.txt": strings.Join(names, ","), "terraformrc": rc} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	b.env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+filepath.Join(b.dir, "terraformrc"), "CHECKPOINT_DISABLE=1")
	for name, value := range env {
		b.env = append(b.env, name+"="+value)
	}
	return nil
}

// run runs terraform and prints a line of the table.
func (b *bench) run(what string, print bool, args ...string) error {
	b.clouds.Edge().Calls().Clear()
	cmd := exec.Command("terraform", append(args, "-input=false", "-no-color", "-compact-warnings", "-parallelism="+strconv.Itoa(b.parallel))...)
	cmd.Dir, cmd.Env = b.dir, b.env
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	peak := make(chan int64, 1)
	done := make(chan struct{})
	go watch(filepath.Join(b.dir, "bin", "terraform-provider-oidcs3"), done, peak)
	err := cmd.Wait()
	wall := time.Since(begin)
	close(done)
	memory := <-peak
	if err != nil {
		text := out.String()
		return fmt.Errorf("terraform %s: %w\n%s", args[0], err, text[max(0, len(text)-2000):])
	}
	calls := b.clouds.Edge().Calls().Calls()
	auth0, refused := 0, 0
	for _, c := range calls {
		if c.Service == "auth0" {
			auth0++
		}
		if c.Status == 429 {
			refused++
		}
	}
	if print {
		fmt.Printf("| %d | %s | %d | %d | %d | %.1f s | %d MiB |\n", b.servers, what, len(calls), auth0, refused, wall.Seconds(), memory>>20)
	}
	return nil
}

// watch samples the peak memory (VmHWM) of every process of the binary until done.
func watch(binary string, done <-chan struct{}, peak chan<- int64) {
	var most int64
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			peak <- most
			return
		case <-tick.C:
			processes, err := filepath.Glob("/proc/[0-9]*/exe")
			if err != nil {
				continue
			}
			for _, exe := range processes {
				if target, err := os.Readlink(exe); err == nil && target == binary {
					most = max(most, highWater(filepath.Join(filepath.Dir(exe), "status")))
				}
			}
		}
	}
}

func highWater(status string) int64 {
	text, err := os.ReadFile(status) //nolint:gosec // below /proc
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
