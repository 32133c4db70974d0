package provider_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
)

// rotated is a server's configuration with a value of its rotation trigger.
func rotated(s server, trigger, more string) string {
	s.more = fmt.Sprintf("client_authentication = {\nrotation_triggers = { when = %q }\n%s\n}", trigger, more)
	return s.hcl()
}

// history keeps what hosts were given.
type history []host

// next expects that the server works, with a new secret or with the one that it has, and that its former secrets are
// valid or not: the latest first.
func (h *history) next(fresh bool, former ...bool) resource.TestCheckFunc {
	return func(state *terraform.State) error {
		now, err := hostOf(state, address)
		if err != nil {
			return err
		}
		if err := now.may(context.Background(), "put"); err != nil {
			return err
		}
		if n := len(*h); n > 0 && (now.secret != (*h)[n-1].secret) != fresh {
			return fmt.Errorf("the secret is new: %t", !fresh)
		}
		if fresh || len(*h) == 0 {
			*h = append(*h, now)
		}
		for i, valid := range former {
			_, err := (*h)[len(*h)-2-i].token(context.Background())
			if valid != (err == nil) {
				return fmt.Errorf("former secret %d: %w", i+1, errors.Join(err, errors.New("it should be otherwise")))
			}
		}
		return nil
	}
}

func TestAccServerAccess_rotation(t *testing.T) {
	t.Parallel()
	forEachIDP(t, func(t *testing.T, idp string) {
		s, overlap, more := server{name: "rotating-" + idp, idp: idp}, true, ""
		var h history
		update := in(plancheck.ResourceActionUpdate)
		steps := []resource.TestStep{
			{Config: s.hcl(), Check: h.next(false)},
			{Config: rotated(s, "1", ""), ConfigPlanChecks: update, Check: h.next(false)},
		}
		if idp == "auth0" {
			overlap, more = false, "allow_downtime = true"
			steps = append(steps, resource.TestStep{Config: rotated(s, "2", ""), ExpectError: regexp.MustCompile(`(?s)Rotation would cut the server off.*allow_downtime`)})
		}
		steps = append(steps,
			resource.TestStep{Config: rotated(s, "2", more), ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(address, plancheck.ResourceActionUpdate),
				plancheck.ExpectUnknownValue(address, at("client_secret")),
			}}, Check: h.next(true, overlap)},
			resource.TestStep{Config: rotated(s, "2", more+"\n"), Check: h.next(false)},
			resource.TestStep{Config: rotated(s, "3", more), ConfigPlanChecks: update, Check: h.next(true, overlap, false)},
			resource.TestStep{Config: s.hcl(), ConfigPlanChecks: update, Check: h.next(false, overlap)},
		)
		run(t, []string{s.name}, steps...)
	})
}
