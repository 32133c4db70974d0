package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
)

var _ resource.ResourceWithIdentity = (*serverAccess)(nil)

// serverAccessIdentity tells a server's access apart from all others, in all accounts: by the role, which is what makes
// the cloud keep it unique.
type serverAccessIdentity struct {
	AccountID types.String `tfsdk:"account_id"`
	RoleName  types.String `tfsdk:"role_name"`
}

// IdentitySchema implements resource.ResourceWithIdentity. Terraform 1.12 and later use it.
func (r *serverAccess) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identityschema.Schema{
		Attributes: map[string]identityschema.Attribute{
			"role_name": identityschema.StringAttribute{RequiredForImport: true,
				Description: "Name of the IAM role: {project}-{environment}-{server_name}."},
			"account_id": identityschema.StringAttribute{OptionalForImport: true,
				Description: "AWS account of the role. An import of a role of another account is refused."},
		},
	}
}

// identityOf is the identity of a role. Without a known ARN, which an operation that ended early may leave in the state,
// it is the name alone.
func identityOf(roleName, roleARN string) serverAccessIdentity {
	value := serverAccessIdentity{RoleName: types.StringValue(roleName)}
	if arn, err := access.ParseARN(roleARN); err == nil && arn.Account != "" {
		value.AccountID = types.StringValue(arn.Account)
	}
	return value
}

// identify sets the identity where there is none yet: one that is there never changes.
func identify(ctx context.Context, identity *tfsdk.ResourceIdentity, roleName, roleARN string) diag.Diagnostics {
	if identity == nil || !identity.Raw.IsFullyNull() {
		return nil
	}
	return identity.Set(ctx, identityOf(roleName, roleARN))
}

// check refuses a role of another account than the identity names.
func (s serverAccessIdentity) check(role iam.Role) error {
	want := s.AccountID.ValueString()
	arn, err := access.ParseARN(role.ARN)
	if err == nil && want != "" && arn.Account != want {
		return fmt.Errorf("role %s is in the account %s, which the AWS credentials belong to, and not in %s", role.Name, arn.Account, want)
	}
	return err
}
