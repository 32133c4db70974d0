package provider_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"regexp"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"

	"github.com/auth0/go-auth0/management"
)

// byKey is the configuration of a server with private_key_jwt and the public keys.
func byKey(name string, keys ...string) server {
	text := ""
	for _, key := range keys {
		text += key
	}
	return server{name: name, more: "client_authentication = {\n method = \"private_key_jwt\"\n public_key_pem = <<-E\n" + text + "E\n}"}
}

// registeredKeys counts the public keys that a client may use now.
func registeredKeys(t *testing.T, role string) int {
	t.Helper()
	client, err := auth0Client(t).Client.Read(t.Context(), auth0ID(t, role))
	if err != nil {
		t.Fatal(err)
	}
	return len(*client.ClientAuthenticationMethods.PrivateKeyJWT.Credentials)
}

// TestAccServerAccess_privateKeyJWT has no secret anywhere, replaces the key with an overlap, and goes back to a secret.
func TestAccServerAccess_privateKeyJWT(t *testing.T) {
	first, second := publicKey(t), publicKey(t)
	name := "by-key"
	expectKeys := func(n int) resource.TestCheckFunc {
		return checking(func() error {
			if got := registeredKeys(t, "oidc-s3-dev-"+name); got != n {
				t.Errorf("%d keys are registered, want %d", got, n)
			}
			return nil
		})
	}
	noSecret := []statecheck.StateCheck{value("client_secret", knownvalue.Null())}
	run(t, []string{name},
		resource.TestStep{Config: byKey(name, first).hcl(), ConfigStateChecks: noSecret, Check: expectKeys(1)},
		resource.TestStep{Config: byKey(name, first, second).hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), ConfigStateChecks: noSecret, Check: expectKeys(2)},
		resource.TestStep{Config: byKey(name, second).hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), ConfigStateChecks: noSecret, Check: expectKeys(1)},
		resource.TestStep{ResourceName: address, ImportState: true, ImportStateId: name, ImportStateVerify: true,
			ImportStateVerifyIgnore: []string{"client_authentication.public_key_pem", "timeouts"}},
		resource.TestStep{Config: server{name: name}.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate),
			ConfigStateChecks: []statecheck.StateCheck{value("client_secret", knownvalue.StringRegexp(regexp.MustCompile(`^.{32,}$`)))},
			Check:             may(address, "put")},
	)
}

// TestAccServerAccess_keyTakenAway removes a key behind Terraform's back.
func TestAccServerAccess_keyTakenAway(t *testing.T) {
	s := byKey("key-gone", publicKey(t), publicKey(t))
	run(t, []string{s.name},
		resource.TestStep{Config: s.hcl()},
		resource.TestStep{
			PreConfig: func() {
				id := auth0ID(t, "oidc-s3-dev-key-gone")
				m := auth0Client(t)
				client, err := m.Client.Read(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				keep := (*client.ClientAuthenticationMethods.PrivateKeyJWT.Credentials)[:1]
				keep[0] = management.Credential{ID: keep[0].ID}
				update := &management.Client{ClientAuthenticationMethods: &management.ClientAuthenticationMethods{
					PrivateKeyJWT: &management.PrivateKeyJWT{Credentials: &keep}}}
				if err := m.Client.Update(t.Context(), id, update); err != nil {
					t.Fatal(err)
				}
			},
			Config: s.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate),
			Check: checking(func() error {
				if got := registeredKeys(t, "oidc-s3-dev-key-gone"); got != 2 {
					t.Errorf("%d keys are registered, want 2", got)
				}
				return nil
			}),
		})
}

// certificate makes a key and returns a certificate of it in PEM form.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "host"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// TestAccServerAccess_entraCertificate has a certificate in place of a secret, and replaces it with an overlap.
func TestAccServerAccess_entraCertificate(t *testing.T) {
	first, second := certificate(t), certificate(t)
	const name = "by-certificate"
	with := func(certificates ...string) string {
		s := byKey(name, certificates...)
		s.idp = "entra"
		return s.hcl()
	}
	expect := func(certificates, passwords int) resource.TestCheckFunc {
		return checking(func() error {
			app := application(t, "oidc-s3-dev-"+name)
			if len(app.Certificates) != certificates || len(app.Passwords) != passwords {
				t.Errorf("%d certificates and %d passwords, want %d and %d", len(app.Certificates), len(app.Passwords), certificates, passwords)
			}
			return nil
		})
	}
	noSecret := []statecheck.StateCheck{value("client_secret", knownvalue.Null())}
	run(t, []string{name},
		resource.TestStep{Config: with(first), ConfigStateChecks: noSecret, Check: expect(1, 0)},
		resource.TestStep{Config: with(first, second), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: expect(2, 0)},
		resource.TestStep{Config: with(second), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), ConfigStateChecks: noSecret, Check: expect(1, 0)},
		resource.TestStep{ResourceName: address, ImportState: true, ImportStateId: name, ImportStateVerify: true,
			ImportStateVerifyIgnore: []string{"client_authentication.public_key_pem", "timeouts"}},
	)
}
