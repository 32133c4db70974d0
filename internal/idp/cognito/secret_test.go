package cognito_test

import (
	"net/http"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/cognito"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

func secretPart(t *testing.T, p *cognito.Provider) idp.Part {
	t.Helper()
	for _, one := range p.Parts() {
		if one.Name == idp.SecretPart {
			return one
		}
	}
	t.Fatal("secrets cannot be rotated")
	return idp.Part{}
}

func TestSecretsOverlap(t *testing.T) {
	t.Parallel()
	w := open(t)
	var c idp.Client
	w.converge(&c, spec())
	rotation := secretPart(t, w.provider)
	rotate := func() idp.Client {
		before := c
		if err := rotation.Apply(t.Context(), &c, spec()); err != nil {
			t.Fatal(err)
		}
		if c.ID != before.ID || c.Secret == before.Secret || c.SecretID == before.SecretID {
			t.Fatalf("from secret %q to %q", before.SecretID, c.SecretID)
		}
		return before
	}
	valid := func(c idp.Client) bool { return w.token(c, "s3/upload") == http.StatusOK }
	first := rotate()
	if !valid(first) || !valid(c) {
		t.Errorf("after a rotation, the former secret is valid: %t, the new one: %t", valid(first), valid(c))
	}
	second := rotate()
	if valid(first) || !valid(second) || !valid(c) {
		t.Errorf("after another: the first is valid: %t, the former: %t, the new one: %t", valid(first), valid(second), valid(c))
	}
	third := rotate()
	if err := rotation.Revert(t.Context(), &c, third); err != nil {
		t.Fatal(err)
	}
	if c.Secret != third.Secret || c.SecretID != third.SecretID || !valid(c) {
		t.Error("the reverted rotation did not leave the former secret")
	}
	narrow := spec()
	narrow.Scopes = []string{"s3/read"}
	w.converge(&c, narrow)
	if c.Secret != third.Secret || c.SecretID != third.SecretID {
		t.Error("another change forgot which secret is in use")
	}
}

// TestLostSecretMakesRoom: an attempt whose answer was lost leaves a secret that nobody has.
func TestLostSecretMakesRoom(t *testing.T) {
	t.Parallel()
	w := open(t)
	var c idp.Client
	w.converge(&c, spec())
	first := c
	rotation := secretPart(t, w.provider)
	if err := w.edge.Faults().Add(edge.Fault{Operation: "AddUserPoolClientSecret", Nth: 1, Kind: edge.DropAfter}); err != nil {
		t.Fatal(err)
	}
	if err := rotation.Apply(t.Context(), &c, spec()); !apierror.Is(err, apierror.Ambiguous) {
		t.Fatalf("a lost answer: %v", err)
	}
	if err := rotation.Apply(t.Context(), &c, spec()); err != nil {
		t.Fatal(err)
	}
	if w.token(first, "s3/upload") != http.StatusOK || w.token(c, "s3/upload") != http.StatusOK {
		t.Error("the former secret or the new one is not valid")
	}
}

// TestUnknownSecretIsKept: of two secrets, none is deleted while it is not known which the server uses, neither by the
// rotation, which is refused, nor by its undo.
func TestUnknownSecretIsKept(t *testing.T) {
	t.Parallel()
	w := open(t)
	var c idp.Client
	w.converge(&c, spec())
	rotation := secretPart(t, w.provider)
	if err := rotation.Apply(t.Context(), &c, spec()); err != nil {
		t.Fatal(err)
	}
	imported := c
	imported.SecretID = ""
	if err := rotation.Apply(t.Context(), &imported, spec()); !apierror.Is(err, apierror.Conflict) {
		t.Errorf("of two unknown secrets one was replaced: %v", err)
	}
	before := imported
	if err := rotation.Revert(t.Context(), &imported, before); err != nil {
		t.Errorf("the refused rotation's undo: %v", err)
	}
	if imported.SecretID != "" {
		t.Error("the undo claims to know which secret is in use")
	}
	if w.token(c, "s3/upload") != http.StatusOK {
		t.Error("the secret is not valid any more")
	}
}
