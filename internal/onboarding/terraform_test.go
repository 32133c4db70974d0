package onboarding

import (
	"context"
	"fmt"
	"maps"
	"reflect"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// terraform does with a controller what Terraform and the resource do, for one server in one state.
type terraform struct {
	ctx    context.Context //nolint:containedctx // it lives for one run
	c      *Controller
	known  *remembered
	adopts func() bool // whether somebody imports what was onboarded and is not in the state, as the error says
	hidden bool        // the identity provider does not show secrets
	role   func(name string) (iam.Role, error)
}

// remembered is what a Terraform state knows of one server.
type remembered struct {
	exists, tainted bool
	applied         Resolved
	ref             Reference
	secret          idp.Secret
	imported        bool // by import, which cannot know a secret that the identity provider hides
}

// reference is what the provider makes of a state.
func (k *remembered) reference() Reference {
	ref := k.ref
	ref.Storage = k.applied.storage()
	ref.Mode, ref.ProviderARN, ref.Table = k.applied.Mode, k.applied.Identity.ProviderARN, k.applied.Identity.Vending.Table
	return ref
}

// refresh reads what there is into the state, as the resource's Read does.
func (t terraform) refresh() (Observed, error) {
	if !t.known.exists {
		return Observed{}, nil
	}
	o, err := t.c.Observe(t.ctx, t.known.applied, t.known.reference())
	if err != nil {
		return o, err
	}
	if o.Gone() {
		*t.known = remembered{}
		return o, nil
	}
	t.known.ref.ClientID, t.known.ref.SecretID = o.Client.ID, o.Client.SecretID
	switch {
	case !o.Client.Exists():
		t.known.secret = ""
	case t.known.applied.storage() != State: // what a failure has left there stays
	case o.Client.Secret != "":
		t.known.secret = o.Client.Secret
	}
	if o.Journal.OnboardingID != "" {
		t.known.ref.OnboardingID = o.Journal.OnboardingID
	}
	return o, nil
}

// apply is terraform apply: refresh, plan, and what the plan asks for.
func (t terraform) apply(want Resolved) error {
	o, err := t.refresh()
	if err != nil {
		return err
	}
	if t.known.exists && t.known.tainted {
		if err := t.c.Delete(t.ctx, t.known.applied, t.known.reference()); err != nil {
			return err
		}
		*t.known = remembered{}
	}
	if t.known.exists {
		if !differs(o, *t.known, want) {
			return nil
		}
		asked := want
		asked.Rotate = rotates(t.known.applied, want)
		asked.AllowDowntime = t.hidden && t.known.secret == "" // as the error advises where the secret is not known
		outcome, err := t.c.Update(t.ctx, asked, t.known.reference(), t.known.secret)
		if err == nil {
			t.known.applied, t.known.imported = want, false
			t.known.note(outcome)
		} else if leftBehind(err) && outcome.Client.Exists() {
			t.known.ref.ClientID, t.known.ref.SecretID = outcome.Client.ID, outcome.Client.SecretID
			if want.storage() == State || t.known.applied.storage() == State {
				t.known.secret = outcome.Client.Secret
			}
		}
		return err
	}
	outcome, err := t.c.Create(t.ctx, want)
	if owned, ok := err.(*Owned); ok && owned.ImportID == want.ID() { //nolint:errorlint // it is never wrapped
		return t.adopt(want)
	}
	if failure, ok := err.(*Failure); ok { //nolint:errorlint // it is never wrapped
		if owned, ok := failure.Err.(*Owned); ok && owned.ImportID == want.ID() { //nolint:errorlint // as above
			return t.adopt(want)
		}
	}
	if err == nil || leftBehind(err) {
		*t.known = remembered{exists: true, tainted: err != nil, applied: want}
		t.known.note(outcome)
	}
	return err
}

// note keeps what an operation says of a client, as the provider writes it into the state.
func (k *remembered) note(o Outcome) {
	k.ref = Reference{ClientID: o.Client.ID, SecretID: o.Client.SecretID, OnboardingID: o.OnboardingID, RoleARN: o.RoleARN}
	if k.applied.storage() != State {
		k.secret = ""
	} else if o.Client.Exists() && o.Client.Secret != "" {
		k.secret = o.Client.Secret
	}
}

// adopt is terraform import, which the error names as the way on, and an apply. While the faults last nobody does it.
func (t terraform) adopt(want Resolved) error {
	if !t.adopts() {
		return fmt.Errorf("server %s has been onboarded already", want.ID())
	}
	role, err := t.role(want.Name())
	if err != nil {
		return err
	}
	j := parseJournal(role.Tags)
	*t.known = remembered{exists: true, applied: want, imported: t.hidden, ref: Reference{ClientID: j.ClientID, OnboardingID: j.OnboardingID}}
	return t.apply(want)
}

func (t terraform) destroy() error {
	if _, err := t.refresh(); err != nil || !t.known.exists {
		return err
	}
	if err := t.c.Delete(t.ctx, t.known.applied, t.known.reference()); err != nil {
		return err
	}
	*t.known = remembered{}
	return nil
}

// rotates reports whether a change of configuration asks for a new secret: the owner's tag stands for rotation_triggers.
func rotates(was, is Resolved) bool {
	return was.Tags["Owner"] != is.Tags["Owner"]
}

func leftBehind(err error) bool {
	failure, ok := err.(*Failure) //nolint:errorlint // operations return it bare
	return ok && len(failure.Remains) > 0
}

// differs reports whether a plan would show a difference.
func differs(o Observed, known remembered, want Resolved) bool {
	if len(o.Drift) > 0 || o.Role == nil || (known.secret == "") == (want.storage() == State) || !reflect.DeepEqual(known.applied, want) {
		return true
	}
	role := *o.Role
	granted, _ := policies(role)
	return !access.Equivalent(role.TrustPolicy, want.trust(o.Client)) || role.MaxSessionDuration != want.MaxSessionDuration ||
		role.PermissionsBoundary != want.PermissionsBoundary || !maps.Equal(userTags(role.Tags), want.Tags) ||
		!maps.EqualFunc(granted, want.Permissions().Policies(), access.Equivalent)
}
