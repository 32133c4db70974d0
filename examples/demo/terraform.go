package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/layers"
)

// stateBucket is the state bucket that servers.tfvars names.
const stateBucket = "oidc-s3-dev-terraform-state"

// terraform runs the servers layer in a directory of its own, with the provider that was just built.
type terraform struct {
	program string // terraform or tofu
	dir     string
	env     []string
}

// server is what the platform team hands to a host owner.
type server struct {
	Configuration map[string]string
	Secret        string
	Permissions   string
}

func (s server) prefix() string { return s.Configuration["s3_path_prefix"] }

func (s server) clientID() string {
	return s.Configuration[s.Configuration["identity_provider"]+"_client_id"]
}

// newTerraform prepares a run of the servers layer: the foundations' states in the sandbox's S3, the layer's files and the
// servers' variables in a directory of its own, and its backend.
func newTerraform(ctx context.Context, bin, layer, servers, dir string, clouds *sandbox) (*terraform, error) {
	if err := layers.CopyLayer(layer, dir); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(servers)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "servers.auto.tfvars"), text, 0o600); err != nil {
		return nil, err
	}
	rc, err := layers.CLIConfig(dir, filepath.Join(bin, "terraform-provider-oidcs3"))
	if err != nil {
		return nil, err
	}
	if err := layers.LeaveStates(ctx, clouds.env, stateBucket); err != nil {
		return nil, err
	}
	tf := &terraform{program: layers.Program(), dir: dir, env: environment(clouds.env, map[string]string{
		"TF_CLI_CONFIG_FILE": rc,
		"TF_IN_AUTOMATION":   "1",
		"CHECKPOINT_DISABLE": "1",
	})}
	_, err = tf.run(ctx, "init", "-input=false", "-no-color", "-backend-config=bucket="+stateBucket, "-backend-config=region="+clouds.env["AWS_REGION"])
	return tf, err
}

// object is a value in JSON, which is HCL too.
func object(v any) string {
	text, err := json.Marshal(v)
	if err != nil { // strings always marshal
		panic(err)
	}
	return string(text)
}

// run runs terraform and shows how it ends. The whole output is returned, and part of an error.
func (t *terraform) run(ctx context.Context, args ...string) (string, error) {
	fmt.Printf("   $ %s %s\n", t.program, args[0])
	cmd := exec.CommandContext(ctx, t.program, args...)
	cmd.Dir, cmd.Env = t.dir, t.env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("terraform %s: %w\n%s", args[0], err, out)
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		if strings.HasPrefix(line, "Apply complete") || strings.HasPrefix(line, "Destroy complete") || strings.HasPrefix(line, "No changes") {
			fmt.Println("     " + line)
		}
	}
	return string(out), nil
}

// servers reads the outputs that a platform team hands out.
func (t *terraform) servers(ctx context.Context) (map[string]server, error) {
	cmd := exec.CommandContext(ctx, t.program, "output", "-json")
	cmd.Dir, cmd.Env = t.dir, t.env
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("terraform output: %w", err)
	}
	var outputs struct {
		Configurations struct{ Value map[string]map[string]string } `json:"server_configurations"`
		Secrets        struct{ Value map[string]string }            `json:"server_secrets"`
		Permissions    struct{ Value map[string]string }            `json:"server_permissions"`
	}
	if err := json.Unmarshal(out, &outputs); err != nil {
		return nil, fmt.Errorf("read the outputs: %w", err)
	}
	servers := map[string]server{}
	for name, configuration := range outputs.Configurations.Value {
		servers[name] = server{Configuration: configuration, Secret: outputs.Secrets.Value[name], Permissions: outputs.Permissions.Value[name]}
	}
	return servers, nil
}

// with is the -var of the servers, with one of them moved to another prefix.
func (t *terraform) with(servers map[string]server, moved, prefix string) string {
	entries := map[string]map[string]string{}
	for name, s := range servers {
		entries[name] = map[string]string{
			"s3_path_prefix": s.prefix(), "s3_permissions": s.Permissions, "identity_provider": s.Configuration["identity_provider"],
		}
		if name == moved {
			entries[name]["s3_path_prefix"] = prefix
		}
	}
	return "servers=" + object(entries)
}
