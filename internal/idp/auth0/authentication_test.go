package auth0

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// newKey returns the public half of a new RSA key in PEM.
func newKey() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestSecretThatNobodyKnows(t *testing.T) {
	t.Parallel()
	a := newTenant()
	a.secrets = false
	p := start(t, a)
	spec := secretSpec()
	var c idp.Client
	if err := p.Parts()[0].Apply(t.Context(), &c, spec); err != nil {
		t.Fatal(err)
	}
	found, err := p.Find(t.Context(), lookup(c.ID, spec))
	if err != nil {
		t.Fatal(err)
	}
	secret := p.Parts()[2]
	if got := secret.Deviations(found, spec); !slices.Equal(got, []string{"client secret is not known"}) {
		t.Errorf("deviations %q", got)
	}
	known := found
	known.Secret = "remembered"
	if got := secret.Deviations(known, spec); len(got) > 0 {
		t.Errorf("a secret that the caller knows deviates: %q", got)
	}
	apply(t.Context(), t, p, &found, spec)
	if found.Secret == "" || found.Secret.Reveal() != a.clients[0]["client_secret"] {
		t.Error("the rotated secret is not the client's")
	}
	// With a grant the client may be in use: a secret that cannot be read is no deviation.
	inUse, err := p.Find(t.Context(), lookup(c.ID, spec))
	if err != nil {
		t.Fatal(err)
	}
	if got := deviations(p, inUse, spec); len(got) > 0 || inUse.Secret != "" {
		t.Errorf("a client in use deviates: %q", got)
	}
	// Asked to rotate, it does; undone, the old secret works again.
	inUse.Secret = found.Secret
	before := inUse
	if err := secret.Apply(t.Context(), &inUse, spec); err != nil || inUse.Secret == before.Secret {
		t.Fatalf("rotation: %v", err)
	}
	if err := secret.Revert(t.Context(), &inUse, before); err != nil {
		t.Fatal(err)
	}
	if a.clients[0]["client_secret"] != before.Secret.Reveal() || inUse.Secret != before.Secret {
		t.Error("the undo has not put the secret back")
	}
}

func TestPrivateKeyJWT(t *testing.T) {
	t.Parallel()
	a := newTenant()
	p := start(t, a)
	first, second, third := newKey(), newKey(), newKey()
	var c idp.Client
	spec := keySpec(first)
	apply(t.Context(), t, p, &c, spec)
	if c.Secret != "" || c.Method != idp.PrivateKeyJWT {
		t.Errorf("client %+v", c)
	}
	if want := []string{"POST clients", "PATCH clients/id", "POST client-grants"}; !slices.Equal(a.calls, want) {
		t.Errorf("calls %q, want %q", a.calls, want)
	}
	check := func(step string, keys ...string) {
		t.Helper()
		var want, have []string
		for _, text := range keys {
			key, err := parseKey(text)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, key.id)
		}
		for _, id := range enabledIDs(a.clients[0]) {
			have = append(have, fmt.Sprint(pick(a.credentials[c.ID], "id", id)["kid"]))
		}
		if !sameSet(want, have) || len(a.credentials[c.ID]) != len(want) {
			t.Errorf("%s: enabled %v of %d stored, want %v", step, have, len(a.credentials[c.ID]), want)
		}
		found, err := p.Find(t.Context(), lookup(c.ID, keySpec(keys...)))
		if err != nil {
			t.Fatal(err)
		}
		if rest := deviations(p, found, keySpec(keys...)); len(rest) > 0 {
			t.Errorf("%s: deviates: %q", step, rest)
		}
		c = found
	}
	check("created", first)
	a.calls = nil
	check("read with the record", first)
	if n := a.called("GET clients/id/credentials"); n != 0 {
		t.Errorf("the record of keys did not save %d reads", n)
	}
	for _, rotation := range [][]string{{first, second}, {second}, {second, third}, {first, third}, {second}} {
		apply(t.Context(), t, p, &c, keySpec(rotation...))
		check(fmt.Sprint(len(rotation)), rotation...)
	}
	// Somebody else's key, enabled in the dashboard, shows and goes.
	a.calls = nil
	made, _ := a.makeCredential(c.ID, map[string]any{"pem": third})
	a.clients[0]["client_authentication_methods"] = privateKeyJWT([]any{map[string]any{"id": made["id"]}})
	found, err := p.Find(t.Context(), lookup(c.ID, keySpec(second)))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Parts()[1].Deviations(found, keySpec(second)); len(got) != 2 || !strings.Contains(got[0], "is missing") || !strings.Contains(got[1], "is enabled and not wanted") {
		t.Errorf("deviations %q", got)
	}
	apply(t.Context(), t, p, &found, keySpec(second))
	check("mended", second)
}

func TestLostResponseWhileKeysRotate(t *testing.T) {
	t.Parallel()
	first, second := newKey(), newKey()
	for _, lost := range []string{"POST clients/id/credentials", "PATCH clients/id", "DELETE clients/id/credentials/id"} {
		t.Run(lost, func(t *testing.T) {
			t.Parallel()
			a := newTenant()
			p := start(t, a)
			var c idp.Client
			apply(t.Context(), t, p, &c, keySpec(first))
			a.mu.Lock()
			a.fault = once(lost, "drop-after")
			a.mu.Unlock()
			spec := keySpec(second)
			authentication := p.Parts()[1]
			if err := authentication.Apply(t.Context(), &c, spec); !apierror.Is(err, apierror.Ambiguous) {
				t.Fatalf("got %v, want an ambiguous failure", err)
			}
			found, err := p.Find(t.Context(), lookup(c.ID, spec))
			if err != nil {
				t.Fatal(err)
			}
			apply(t.Context(), t, p, &found, spec)
			if got := enabledIDs(a.clients[0]); len(got) != 1 {
				t.Errorf("%d keys are enabled", len(got))
			}
			if rest := deviations(p, found, spec); len(rest) > 0 {
				t.Errorf("deviates: %q", rest)
			}
		})
	}
}

func TestMethodChanges(t *testing.T) {
	t.Parallel()
	a := newTenant()
	p := start(t, a)
	key := newKey()
	var c idp.Client
	apply(t.Context(), t, p, &c, secretSpec())
	asSecret := c
	apply(t.Context(), t, p, &c, keySpec(key))
	if c.Method != idp.PrivateKeyJWT || c.Secret != "" || a.clients[0]["token_endpoint_auth_method"] != nil {
		t.Errorf("client %+v", c)
	}
	undone := c
	if err := p.Parts()[1].Revert(t.Context(), &undone, asSecret); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Find(t.Context(), lookup(c.ID, secretSpec())); err != nil || len(deviations(p, got, secretSpec())) > 0 || got.Secret != asSecret.Secret || len(a.credentials[c.ID]) != 0 {
		t.Errorf("after the undo: %v, %q", err, deviations(p, got, secretSpec()))
	}
	apply(t.Context(), t, p, &undone, keySpec(key))
	old := a.clients[0]["client_secret"]
	a.fault = once("POST clients/id/rotate-secret", "drop")
	if err := p.Parts()[1].Apply(t.Context(), &undone, secretSpec()); !apierror.Is(err, apierror.Ambiguous) {
		t.Fatalf("got %v, want an ambiguous failure", err)
	}
	found, err := p.Find(t.Context(), lookup(c.ID, secretSpec()))
	if err != nil {
		t.Fatal(err)
	}
	if got := deviations(p, found, secretSpec()); !slices.Equal(got, []string{"keys of a former client authentication are left"}) {
		t.Errorf("half-way: %q", got)
	}
	apply(t.Context(), t, p, &found, secretSpec())
	if found.Secret == "" || found.Secret.Reveal() == old || len(a.credentials[c.ID]) != 0 {
		t.Error("the secret of old works again, or keys are left")
	}
}

func TestKeysThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(curve.Public())
	if err != nil {
		t.Fatal(err)
	}
	ec := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	secret := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}))
	p := start(t, newTenant())
	for name, keys := range map[string][]string{
		"none": nil, "three": {newKey(), newKey(), newKey()}, "no PEM": {"hello"}, "elliptic": {ec}, "private": {secret},
	} {
		var c idp.Client
		if err := p.Parts()[0].Apply(t.Context(), &c, keySpec(keys...)); !apierror.Is(err, apierror.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
