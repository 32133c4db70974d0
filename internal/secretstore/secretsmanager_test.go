package secretstore_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson/awsjsontest"
	sandbox "github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/secretsmanager"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/secretstore"
)

const secretName = "oidc-s3-dev-web-01/client-secret"

// secretsWorld is Secrets Manager with a clock that runs while the vault waits.
type secretsWorld struct {
	vault  *secretstore.SecretsManager
	client *secretsmanager.Client // the console
	waited atomic.Int64           // nanoseconds
}

func newSecretsWorld(t *testing.T, erasing time.Duration) *secretsWorld {
	t.Helper()
	w := &secretsWorld{}
	start := time.Now()
	server := awsjsontest.Serve(t, func(guard authz.Guard) http.Handler {
		return sandbox.New(sandbox.Config{Now: func() time.Time { return start.Add(time.Duration(w.waited.Load())) }, Erasing: erasing,
			AccountID: awsjsontest.Account, Region: awsjsontest.Region, Partition: awsjsontest.Partition, Guard: guard})
	})
	w.client = secretsmanager.NewFromConfig(server.Admin())
	w.vault = secretstore.NewSecretsManager(w.client, secretstore.WithSleep(func(ctx context.Context, d time.Duration) error {
		w.waited.Add(int64(d))
		return ctx.Err()
	}))
	return w
}

// TestScheduledForDeletion: a secret that somebody deleted in the console is none, and comes back where it is the owner's.
func TestScheduledForDeletion(t *testing.T) {
	t.Parallel()
	w := newSecretsWorld(t, 0)
	made, err := w.vault.Put(t.Context(), secretName, "onboarding-1", "first")
	if err != nil {
		t.Fatal(err)
	}
	schedule := func() {
		t.Helper()
		if _, err := w.client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String(secretName)}); err != nil {
			t.Fatal(err)
		}
	}
	schedule()
	if _, _, err := w.vault.Read(t.Context(), secretName); !apierror.Is(err, apierror.NotFound) {
		t.Errorf("read: %v", err)
	}
	_, err = w.vault.Put(t.Context(), secretName, "onboarding-2", "third")
	if !apierror.Is(err, apierror.Exists) || !strings.Contains(err.Error(), "--force-delete-without-recovery") {
		t.Errorf("another owner's: %v", err)
	}
	if waited := time.Duration(w.waited.Load()); waited < 2*time.Minute || waited > 3*time.Minute {
		t.Errorf("another owner waited %v for the name", waited)
	}
	w.waited.Store(0)
	back, err := w.vault.Put(t.Context(), secretName, "onboarding-1", "second")
	if err != nil || back != made || w.waited.Load() != 0 {
		t.Errorf("%s became %s after %v: %v", made, back, time.Duration(w.waited.Load()), err)
	}
	if _, value, err := w.vault.Read(t.Context(), secretName); err != nil || value.Reveal() != "second" {
		t.Errorf("restored with %q: %v", value.Reveal(), err)
	}
	schedule()
	if err := w.vault.Delete(t.Context(), secretName, "onboarding-1"); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := w.vault.Put(t.Context(), secretName, "onboarding-2", "third"); err != nil {
		t.Errorf("the name is not free again: %v", err)
	}
}

// TestNameComesFreeLate: Secrets Manager deletes for good behind the scenes, and the name is taken until it has.
func TestNameComesFreeLate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		owner   string
		erasing time.Duration
		ok      bool
	}{
		"another owner's": {"onboarding-2", 40 * time.Second, true},
		"the owner's own": {"onboarding-1", 40 * time.Second, true},
		"never":           {"onboarding-1", time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSecretsWorld(t, c.erasing)
			if _, err := w.vault.Put(t.Context(), secretName, "onboarding-1", "first"); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := w.vault.Delete(t.Context(), secretName, "onboarding-1"); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, err := w.vault.Read(t.Context(), secretName); !apierror.Is(err, apierror.NotFound) {
				t.Errorf("read: %v", err)
			}
			_, err := w.vault.Put(t.Context(), secretName, c.owner, "second")
			if c.ok != (err == nil) || !c.ok && !apierror.Is(err, apierror.Exists) {
				t.Fatalf("put after %v: %v", time.Duration(w.waited.Load()), err)
			}
			if !c.ok {
				return
			}
			if _, value, err := w.vault.Read(t.Context(), secretName); err != nil || value.Reveal() != "second" {
				t.Errorf("read %q: %v", value.Reveal(), err)
			}
		})
	}
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		w := newSecretsWorld(t, time.Hour)
		if _, err := w.vault.Put(t.Context(), secretName, "onboarding-1", "first"); err != nil {
			t.Fatal(err)
		}
		if err := w.vault.Delete(t.Context(), secretName, "onboarding-1"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		vault := secretstore.NewSecretsManager(w.client) // waits for real
		if _, err := vault.Put(ctx, secretName, "onboarding-1", "second"); !apierror.Is(err, apierror.Ambiguous) {
			t.Errorf("interrupted: %v", err)
		}
	})
}
