package provider

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// show writes what was found into the model, so that a plan shows every difference: in the attribute that it belongs to,
// or else in drift.
func (m *serverAccessModel) show(ctx context.Context, i identity, o onboarding.Observed, settings *settings) diag.Diagnostics {
	var diags diag.Diagnostics
	for _, foreign := range o.Foreign {
		diags.AddWarning("Role "+o.Role.Name+" carries "+foreign,
			"oidcs3 did not put it there and leaves it alone. It may widen what server "+m.ServerName.ValueString()+" can do, and it will stop the role from being deleted.")
	}
	drift := o.Drift
	m.setSecretARN(o.SecretARN)
	was := m.RoleARN
	m.setNames(i, o.Resolved.Desired)
	m.setRoleARN(o.Role, was) // before the client: hosts are told of it
	if o.Client.Exists() {
		m.setClient(i.kind, o.Resolved, o.Client)
		if m.storage() == onboarding.State { // what a failure has left in the state stays until it is stored
			m.setSecret(o.Resolved, o.Client)
		}
	} else {
		m.ClientID, m.Subject, m.ClientSecret = types.StringNull(), types.StringNull(), types.StringNull()
		m.ServerConfiguration = types.StringNull()
	}
	if o.Role != nil {
		drift = append(drift, m.showPermissions(*o.Role, o.Resolved.Permissions())...)
		diags.Append(m.showRole(ctx, *o.Role, o.Journal, settings)...)
	}
	m.Drift = stringList(drift)
	return diags
}

// showRole writes what the role has besides its permissions.
func (m *serverAccessModel) showRole(ctx context.Context, role iam.Role, journal onboarding.Journal, settings *settings) diag.Diagnostics {
	if m.TrustPolicy.IsNull() || !access.Equivalent(m.TrustPolicy.ValueString(), role.TrustPolicy) {
		m.TrustPolicy = types.StringValue(role.TrustPolicy)
	}
	m.Enabled = types.BoolValue(!onboarding.ShutOut(role))
	m.MaxSessionDuration = types.Int64Value(int64(role.MaxSessionDuration / time.Second))
	m.PermissionsBoundary = optional(role.PermissionsBoundary)
	var named map[string]string
	diags := m.Tags.ElementsAs(ctx, &named, false)
	found := settings.ignoreTags.without(journal.UserTags(role.Tags))
	own := ownTags(found, settings.defaultTags, named)
	if len(own) > 0 || !m.Tags.IsNull() {
		m.Tags = stringMap(own)
	}
	m.TagsAll = stringMap(found)
	return diags
}

// showPermissions writes what the inline policies grant and returns in words what they lack of today's shape.
func (m *serverAccessModel) showPermissions(role iam.Role, want access.Permissions) []string {
	wanted := want.Policies()
	if maps.EqualFunc(ours(role.InlinePolicies), wanted, access.Equivalent) {
		m.PermissionsPolicy = types.StringValue(want.Document())
		return nil
	}
	found, deviations, err := access.ParsePermissions(ours(role.InlinePolicies))
	if err != nil {
		m.PermissionsPolicy = types.StringValue(verbatim(role.InlinePolicies))
		return nil
	}
	m.BucketName = types.StringValue(found.Bucket)
	m.S3PathPrefix = types.StringValue(found.Prefix)
	m.S3Permissions = types.StringValue(string(found.Permission))
	m.KMSKeyARN = optional(found.KMSKeyARN)
	m.PermissionsPolicy = types.StringValue(found.Document())
	if len(deviations) > 0 { // so that a plan shows what an update adds
		m.PermissionsPolicy = types.StringValue(access.Together(ours(role.InlinePolicies)))
	}
	return deviations
}

// ours picks the inline policies that oidcs3 puts.
func ours(policies map[string]string) map[string]string {
	picked := maps.Clone(policies)
	maps.DeleteFunc(picked, func(name, _ string) bool { return name != access.ObjectPolicy && name != access.ListPolicy })
	return picked
}

// verbatim shows inline policies that cannot be expressed: name → document.
func verbatim(policies map[string]string) string {
	documents := map[string]json.RawMessage{}
	for name, document := range ours(policies) {
		if json.Valid([]byte(document)) {
			documents[name] = json.RawMessage(document)
		}
	}
	text, err := json.Marshal(documents)
	if err != nil {
		return "{}"
	}
	return string(text)
}

// optional is null where there is nothing.
func optional(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}

// lostSecret reports whether an update makes a new secret: the client was found to have no valid one, which drift says with
// the name of the part, or nobody knows it and the role that let the client in is gone.
func (m *serverAccessModel) lostSecret() bool {
	return slices.ContainsFunc(m.Drift.Elements(), func(value attr.Value) bool {
		text, ok := value.(types.String)
		return ok && (strings.HasPrefix(text.ValueString(), idp.SecretPart+" ") ||
			m.ClientSecret.IsNull() && text.ValueString() == "role "+m.RoleName.ValueString()+" is missing")
	})
}
