package provider_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
)

// actionWire speaks to a provider whose block names the Cognito foundation, which a role does not tell.
func actionWire(t *testing.T) *wire {
	t.Helper()
	settings := object{}
	for name, value := range foundation("cognito") {
		if text, err := strconv.Unquote(value); err == nil {
			settings[name] = text
		}
	}
	return newWireWith(t, object{"environment": "dev", "cognito": settings})
}

// invoke does an action, as `terraform apply -invoke` of Terraform 1.14 does: it validates, plans and invokes it. It returns
// what was said meanwhile.
func (w *wire) invoke(action string, set object) (said string, err error) {
	w.t.Helper()
	config := w.nested(w.schemas.ActionSchemas[action].Schema.ValueType(), set)
	server := w.server.(tfprotov6.ActionServer)
	valid, err := server.ValidateActionConfig(w.t.Context(), &tfprotov6.ValidateActionConfigRequest{ActionType: action, Config: config})
	if err != nil {
		return "", err
	}
	planned, err := server.PlanAction(w.t.Context(), &tfprotov6.PlanActionRequest{ActionType: action, Config: config})
	if err != nil {
		return "", err
	}
	if text := errorsOf(valid.Diagnostics, planned.Diagnostics); text != "" {
		return "", errors.New("refused at plan: " + text)
	}
	stream, err := server.InvokeAction(w.t.Context(), &tfprotov6.InvokeActionRequest{ActionType: action, Config: config})
	if err != nil {
		return "", err
	}
	for event := range stream.Events {
		switch event := event.Type.(type) {
		case tfprotov6.ProgressInvokeActionEventType:
			said += event.Message + "\n"
		case tfprotov6.CompletedInvokeActionEventType:
			if text := errorsOf(event.Diagnostics); text != "" {
				return said, errors.New(text)
			}
		}
	}
	return said, nil
}

// acting invokes an action between two steps of a test.
func acting(t *testing.T, action string, set object) resource.TestCheckFunc {
	return checking(func() error {
		said, err := actionWire(t).invoke(action, set)
		if err == nil && said == "" {
			err = errors.New("nothing was said")
		}
		return err
	})
}

// refusing expects that an action is refused at plan, in these words.
func refusing(t *testing.T, action string, set object, words ...string) resource.TestCheckFunc {
	return checking(func() error {
		_, err := actionWire(t).invoke(action, set)
		for _, word := range append(words, "refused at plan", "Nothing was changed") {
			if err == nil || !strings.Contains(err.Error(), word) {
				return fmt.Errorf("%s says %w, and not %q", action, errors.Join(err, errors.New("")), word)
			}
		}
		return nil
	})
}

// TestProtocol_disableServer shuts a server out and lets it in again, with its role alone, and what applies make of it.
func TestProtocol_disableServer(t *testing.T) {
	t.Parallel()
	for _, idp := range []string{"auth0", "cognito"} { // roles trust tokens, or the vending service
		t.Run(idp, func(t *testing.T) {
			s := server{name: "shut-" + idp, idp: idp}
			off := s
			off.more = "enabled = false"
			which := object{"server_name": s.name}
			var earlier *s3.Client
			// By the role alone: no other client than IAM's is as much as made.
			alone := func(action string) resource.TestCheckFunc {
				return checking(func() error {
					w := newWireWith(t, object{"environment": "dev",
						"auth0": object{"domain": "nowhere.invalid"}, "entra": object{"login_host": "nowhere.invalid", "graph_url": "https://nowhere.invalid"}})
					_, err := w.invoke(action, which)
					return err
				})
			}
			works := func(state *terraform.State) error {
				h, err := hostOf(state, address)
				if err != nil {
					return err
				}
				if err := h.may(context.Background(), "put"); err != nil {
					return err
				}
				if earlier != nil {
					return revoked(context.Background(), h, []**s3.Client{&earlier})
				}
				if earlier, err = h.session(context.Background()); err != nil {
					return err
				}
				return h.put(context.Background(), earlier)
			}
			update := in(plancheck.ResourceActionUpdate)
			run(t, []string{s.name},
				resource.TestStep{Config: s.hcl(), Check: works},
				resource.TestStep{Config: s.hcl(), ExpectNonEmptyPlan: true, Check: resource.ComposeTestCheckFunc(alone("oidcs3_disable_server"), shutOut(&earlier))},
				// The configuration lets it in again; where it agrees, nothing is to be done.
				resource.TestStep{Config: s.hcl(), ConfigPlanChecks: update, Check: works},
				resource.TestStep{Config: s.hcl(), ExpectNonEmptyPlan: true, Check: resource.ComposeTestCheckFunc(
					acting(t, "oidcs3_disable_server", which), acting(t, "oidcs3_disable_server", which), shutOut(&earlier))},
				resource.TestStep{Config: off.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionNoop), Check: shutOut(&earlier)},
				resource.TestStep{Config: off.hcl(), ExpectNonEmptyPlan: true, Check: resource.ComposeTestCheckFunc(alone("oidcs3_enable_server"), works)},
				resource.TestStep{Config: s.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionNoop), Check: works},
			)
		})
	}
}

// TestProtocol_disableEdited shuts out a server whose trust policy somebody has edited, and cannot let it in by the role
// alone then.
func TestProtocol_disableEdited(t *testing.T) {
	s := server{name: "shut-edited"}
	which := object{"id": "dev/" + s.name}
	const edited = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`
	run(t, []string{s.name},
		resource.TestStep{Config: s.hcl(), ExpectNonEmptyPlan: true, Check: resource.ComposeTestCheckFunc(checking(func() error {
			_, err := iamClient(t).UpdateAssumeRolePolicy(t.Context(), &awsiam.UpdateAssumeRolePolicyInput{RoleName: aws.String("oidc-s3-dev-" + s.name), PolicyDocument: aws.String(edited)})
			return err
		}), acting(t, "oidcs3_disable_server", which), shutOut(), checking(func() error {
			if _, err := actionWire(t).invoke("oidcs3_enable_server", which); err == nil || !strings.Contains(err.Error(), "Set enabled = true") {
				return fmt.Errorf("enabling says %w", err)
			}
			return nil
		}))},
		resource.TestStep{Config: s.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: may(address, "put")},
	)
}

func TestProtocol_actionOnNobody(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"oidcs3_disable_server", "oidcs3_enable_server", "oidcs3_rotate_secret"} {
		w := actionWire(t)
		if _, err := w.invoke(action, object{"server_name": "nobody"}); err == nil || !strings.Contains(err.Error(), "here is no role oidc-s3-dev-nobody") {
			t.Errorf("%s: %v", action, err)
		}
		if _, err := w.invoke(action, nil); err == nil || !strings.Contains(err.Error(), "refused at plan") {
			t.Errorf("%s of no server: %v", action, err)
		}
		if _, err := w.invoke(action, object{"server_name": "a/b"}); err == nil || !strings.Contains(err.Error(), "refused at plan") {
			t.Errorf("%s of no name: %v", action, err)
		}
	}
}

// TestProtocol_rotateSecret rotates stored secrets by action and by trigger, in turn.
func TestProtocol_rotateSecret(t *testing.T) {
	t.Parallel()
	forEachIDP(t, func(t *testing.T, idp string) {
		where := map[string]string{"auth0": "ssm", "entra": "secretsmanager", "cognito": "secretsmanager"}[idp]
		s := server{name: "acted-" + where + "-" + idp, idp: idp}
		which, overlap := object{"server_name": s.name}, idp != "auth0"
		var refused resource.TestCheckFunc = func(*terraform.State) error { return nil }
		if !overlap {
			refused = refusing(t, "oidcs3_rotate_secret", which, "Set allow_downtime = true")
			which = object{"server_name": s.name, "allow_downtime": true}
		}
		var former []host
		// now expects a secret that is new, that the one before it is valid beside it or not, and those before that are not.
		now := func(state *terraform.State) error {
			h, err := storedHost(state, where)
			if err != nil {
				return err
			}
			if err := h.may(context.Background(), "put"); err != nil {
				return err
			}
			for i, old := range former {
				if old.secret == h.secret {
					return fmt.Errorf("the secret is the one of %d rotations ago", len(former)-i)
				}
				_, err := old.token(context.Background())
				if valid := overlap && i == len(former)-1; valid != (err == nil) {
					return fmt.Errorf("the secret of %d rotations ago is valid: %t (%w)", len(former)-i, !valid, err)
				}
			}
			former = append(former, h)
			return nil
		}
		action := acting(t, "oidcs3_rotate_secret", which)
		trigger := func(n int) string {
			return stored(s, where, fmt.Sprintf("allow_downtime = true\nrotation_triggers = { when = \"%d\" }", n))
		}
		update := in(plancheck.ResourceActionUpdate)
		run(t, []string{s.name},
			resource.TestStep{Config: trigger(1), Check: resource.ComposeTestCheckFunc(now, refused, action, now)},
			resource.TestStep{Config: trigger(1), ConfigPlanChecks: in(plancheck.ResourceActionNoop), Check: resource.ComposeTestCheckFunc(action, now)},
			resource.TestStep{Config: trigger(2), ConfigPlanChecks: update, Check: resource.ComposeTestCheckFunc(now, action, now)},
			resource.TestStep{Config: trigger(3), ConfigPlanChecks: update, Check: now},
		)
	})
}

// TestProtocol_rotateShownSecret rotates a secret that the state has: at Auth0 the next refresh reads it, elsewhere it would
// be lost.
func TestProtocol_rotateShownSecret(t *testing.T) {
	t.Parallel()
	forEachIDP(t, func(t *testing.T, idp string) {
		s := server{name: "shown-" + idp, idp: idp}
		which := object{"id": s.name, "allow_downtime": true}
		if idp != "auth0" {
			run(t, []string{s.name}, resource.TestStep{Config: s.hcl(), Check: resource.ComposeTestCheckFunc(
				refusing(t, "oidcs3_rotate_secret", which, "the new one would be lost", "secret_storage"), may(address, "put"))})
			return
		}
		var h history
		run(t, []string{s.name},
			resource.TestStep{Config: s.hcl(), Check: resource.ComposeTestCheckFunc(h.next(false), acting(t, "oidcs3_rotate_secret", which))},
			resource.TestStep{Config: s.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionNoop), Check: h.next(true, false)},
		)
	})
}

func TestProtocol_rotateKey(t *testing.T) {
	s := byKey("acted-key", publicKey(t))
	run(t, []string{s.name}, resource.TestStep{Config: s.hcl(),
		Check: refusing(t, "oidcs3_rotate_secret", object{"server_name": s.name, "allow_downtime": true}, "signs with a key", "public_key_pem")})
}

// TestActionPages: the pages of actions, which Terraform before 1.14 does not describe to the generator, say what their
// schemas say.
func TestActionPages(t *testing.T) {
	t.Parallel()
	actions := newWire(t, development).schemas.ActionSchemas
	if len(actions) != 3 {
		t.Fatalf("there are %d actions", len(actions))
	}
	kinds := map[string]tftypes.Type{"String": tftypes.String, "Boolean": tftypes.Bool}
	for name, action := range actions {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", "actions", strings.TrimPrefix(name, "oidcs3_")+".md"))
		if err != nil {
			t.Fatal(err)
		}
		example, err := os.ReadFile(filepath.Join("..", "..", "examples", "actions", name, "action.tf"))
		if err != nil {
			t.Fatal(err)
		}
		page := strings.Join(strings.Fields(string(text)), " ")
		for _, part := range []string{action.Schema.Block.Description, string(example)} {
			if !strings.Contains(page, strings.Join(strings.Fields(part), " ")) {
				t.Errorf("the page of %s lacks:\n%s", name, part)
			}
		}
		_, listed, _ := strings.Cut(string(text), "### Optional\n\n")
		lines := strings.Split(strings.TrimSpace(listed), "\n")
		if len(lines) != len(action.Schema.Block.Attributes) {
			t.Errorf("the page of %s lists %d attributes of %d", name, len(lines), len(action.Schema.Block.Attributes))
		}
		for _, attribute := range action.Schema.Block.Attributes {
			for kind, of := range kinds {
				if line := fmt.Sprintf("- `%s` (%s) %s", attribute.Name, kind, attribute.Description); attribute.Type.Is(of) && !slices.Contains(lines, line) {
					t.Errorf("the page of %s lacks the line\n%s", name, line)
				}
			}
		}
	}
}
