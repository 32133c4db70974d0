package provider_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/programs"
)

// uploader is a host that uploads without pause, each time with a token of its own.
type uploader struct {
	t      *testing.T
	dir    string
	binary string
	done   atomic.Int64
	failed atomic.Pointer[string]
}

func newUploader(t *testing.T) *uploader {
	t.Helper()
	u := &uploader{t: t, dir: t.TempDir(), binary: programs.For(t, programs.Upload)}
	u.write("file", "line\n")
	return u
}

func (u *uploader) path(name string) string { return filepath.Join(u.dir, name) }

// write replaces a file in one step, as whoever hands out secrets should.
func (u *uploader) write(name, text string) {
	u.t.Helper()
	if err := os.WriteFile(u.path(name+".new"), []byte(text), 0o600); err != nil {
		u.t.Fatal(err)
	}
	if err := os.Rename(u.path(name+".new"), u.path(name)); err != nil {
		u.t.Fatal(err)
	}
}

// given writes what Terraform says to the host.
func (u *uploader) given(state *terraform.State) error {
	r := state.RootModule().Resources[address]
	u.write("config.json", r.Primary.Attributes["server_configuration"])
	u.write("secret", r.Primary.Attributes["client_secret"])
	return nil
}

// start uploads until the context ends.
func (u *uploader) start(ctx context.Context) (stopped <-chan struct{}) {
	end := make(chan struct{})
	go func() {
		defer close(end)
		for n := 0; ctx.Err() == nil; n++ {
			cmd := exec.Command(u.binary, "upload", "--client-secret-file", u.path("secret"), u.path("file"), fmt.Sprintf("%04d", n)) //nolint:gosec // ours
			cmd.Env = append(os.Environ(), "OIDCS3_CONFIG="+u.path("config.json"), "OIDCS3_CACHE_DIR="+u.path(fmt.Sprintf("cache-%04d", n)), "OIDCS3_STATE_DIR="+u.path("state"))
			if out, err := cmd.CombinedOutput(); err != nil {
				text := fmt.Sprintf("upload %d: %v: %s", n, err, out)
				u.failed.CompareAndSwap(nil, &text)
				return
			}
			u.done.Add(1)
		}
	}()
	return end
}

// more waits until some further uploads are done.
func (u *uploader) more(n int64) error {
	want := u.done.Load() + n
	for deadline := time.Now().Add(time.Minute); u.done.Load() < want; time.Sleep(20 * time.Millisecond) {
		if failed := u.failed.Load(); failed != nil {
			return fmt.Errorf("%s", *failed)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d uploads are missing after a minute", want-u.done.Load())
		}
	}
	return nil
}

// TestAccRotationUnderUploads rotates a secret twice under a host that uploads all the time.
func TestAccRotationUnderUploads(t *testing.T) {
	t.Parallel()
	for _, idp := range []string{"entra", "cognito"} {
		t.Run(idp, func(t *testing.T) {
			u, s := newUploader(t), server{name: "busy-" + idp, idp: idp}
			ctx, stop := context.WithCancel(t.Context())
			var stopped <-chan struct{}
			var steps []resource.TestStep
			for _, trigger := range []string{"1", "2", "3"} {
				steps = append(steps, resource.TestStep{Config: rotated(s, trigger, ""), Check: func(state *terraform.State) error {
					if stopped == nil {
						if err := u.given(state); err != nil {
							return err
						}
						stopped = u.start(ctx)
					}
					if err := u.more(3); err != nil { // with the secret from before
						return err
					}
					if err := u.given(state); err != nil {
						return err
					}
					return u.more(3)
				}})
			}
			steps = append(steps, resource.TestStep{Config: rotated(s, "3", ""), Check: func(*terraform.State) error {
				stop()
				<-stopped
				if failed := u.failed.Load(); failed != nil {
					return fmt.Errorf("%s", *failed)
				}
				return nil
			}})
			defer stop()
			run(t, []string{s.name}, steps...)
			t.Logf("%d uploads, none failed", u.done.Load())
		})
	}
}
