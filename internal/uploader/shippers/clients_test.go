package shippers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/programs"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/hosttest"
)

// asClient makes this program the AWS SDK for Go's client in place of the tests.
const asClient = "OIDCS3_TEST_GO_CLIENT"

func TestMain(m *testing.M) {
	if os.Getenv(asClient) == "" {
		os.Exit(programs.Main(m))
	}
	if err := goClient(context.Background(), os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// goClient does what the scripts in testdata do.
func goClient(ctx context.Context, bucket, key, rounds string) error {
	n, err := strconv.Atoi(rounds)
	if err != nil {
		return err
	}
	// Half a second, which is what the SDK waits for metadata, is short on a busy machine.
	metadata := imds.New(imds.Options{Endpoint: os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"), DisableDefaultTimeout: true, HTTPClient: &http.Client{Timeout: 30 * time.Second}})
	cfg, err := config.LoadDefaultConfig(ctx, config.WithAPIOptions(awsanswer.Options()),
		config.WithEC2RoleCredentialOptions(func(o *ec2rolecreds.Options) { o.Client = metadata }))
	if err != nil {
		return err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	for i := range n {
		body := "round " + strconv.Itoa(i)
		if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)}); err != nil {
			return err
		}
		out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			return err
		}
		got, err := io.ReadAll(out.Body)
		if err = errors.Join(err, out.Body.Close()); err != nil || string(got) != body {
			return fmt.Errorf("the object came back changed (%w)", err)
		}
		used, err := cfg.Credentials.Retrieve(ctx)
		if err != nil {
			return err
		}
		fmt.Println(used.AccessKeyID)
		time.Sleep(time.Second)
	}
	return nil
}

// sdk is a client that stays: it must go on when its credentials have ended.
type sdk struct {
	name    string
	install func(t *testing.T) (command []string)
	env     map[string]string
	// lenient names a mode whose credentials it uses for minutes beyond their end, rather than ask again at once.
	lenient string
}

var sdks = []sdk{
	{name: "go", install: func(t *testing.T) []string {
		t.Helper()
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		return []string{self}
	}, env: map[string]string{asClient: "yes"}},
	{name: "boto3", install: func(t *testing.T) []string {
		t.Helper()
		// Where pyenv chooses, it does so by HOME, which the test's host has of its own.
		out, err := exec.CommandContext(t.Context(), "python3", "-c", "import boto3, sys; print(sys.executable)").Output()
		if err != nil {
			t.Skip("boto3 is not installed")
		}
		return []string{strings.TrimSpace(string(out)), abs(t, "testdata/boto3_client.py")}
	}, lenient: "instance metadata"}, // botocore takes credentials that are about to end for a failure of EC2
	{name: "javascript", install: func(t *testing.T) []string {
		t.Helper()
		npm, err := exec.LookPath("npm")
		if err != nil {
			t.Skip("npm is not installed")
		}
		dir := t.TempDir()
		install := exec.CommandContext(t.Context(), npm, "install", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", dir, "@aws-sdk/client-s3@3") //nolint:gosec // npm
		if out, err := install.CombinedOutput(); err != nil {
			t.Skipf("npm cannot install the SDK: %v\n%s", err, out)
		}
		script, err := os.ReadFile("testdata/client.mjs")
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "client.mjs"), script, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return []string{"node", filepath.Join(dir, "client.mjs")}
	}},
}

func abs(t *testing.T, name string) string {
	t.Helper()
	name, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// TestSDKs runs each SDK's client longer than its credentials live.
func TestSDKs(t *testing.T) {
	t.Parallel()
	for _, client := range sdks {
		t.Run(client.name, func(t *testing.T) {
			t.Parallel()
			command := client.install(t)
			for _, m := range modes {
				t.Run(m.name, func(t *testing.T) {
					t.Parallel()
					h := newHost(t)
					env := m.set(h)
					for k, v := range client.env {
						env[k] = v
					}
					rounds := 1
					renews := m.reread && m.name != client.lenient
					if renews {
						rounds = int(life/time.Second) + 3
					}
					out := h.run(env, command[0], append(slices.Clone(command[1:]), h.Bucket, hosttest.Prefix+"object", strconv.Itoa(rounds))...)
					ids := strings.Fields(out)
					if len(ids) != rounds || !strings.HasPrefix(ids[0], "ASIA") {
						t.Fatalf("%d rounds of %d: %q", len(ids), rounds, ids)
					}
					if renews && ids[0] == ids[len(ids)-1] {
						t.Errorf("the credentials stayed %s for %d rounds", ids[0], rounds)
					}
				})
			}
		})
	}
}

// TestCommands runs clients that come and go: each run finds credentials that are good.
func TestCommands(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(*host, map[string]string, string){
		"aws": func(h *host, env map[string]string, file string) {
			to := "s3://" + h.Bucket + "/" + hosttest.Prefix + "aws"
			h.run(env, "aws", "s3", "cp", "--only-show-errors", file, to)
			if got := h.run(env, "aws", "s3", "cp", to, "-"); got != "line\n" {
				h.t.Errorf("it came back as %q", got)
			}
		},
		"rclone": func(h *host, env map[string]string, file string) {
			env["RCLONE_CONFIG"] = h.write("rclone.conf", "[uploads]\ntype = s3\nprovider = AWS\nenv_auth = true\nno_check_bucket = true\n"+
				"region = "+h.Trust["AWS_REGION"]+"\nendpoint = "+h.Trust["AWS_ENDPOINT_URL"]+"\n")
			// Older ones have another SDK, which takes no CA bundle beside rclone's own and asks for the bucket by a host name.
			var minor int
			if out, err := exec.Command("rclone", "version").Output(); err != nil {
				h.t.Fatal(err)
			} else if _, err := fmt.Sscanf(string(out), "rclone v1.%d", &minor); err == nil && minor < 68 {
				h.t.Skipf("rclone 1.%d cannot be led to the sandbox; 1.68 can", minor)
			}
			to := "uploads:" + h.Bucket + "/" + hosttest.Prefix + "rclone"
			// Without --no-check-dest it looks for the object first, and S3 answers 403 to whoever may not list all of the bucket.
			h.run(env, "rclone", "--ca-cert", h.CA, "--no-check-dest", "copyto", file, to)
			if got := h.run(env, "rclone", "--ca-cert", h.CA, "cat", to); got != "line\n" {
				h.t.Errorf("it came back as %q", got)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(name)
			if err != nil {
				t.Skip(name + " is not installed")
			}
			for _, m := range modes {
				t.Run(m.name, func(t *testing.T) {
					t.Parallel()
					h := newHost(t)
					env := m.set(h)
					env["PATH"] = filepath.Dir(path) + string(os.PathListSeparator) + os.Getenv("PATH")
					if root := os.Getenv("PYENV_ROOT"); root == "" { // pyenv looks below HOME otherwise
						if home, err := os.UserHomeDir(); err == nil {
							env["PYENV_ROOT"] = filepath.Join(home, ".pyenv")
						}
					}
					use(h, env, h.write("line", "line\n"))
				})
			}
		})
	}
}

// TestFileIsKeptFresh is why programs that come and go may use the shared credentials file.
func TestFileIsKeptFresh(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	env := h.shared()
	id := func() string {
		all := map[string]string{asClient: "yes"}
		for k, v := range env {
			all[k] = v
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(h.run(all, self, h.Bucket, hosttest.Prefix+"object", "1"))
	}
	first := id()
	for deadline := time.Now().Add(3 * life); id() == first; time.Sleep(time.Second) {
		if time.Now().After(deadline) {
			t.Fatalf("the file still holds %s", first)
		}
	}
}
