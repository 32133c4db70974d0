package secretstore_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/secretstore"
)

func TestVaults(t *testing.T) {
	clouds, err := sandbox.Start(t.Context(), sandbox.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = clouds.Close() })
	for name, value := range clouds.Env() {
		t.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithAPIOptions(awsanswer.Options()))
	if err != nil {
		t.Fatal(err)
	}
	for name, vault := range map[string]onboarding.Vault{
		"secretsmanager": secretstore.NewSecretsManager(secretsmanager.NewFromConfig(cfg)),
		"ssm":            secretstore.NewParameterStore(ssm.NewFromConfig(cfg)),
	} {
		t.Run(name, func(t *testing.T) {
			const secret = "oidc-s3-dev-web-01/client-secret"
			if _, _, err := vault.Read(t.Context(), secret); !apierror.Is(err, apierror.NotFound) {
				t.Errorf("a secret that is not there: %v", err)
			}
			var arn string
			for _, value := range []string{"one", "two", "two"} {
				made, err := vault.Put(t.Context(), secret, "onboarding-1", idp.Secret(value))
				if err != nil {
					t.Fatal(err)
				}
				found, read, err := vault.Read(t.Context(), secret)
				if err != nil || read.Reveal() != value || found != made || !strings.HasPrefix(made, "arn:aws:"+name+":") || (arn != "" && arn != made) {
					t.Errorf("stored %q as %q, read %q as %q: %v", value, made, read.Reveal(), found, err)
				}
				arn = made
			}
			if _, err := vault.Put(t.Context(), secret, "onboarding-2", "three"); !apierror.Is(err, apierror.Exists) || strings.Contains(err.Error(), "three") {
				t.Errorf("another owner's secret: %v", err)
			}
			if err := vault.Delete(t.Context(), secret, "onboarding-2"); err != nil {
				t.Error(err)
			}
			if _, read, err := vault.Read(t.Context(), secret); err != nil || read.Reveal() != "two" {
				t.Errorf("another owner overwrote or deleted it: %v", err)
			}
			for range 2 {
				if err := vault.Delete(t.Context(), secret, "onboarding-1"); err != nil {
					t.Error(err)
				}
			}
			if _, _, err := vault.Read(t.Context(), secret); !apierror.Is(err, apierror.NotFound) {
				t.Errorf("a deleted secret: %v", err)
			}
			if _, err := vault.Put(t.Context(), secret, "onboarding-2", "four"); err != nil {
				t.Errorf("the name is not free again: %v", err)
			}
		})
	}
}
