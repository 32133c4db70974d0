package layers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/layers"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/programs"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
)

const stateBucket = "oidc-s3-dev-terraform-state"

// workspace is a copy of the servers layer that terraform runs in, and the clouds that it runs against.
type workspace struct {
	dir    string
	clouds map[string]string
	env    []string
}

func TestMain(m *testing.M) { os.Exit(programs.Main(m)) }

// newWorkspace makes what the layer needs: provider, clouds, states of the foundations. It needs TF_ACC, as all that runs
// terraform does.
func newWorkspace(t *testing.T) *workspace {
	t.Helper()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("TF_ACC is not set")
	}
	dir := t.TempDir()
	clouds, err := sandbox.Start(t.Context(), sandbox.Options{Dir: dir, VendingBinary: programs.For(t, programs.Vending)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = clouds.Close() })
	w := &workspace{dir: filepath.Join(dir, "servers"), clouds: clouds.Env()}
	rc, err := layers.CLIConfig(dir, programs.For(t, programs.Provider))
	if err != nil {
		t.Fatal(err)
	}
	w.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TF_CLI_CONFIG_FILE=" + rc, "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1"}
	for name, value := range w.clouds {
		w.env = append(w.env, name+"="+value)
	}
	if err := layers.CopyLayer(filepath.Join(root, "servers"), w.dir); err != nil {
		t.Fatal(err)
	}
	if err := layers.LeaveStates(t.Context(), w.clouds, stateBucket); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *workspace) terraform(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, layers.Program(), args...)
	cmd.Dir, cmd.Env = w.dir, w.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (w *workspace) ok(t *testing.T, args ...string) string {
	t.Helper()
	out, err := w.terraform(t.Context(), args...)
	if err != nil {
		t.Fatalf("terraform %s: %v\n%s", args[0], err, out)
	}
	return out
}

// refused expects terraform to fail with a text, wherever it breaks its lines.
func (w *workspace) refused(t *testing.T, text string, args ...string) {
	t.Helper()
	out, err := w.terraform(t.Context(), args...)
	plain := strings.Join(strings.Fields(strings.NewReplacer("│", "", "╷", "", "╵", "").Replace(out)), " ")
	if err == nil || !strings.Contains(plain, text) {
		t.Errorf("terraform %s: %v, want %q in\n%s", strings.Join(args, " "), err, text, out)
	}
}

func (w *workspace) outputs(t *testing.T) (configurations map[string]map[string]string, secrets map[string]string) {
	t.Helper()
	for name, to := range map[string]any{"server_configurations": &configurations, "server_secrets": &secrets} {
		cmd := exec.CommandContext(t.Context(), layers.Program(), "output", "-json", name)
		cmd.Dir, cmd.Env = w.dir, w.env
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("terraform output %s: %v", name, err)
		}
		if err := json.Unmarshal(out, to); err != nil {
			t.Fatalf("output %s: %v", name, err)
		}
	}
	return configurations, secrets
}

const threeServers = `servers={
  "log-shipper"      = { s3_path_prefix = "logs/log-shipper/", identity_provider = "auth0" }
  "backup-server-01" = { s3_path_prefix = "backups/server-01/", s3_permissions = "read-write", identity_provider = "entra" }
  "data-sync"        = { s3_path_prefix = "sync/", s3_permissions = "full", identity_provider = "cognito" }
}`

// TestServersLayer is the layer's life: from init to destroy, with the state in S3.
func TestServersLayer(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	region := w.clouds["AWS_REGION"]
	w.ok(t, "init", "-input=false", "-no-color", "-backend-config=bucket="+stateBucket, "-backend-config=region="+region)
	w.ok(t, "validate", "-no-color")
	if out := w.ok(t, "test", "-no-color"); !strings.Contains(out, "4 passed, 0 failed") {
		t.Errorf("terraform test said\n%s", out)
	}

	common := []string{"-input=false", "-no-color", "-var", "environment=dev",
		"-var", fmt.Sprintf("foundation_state={bucket=%q,region=%q}", stateBucket, region), "-var", `identity_providers=["auth0","entra","cognito"]`}
	with := func(command string, more ...string) []string { return slices.Concat([]string{command}, common, more) }

	out := w.ok(t, with("apply", "-auto-approve", "-var", threeServers)...)
	if !strings.Contains(out, "3 added, 0 changed, 0 destroyed") {
		t.Errorf("apply said\n%s", out)
	}
	configurations, secrets := w.outputs(t)
	checkOutputs(t, w, configurations, secrets)
	checkPrefixTag(t, w, configurations, secrets)
	w.ok(t, with("plan", "-detailed-exitcode", "-var", threeServers)...)

	t.Run("mistakes are refused at plan", func(t *testing.T) {
		for _, test := range []struct{ server, text string }{
			{`s3_path_prefix = "x/"`, "needs an identity_provider out of identity_providers"},
			{`s3_path_prefix = "x/", identity_provider = "okta"`, "needs an identity_provider out of identity_providers"},
			{`s3_path_prefix = "x", identity_provider = "auth0"`, "An s3_path_prefix ends in /"},
			{`s3_path_prefix = "x*/", identity_provider = "auth0"`, "An s3_path_prefix ends in /"},
		} {
			w.refused(t, test.text, with("plan", "-var", `servers={"web-01"={`+test.server+`}}`)...)
		}
		w.refused(t, "is not that of the environment prod", append(with("plan", "-var", threeServers), "-var", "environment=prod")...)
		w.refused(t, "is not that of the project other", append(with("plan", "-var", threeServers), "-var", "project=other")...)
	})
	t.Run("a locked state is not touched", func(t *testing.T) {
		checkLock(t, w, with("apply", "-auto-approve", "-lock-timeout=0s", "-var", threeServers))
	})

	if out := w.ok(t, with("destroy", "-auto-approve", "-var", threeServers)...); !strings.Contains(out, "3 destroyed") {
		t.Errorf("destroy said\n%s", out)
	}
}

// checkOutputs compares the outputs with what hosts and scripts rely on.
func checkOutputs(t *testing.T, w *workspace, configurations map[string]map[string]string, secrets map[string]string) {
	t.Helper()
	shared := []string{"aws_region", "aws_role_arn", "identity_provider", "s3_bucket", "s3_path_prefix", "server_name"}
	keys := map[string][]string{
		"log-shipper":      {"auth0_audience", "auth0_client_id", "auth0_domain"},
		"backup-server-01": {"entra_audience", "entra_client_id", "entra_login_host", "entra_tenant_id"},
		"data-sync":        {"cognito_client_id", "cognito_domain", "cognito_scopes", "credential_vending_url"},
	}
	for name, own := range keys {
		got := slices.Sorted(maps.Keys(configurations[name]))
		for _, key := range append(slices.Clone(shared), own...) {
			if configurations[name][key] == "" {
				t.Errorf("%s has no %s; it has %v", name, key, got)
			}
		}
		if role := configurations[name]["aws_role_arn"]; !strings.HasSuffix(role, ":role/oidc-s3-dev-"+name) {
			t.Errorf("%s has the role %s", name, role)
		}
		if configurations[name]["s3_bucket"] != w.clouds["OIDCS3_SANDBOX_BUCKET"] {
			t.Errorf("%s has the bucket %s", name, configurations[name]["s3_bucket"])
		}
		if secrets[name] == "" {
			t.Errorf("%s has no secret", name)
		}
		for key, value := range configurations[name] {
			if value == secrets[name] {
				t.Errorf("%s: the secret is in server_configurations, as %s", name, key)
			}
		}
	}
	if len(configurations) != len(keys) || len(secrets) != len(keys) {
		t.Errorf("%d configurations and %d secrets of %d servers", len(configurations), len(secrets), len(keys))
	}
}

// checkLock holds the state's lock, as another apply would, and expects an apply to be refused and to leave the state
// alone; and that an apply itself leaves no lock.
func checkLock(t *testing.T, w *workspace, apply []string) {
	client, err := layers.Client(w.clouds)
	if err != nil {
		t.Fatal(err)
	}
	lock := layers.ServersKey + ".tflock"
	before := object(t, client, layers.ServersKey)
	info := `{"ID":"00000000-0000-4000-8000-000000000001","Operation":"OperationTypeApply","Who":"somebody@elsewhere","Version":"1.11.0","Created":"2026-01-01T00:00:00Z","Path":"x"}`
	_, err = client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(stateBucket), Key: &lock, Body: strings.NewReader(info), IfNoneMatch: aws.String("*")})
	if err != nil {
		t.Fatalf("the lock is held after an apply: %v", err)
	}
	w.refused(t, "Error acquiring the state lock", apply...)
	w.refused(t, "somebody@elsewhere", apply...)
	if !bytes.Equal(before, object(t, client, layers.ServersKey)) {
		t.Error("the state changed under somebody else's lock")
	}
	if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(stateBucket), Key: &lock}); err != nil {
		t.Fatal(err)
	}
	w.ok(t, apply...)
}

func object(t *testing.T, client *s3.Client, key string) []byte {
	t.Helper()
	out, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(stateBucket), Key: &key})
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	defer func() { _ = out.Body.Close() }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(out.Body); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
