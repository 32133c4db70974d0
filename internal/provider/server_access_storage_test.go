package provider_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

// stored is a server's configuration with its client secret elsewhere.
func stored(s server, where, more string) string {
	s.more = fmt.Sprintf("client_authentication = {\nsecret_storage = %q\n%s\n}", where, more)
	return s.hcl()
}

// fromStorage reads a stored client secret the way that people who set up hosts do.
func fromStorage(ctx context.Context, where, role string) (string, error) {
	cfg, err := environment(ctx)
	if err != nil {
		return "", err
	}
	if where == "ssm" {
		out, err := ssm.NewFromConfig(cfg).GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("/" + role + "/client-secret"), WithDecryption: aws.Bool(true)})
		if err != nil {
			return "", err
		}
		if out.Parameter.Type != "SecureString" {
			return "", fmt.Errorf("the parameter is a %s", out.Parameter.Type)
		}
		return *out.Parameter.Value, nil
	}
	out, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(role + "/client-secret")})
	if err != nil {
		return "", err
	}
	return *out.SecretString, nil
}

// storedHost is the server under test with its secret from the storage, and nothing of it in the state.
func storedHost(state *terraform.State, where string) (host, error) {
	h, err := hostOf(state, address)
	if err != nil {
		return h, err
	}
	if h.secret != "" {
		return h, errors.New("the client secret is in the state")
	}
	if h.secret, err = fromStorage(context.Background(), where, state.RootModule().Resources[address].Primary.Attributes["role_name"]); err != nil {
		return h, err
	}
	text, err := json.Marshal(state)
	if err == nil && bytes.Contains(text, []byte(h.secret)) {
		err = errors.New("the client secret is somewhere in the state")
	}
	return h, err
}

// works expects that the server gets at its prefix with the stored secret, and that it is another than the last one or
// the same.
func works(where string, last *string, fresh bool) resource.TestCheckFunc {
	return func(state *terraform.State) error {
		h, err := storedHost(state, where)
		if err != nil {
			return err
		}
		if *last != "" && (*last != h.secret) != fresh {
			return fmt.Errorf("the secret is new: %t", !fresh)
		}
		*last = h.secret
		return h.may(context.Background(), "put")
	}
}

// nowhere expects that a storage has no secret of the role.
func nowhere(where, role string) resource.TestCheckFunc {
	return checking(func() error {
		if _, err := fromStorage(context.Background(), where, role); err == nil {
			return fmt.Errorf("%s still has the client secret", where)
		}
		return nil
	})
}

func TestAccServerAccess_storedSecret(t *testing.T) {
	t.Parallel()
	arn := func(check knownvalue.Check) statecheck.StateCheck {
		return statecheck.ExpectKnownValue(address, tfjsonpath.New("client_authentication").AtMapKey("secret_arn"), check)
	}
	forms := map[string]*regexp.Regexp{"secretsmanager": regexp.MustCompile(`^arn:aws:secretsmanager:.*:secret:oidc-s3-dev-.*/client-secret-`),
		"ssm": regexp.MustCompile(`^arn:aws:ssm:.*:parameter/oidc-s3-dev-.*/client-secret$`)}
	other := map[string]string{"secretsmanager": "ssm", "ssm": "secretsmanager"}
	forEachIDP(t, func(t *testing.T, idp string) {
		for where, form := range forms {
			t.Run(where, func(t *testing.T) {
				s := server{name: "stored-" + where + "-" + idp, idp: idp}
				role, last := "oidc-s3-dev-"+s.name, ""
				update := in(plancheck.ResourceActionUpdate)
				run(t, []string{s.name},
					resource.TestStep{Config: stored(s, where, `rotation_triggers = { when = "1" }`), Check: works(where, &last, true),
						ConfigStateChecks: []statecheck.StateCheck{value("client_secret", knownvalue.Null()), arn(knownvalue.StringRegexp(form))}},
					resource.TestStep{Config: stored(s, where, "allow_downtime = true\nrotation_triggers = { when = \"2\" }"), ConfigPlanChecks: update, Check: works(where, &last, true)},
					resource.TestStep{Config: stored(s, other[where], ""), ConfigPlanChecks: update,
						Check: resource.ComposeTestCheckFunc(works(other[where], &last, false), nowhere(where, role))},
					resource.TestStep{Config: s.hcl(), ConfigPlanChecks: update, Check: resource.ComposeTestCheckFunc(may(address, "put"), nowhere(other[where], role)),
						ConfigStateChecks: []statecheck.StateCheck{value("client_secret", knownvalue.NotNull())}},
					resource.TestStep{Config: stored(s, where, ""), ConfigPlanChecks: update, Check: works(where, &last, false)},
				)
				if err := nowhere(where, role)(nil); err != nil {
					t.Errorf("after the destroy: %v", err)
				}
			})
		}
	})
}

// TestAccServerAccess_storedSecretDrifts deletes and overwrites the stored secret behind Terraform's back, for good and as the
// console does, with a recovery window. The published policies suffice to mend it.
func TestAccServerAccess_storedSecretDrifts(t *testing.T) {
	s, last := server{name: "stored-drift", provider: limited(t, "terraform-stored-drift", auth0Scopes, "terraform.json", "terraform-secrets.json")}, ""
	name := aws.String("oidc-s3-dev-" + s.name + "/client-secret")
	vault := func() *secretsmanager.Client {
		cfg, err := environment(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return secretsmanager.NewFromConfig(cfg)
	}
	config := stored(s, "secretsmanager", "")
	run(t, []string{s.name},
		resource.TestStep{Config: config, Check: works("secretsmanager", &last, true)},
		resource.TestStep{Config: config, ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: works("secretsmanager", &last, false), PreConfig: func() {
			if _, err := vault().DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: name, ForceDeleteWithoutRecovery: aws.Bool(true)}); err != nil {
				t.Fatal(err)
			}
		}},
		resource.TestStep{Config: config, ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: works("secretsmanager", &last, false), PreConfig: func() {
			if _, err := vault().DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: name}); err != nil {
				t.Fatal(err)
			}
		}},
		resource.TestStep{Config: config, ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: works("secretsmanager", &last, false), PreConfig: func() {
			if _, err := vault().PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: name, SecretString: aws.String("something else")}); err != nil {
				t.Fatal(err)
			}
		}},
		resource.TestStep{ResourceName: address, ImportState: true, ImportStateId: "dev/" + s.name, ImportStateVerify: true, ImportStateVerifyIgnore: []string{"timeouts"}},
	)
}

// TestAccServerAccess_storedSecretOfOthers leaves a secret alone that has the name already.
func TestAccServerAccess_storedSecretOfOthers(t *testing.T) {
	s := server{name: "stored-foreign"}
	name := aws.String("oidc-s3-dev-" + s.name + "/client-secret")
	cfg, err := environment(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	vault := secretsmanager.NewFromConfig(cfg)
	if _, err := vault.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: name, SecretString: aws.String("others'")}); err != nil {
		t.Fatal(err)
	}
	run(t, []string{s.name}, resource.TestStep{Config: stored(s, "secretsmanager", ""), ExpectError: regexp.MustCompile(`(?s)belongs\s+to\s+something\s+else.*undone`)})
	found, err := vault.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: name})
	if err != nil || *found.SecretString != "others'" {
		t.Errorf("the other secret was touched: %v", err)
	}
}

// TestAccStoredSecretIsNowhereElse looks for the value in everything that Terraform writes, its trace included.
func TestAccStoredSecretIsNowhereElse(t *testing.T) {
	t.Parallel()
	for _, idp := range idps {
		t.Run(idp, func(t *testing.T) {
			s := server{name: "stored-quiet-" + idp, idp: idp}
			w := newWorkplace(t)
			for name, value := range clouds.Env() { // the clouds that the configuration is about
				w.env = append(w.env, name+"="+value)
			}
			configuration := func(trigger string) string {
				return oidcs3Block + stored(s, "secretsmanager", fmt.Sprintf("rotation_triggers = { when = %q }\nallow_downtime = true", trigger))
			}
			dir := w.dir(configuration("1"))
			w.env = append(w.env, "TF_LOG=TRACE", "TF_LOG_PATH="+filepath.Join(dir, "trace.log"))
			var secrets []string
			keep := func() {
				value, err := fromStorage(t.Context(), "secretsmanager", "oidc-s3-dev-"+s.name)
				if err != nil {
					t.Fatal(err)
				}
				secrets = append(secrets, value)
			}
			output := w.terraform(dir, "apply", "-auto-approve", "-no-color")
			keep()
			if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(configuration("2")), 0o600); err != nil {
				t.Fatal(err)
			}
			output = append(output, w.terraform(dir, "plan", "-out=plan", "-no-color")...)
			output = append(output, w.terraform(dir, "show", "-json", "plan")...)
			output = append(output, w.terraform(dir, "apply", "-no-color", "plan")...)
			keep()
			output = append(output, w.terraform(dir, "show", "-json")...)
			defer w.terraform(dir, "destroy", "-auto-approve")
			texts := map[string][]byte{"output": output}
			for _, name := range []string{"terraform.tfstate", "terraform.tfstate.backup", "plan", "trace.log"} {
				text, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				texts[name] = text
			}
			if !strings.Contains(string(texts["trace.log"]), "store client secret") {
				t.Error("the trace is not that of the provider")
			}
			for name, text := range texts {
				for i, secret := range secrets {
					if bytes.Contains(text, []byte(secret)) {
						t.Errorf("secret %d is in %s", i+1, name)
					}
				}
			}
			if secrets[0] == secrets[1] {
				t.Error("the secret was not rotated")
			}
		})
	}
}
