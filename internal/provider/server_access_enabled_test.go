package provider_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
)

// put writes an object with a session that was given out earlier.
func (h host) put(ctx context.Context, session *s3.Client) error {
	_, err := session.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(h.configuration["s3_bucket"]),
		Key: aws.String(h.configuration["s3_path_prefix"] + "file"), Body: bytes.NewReader([]byte("x"))})
	return err
}

// shutOut fails if the server under test gets a session, or if one of those given out earlier is of use.
func shutOut(earlier ...**s3.Client) resource.TestCheckFunc {
	return func(state *terraform.State) error {
		h, err := hostOf(state, address)
		if err != nil {
			return err
		}
		ctx := context.Background()
		if _, err := h.token(ctx); err != nil {
			return fmt.Errorf("the client does not stand: %w", err)
		}
		if _, err := h.session(ctx); err == nil {
			return errors.New("a disabled server got credentials")
		}
		return revoked(ctx, h, earlier)
	}
}

func revoked(ctx context.Context, h host, earlier []**s3.Client) error {
	for _, session := range earlier {
		if err := h.put(ctx, *session); err == nil {
			return errors.New("a session from before is of use")
		}
	}
	return nil
}

func TestAccServerAccess_disabled(t *testing.T) {
	t.Parallel()
	forEachIDP(t, func(t *testing.T, idp string) {
		s := server{name: "disabled-" + idp, idp: idp}
		off := s
		off.more = "enabled = false"
		var earlier *s3.Client
		same := statecheck.CompareValue(sameValue{})
		states := func(enabled bool) []statecheck.StateCheck {
			return []statecheck.StateCheck{same.AddStateValue(address, at("client_secret")), value("enabled", knownvalue.Bool(enabled)),
				value("drift", knownvalue.ListSizeExact(0))}
		}
		run(t, []string{s.name},
			resource.TestStep{Config: s.hcl(), ConfigStateChecks: states(true), Check: func(state *terraform.State) error {
				h, err := hostOf(state, address)
				if err != nil {
					return err
				}
				if earlier, err = h.session(context.Background()); err != nil {
					return err
				}
				return h.put(context.Background(), earlier)
			}},
			resource.TestStep{Config: off.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), ConfigStateChecks: states(false), Check: shutOut(&earlier)},
			resource.TestStep{ResourceName: address, ImportState: true, ImportStateId: "dev/" + s.name, ImportStateVerify: true,
				ImportStateVerifyIgnore: []string{"client_secret", "timeouts"}},
			// A session that somebody lets in again by hand is shut out by the next apply.
			resource.TestStep{PreConfig: func() {
				name := aws.String("oidc-s3-dev-" + s.name)
				if _, err := iamClient(t).DeleteRolePolicy(t.Context(), &awsiam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String(access.RevocationPolicy)}); err != nil {
					t.Fatal(err)
				}
			}, Config: off.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: shutOut(&earlier)},
			resource.TestStep{Config: s.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), ConfigStateChecks: states(true),
				Check: resource.ComposeTestCheckFunc(may(address, "put"), func(state *terraform.State) error {
					h, err := hostOf(state, address)
					if err != nil {
						return err
					}
					return revoked(context.Background(), h, []**s3.Client{&earlier})
				})},
			resource.TestStep{Config: off.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: shutOut(&earlier)},
		)
	})
}

func TestAccServerAccess_madeDisabled(t *testing.T) {
	s := server{name: "born-disabled", more: "enabled = false"}
	on := server{name: s.name}
	run(t, []string{s.name},
		resource.TestStep{Config: s.hcl(), Check: shutOut()},
		resource.TestStep{Config: on.hcl(), ConfigPlanChecks: in(plancheck.ResourceActionUpdate), Check: may(address, "put")},
	)
}
