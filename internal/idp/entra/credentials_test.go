package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

func newCertificate(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "web-01"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestRotation(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	p := start(t, d)
	spec := secretSpec()
	var c idp.Client
	apply(t.Context(), t, p, &c, spec)
	secret := p.Parts()[4]
	keys := func() []string {
		var all []string
		for _, one := range list(d.applications[3]["passwordCredentials"]) {
			all = append(all, "secret-"+fmt.Sprint(one.(map[string]any)["keyId"]))
		}
		return all
	}
	first := c.Secret.Reveal()
	before := c
	if err := secret.Apply(t.Context(), &c, spec); err != nil {
		t.Fatal(err)
	}
	second := c.Secret.Reveal()
	if got := keys(); !slices.Equal(got, []string{first, second}) {
		t.Errorf("valid after one rotation: %q", got)
	}
	undone := c
	if err := secret.Revert(t.Context(), &undone, before); err != nil || undone.Secret.Reveal() != first || !slices.Equal(keys(), []string{first}) {
		t.Errorf("after the undo: %v, %q", err, keys())
	}
	c = undone
	for range 2 {
		if err := secret.Apply(t.Context(), &c, spec); err != nil {
			t.Fatal(err)
		}
	}
	if got := keys(); len(got) != 2 || slices.Contains(got, first) || got[1] != c.Secret.Reveal() {
		t.Errorf("valid after two rotations: %q", got)
	}
}

func TestMethodsAndCertificates(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	p := start(t, d)
	first, second := newCertificate(t), newCertificate(t)
	var c idp.Client
	apply(t.Context(), t, p, &c, secretSpec())
	before := c
	for _, spec := range []idp.Spec{keySpec(first), keySpec(first, second), keySpec(second), secretSpec(), keySpec(second)} {
		found, err := p.Find(t.Context(), lookup(c.ID, spec))
		if err != nil {
			t.Fatal(err)
		}
		apply(t.Context(), t, p, &found, spec)
		if n := len(list(d.applications[3]["keyCredentials"])); n != len(spec.PublicKeys) {
			t.Errorf("%d certificates, want %d", n, len(spec.PublicKeys))
		}
		if n := len(list(d.applications[3]["passwordCredentials"])); (n == 1) != (spec.Method == idp.ClientSecret) {
			t.Errorf("%d passwords with %s", n, spec.Method)
		}
		if found.Method != spec.Method {
			t.Errorf("method is %s, want %s", found.Method, spec.Method)
		}
		c = found
	}
	if err := p.Parts()[3].Revert(t.Context(), &c, before); err != nil || len(list(d.applications[3]["keyCredentials"])) != 0 {
		t.Errorf("undo: %v", err)
	}
	for name, text := range map[string]string{"no PEM": "x", "a key": "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----"} {
		if err := p.Parts()[3].Apply(t.Context(), &c, keySpec(text)); !apierror.Is(err, apierror.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
