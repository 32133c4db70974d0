package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// terraform runs the configuration in a directory of its own, with the provider that was just built.
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

func newTerraform(bin, config, dir string, clouds *sandbox) (*terraform, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(config, "*.tf"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no Terraform configuration in %s", config)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o600); err != nil {
			return nil, err
		}
	}
	rc := filepath.Join(dir, "terraformrc")
	overrides := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"registry.terraform.io/oidcs3/oidcs3\" = %q\n  }\n  direct {}\n}\n", bin)
	if err := os.WriteFile(rc, []byte(overrides), 0o600); err != nil {
		return nil, err
	}
	program := "terraform"
	if _, err := exec.LookPath(program); err != nil {
		program = "tofu"
	}
	return &terraform{program: program, dir: dir, env: environment(clouds.env, foundation(clouds.env), map[string]string{
		"TF_CLI_CONFIG_FILE": rc,
		"TF_IN_AUTOMATION":   "1",
		"CHECKPOINT_DISABLE": "1",
	})}, nil
}

// foundation is what the foundation layer would hand over, as variables of the configuration.
func foundation(env map[string]string) map[string]string {
	federated := func(idp string) string {
		return object(map[string]any{
			"audience": env["OIDCS3_SANDBOX_"+idp+"_AUDIENCE"], "oidc_provider_arn": env["OIDCS3_SANDBOX_"+idp+"_OIDC_PROVIDER_ARN"],
		})
	}
	return map[string]string{
		"TF_VAR_bucket_name": env["OIDCS3_SANDBOX_BUCKET"],
		"TF_VAR_auth0":       federated("AUTH0"),
		"TF_VAR_entra":       federated("ENTRA"),
		"TF_VAR_cognito": object(map[string]any{
			"user_pool_id": env["OIDCS3_SANDBOX_COGNITO_USER_POOL_ID"], "domain": env["OIDCS3_SANDBOX_COGNITO_DOMAIN"],
			"allowed_scopes":   strings.Fields(env["OIDCS3_SANDBOX_COGNITO_SCOPES"]),
			"vending_role_arn": env["OIDCS3_SANDBOX_VENDING_ROLE_ARN"], "vending_url": env["OIDCS3_SANDBOX_VENDING_URL"],
			"client_roles_table_name": env["OIDCS3_SANDBOX_CLIENT_ROLES_TABLE"],
		}),
	}
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
