package provider

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// namedNeighbours is how many roles a warning names.
const namedNeighbours = 5

// neighbours warns about roles of the account that reach a prefix which the server is to get now. Where roles cannot be
// listed there is nothing to warn of. Roles that nobody can assume do not count.
func (p *planning) neighbours(ctx context.Context, want onboarding.Desired) diag.Diagnostics {
	stays := p.prior != nil && !p.replaces && p.prior.BucketName.Equal(p.plan.BucketName) && p.prior.S3PathPrefix.Equal(p.plan.S3PathPrefix)
	if stays || !p.clouds.settings.bulkReads || !p.policyKnown() || p.plan.AllowPrefixOverlap.ValueBool() {
		return nil
	}
	roles, err := p.clouds.roles(ctx)
	if err != nil {
		return diagnose("AWS cannot be used", err)
	}
	all, err := roles.All(ctx)
	if err != nil { // it is a courtesy: an apply that IAM does not let list roles goes on as well
		tflog.Warn(ctx, "roles that reach the prefix are not known", map[string]any{"error": err.Error()})
		return nil
	}
	own := []string{want.Name()}
	if p.prior != nil {
		own = append(own, p.prior.RoleName.ValueString())
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(own, name) && reaches(all[name], want.Permissions()) {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return nil
	}
	names := strings.Join(found[:min(len(found), namedNeighbours)], ", ")
	if more := len(found) - namedNeighbours; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return diag.Diagnostics{diag.NewAttributeWarningDiagnostic(path.Root("s3_path_prefix"), "Others reach this prefix",
		fmt.Sprintf("Objects below %q of bucket %s can be reached through policies of other roles too: %s. If that is meant, "+
			"allow_prefix_overlap = true says so and ends this warning.", want.Prefix, want.Bucket, names))}
}

// reaches looks at a role's inline policies; the documents of attached ones are not part of what was read.
func reaches(role iam.Role, p access.Permissions) bool {
	if access.IsDenyAll(role.TrustPolicy) {
		return false
	}
	for _, document := range role.InlinePolicies {
		if p.Reaches(document) {
			return true
		}
	}
	return false
}
