package provider

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework-validators/resourcevalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

func (r *serverAccess) ConfigValidators(context.Context) []resource.ConfigValidator {
	return []resource.ConfigValidator{
		resourcevalidator.ExactlyOneOf(path.MatchRoot("auth0"), path.MatchRoot("entra"), path.MatchRoot("cognito")),
		federationValidator{},
		keyValidator{},
	}
}

// keyValidator asks for a public key where, and only where, there is use for one.
type keyValidator struct{}

func (keyValidator) Description(context.Context) string {
	return "public_key_pem goes with method private_key_jwt"
}

func (v keyValidator) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (keyValidator) ValidateResource(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var object types.Object
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("client_authentication"), &object)...)
	if object.IsNull() || object.IsUnknown() || resp.Diagnostics.HasError() {
		return
	}
	var model clientAuthenticationModel
	resp.Diagnostics.Append(object.As(ctx, &model, basetypes.ObjectAsOptions{})...)
	if model.Method.IsUnknown() || model.PublicKeyPEM.IsUnknown() {
		return
	}
	at := path.Root("client_authentication").AtName("public_key_pem")
	switch jwt := model.Method.ValueString() == string(idp.PrivateKeyJWT); {
	case jwt && model.PublicKeyPEM.IsNull():
		resp.Diagnostics.AddAttributeError(at, "Public key missing",
			"With method private_key_jwt the public half of the server's key is needed. Make the pair on the server: oidcs3-upload keygen.")
	case jwt && (!model.RotationTriggers.IsNull() || model.SecretStorage.ValueString() != "" && model.SecretStorage.ValueString() != inState):
		resp.Diagnostics.AddAttributeError(at.ParentPath(), "Client secret without use",
			"With method private_key_jwt there is no client secret to be stored or rotated. Remove secret_storage and rotation_triggers; "+
				"a key is rotated by putting the new public key behind the old one in public_key_pem.")
	case !jwt && !model.PublicKeyPEM.IsNull():
		resp.Diagnostics.AddAttributeError(at, "Public key without use",
			"A public key has no use with method client_secret. Set method = \"private_key_jwt\", or remove the key.")
	}
}

// ModifyPlan works out at plan whatever can be known then, and refuses what could not be applied.
func (r *serverAccess) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if r.clouds == nil {
		return
	}
	var prior *serverAccessModel
	if !req.State.Raw.IsNull() {
		prior = &serverAccessModel{}
		resp.Diagnostics.Append(req.State.Get(ctx, prior)...)
		if prior.unread() {
			resp.Diagnostics.AddError("Server access was moved and not read yet",
				"Its state names role "+prior.RoleName.ValueString()+" and nothing else. Plan without -refresh=false.")
			return
		}
	}
	if req.Plan.Raw.IsNull() {
		if prior != nil && prior.DeletionProtection.ValueBool() {
			resp.Diagnostics.Append(protected(prior))
		}
		return
	}
	var plan serverAccessModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	var config serverAccessModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	p := planning{clouds: r.clouds, config: &config, plan: &plan, prior: prior}
	resp.Diagnostics.Append(p.run(ctx)...)
	if p.replaces {
		resp.RequiresReplace.Append(path.Root(p.replacedBy))
	}
	if (p.replaces || (prior != nil && !prior.ServerName.Equal(plan.ServerName))) && prior.DeletionProtection.ValueBool() {
		resp.Diagnostics.Append(protected(prior))
	}
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, &plan)...)
}

func protected(prior *serverAccessModel) diag.Diagnostic {
	return diag.NewAttributeErrorDiagnostic(path.Root("deletion_protection"), "Server access is protected",
		"Access of "+prior.ID.ValueString()+" has deletion_protection = true and would be destroyed. Nothing was changed. "+
			"Set deletion_protection = false and apply, then destroy.")
}

// planning is one call of ModifyPlan that does not destroy.
type planning struct {
	clouds       *clouds
	config, plan *serverAccessModel
	prior        *serverAccessModel // nil: a new one
	replaces     bool               // something changes that only a new one can have
	replacedBy   string             // the attribute that it is
}

func (p *planning) run(ctx context.Context) diag.Diagnostics {
	diags := p.environment()
	if diags.HasError() {
		return diags
	}
	p.federation()
	p.tags(ctx, &diags)
	p.plan.Drift = stringList(nil)
	p.unknown()
	if p.plan.ServerName.IsUnknown() || p.plan.Environment.IsUnknown() || p.clouds.settings.project == "" || diags.HasError() {
		return diags
	}
	err := access.ValidateName(p.clouds.settings.project, p.plan.Environment.ValueString(), p.plan.ServerName.ValueString())
	if err != nil {
		diags.AddAttributeError(path.Root("server_name"), "Name too long", sentence(err))
		return diags
	}
	p.parameterName(&diags)
	i, known, more := p.plan.identity(ctx)
	diags.Append(more...)
	if diags.HasError() {
		return diags
	}
	region := ""
	if !p.clouds.settings.unknown {
		if region, err = p.clouds.region(ctx); err != nil {
			return append(diags, diagnose("AWS cannot be used", err)...)
		}
	}
	want, more := p.known(ctx, region)
	diags.Append(more...)
	p.plan.setNames(i, want)
	if p.stays() && p.prior.RoleName.Equal(p.plan.RoleName) && !p.prior.RoleARN.IsNull() {
		p.plan.RoleARN = p.prior.RoleARN // an imported role may have a path
	}
	if err := p.overlap(want); err != nil {
		diags.AddAttributeError(path.Root("s3_path_prefix"), "Prefixes overlap",
			sentence(err)+" Give each server a prefix of its own, or set allow_prefix_overlap = true on both.")
	}
	if p.policyKnown() && want.Partition != "" {
		p.plan.PermissionsPolicy = types.StringValue(want.Permissions().Document())
	}
	if !known || p.clouds.settings.unknown || diags.HasError() {
		return diags
	}
	diags.Append(p.neighbours(ctx, want)...)
	resolved, err := p.resolve(ctx, i, want)
	if err != nil {
		return append(diags, diagnoseAt(i, "Server access cannot work", err)...)
	}
	p.plan.setResolved(resolved)
	p.client(i.kind, resolved)
	if p.prior != nil && !p.replaces {
		diags.Append(p.rotation(i.kind)...)
	}
	return diags
}

// stays reports whether there is a server that the plan changes or leaves as it is.
func (p *planning) stays() bool {
	return p.prior != nil && !p.replaces && p.prior.ServerName.Equal(p.plan.ServerName)
}

// overlap compares the prefix with those of the other servers of the run.
func (p *planning) overlap(want onboarding.Desired) error {
	if p.plan.BucketName.IsUnknown() || p.plan.S3PathPrefix.IsUnknown() || p.plan.AllowPrefixOverlap.IsUnknown() {
		return nil
	}
	return p.clouds.prefixes.add(claim{
		server: want.ID(), bucket: want.Bucket, prefix: want.Prefix, shared: p.plan.AllowPrefixOverlap.ValueBool(),
	})
}

// known reads the plan into a Desired, with nothing for what is not known yet.
func (p *planning) known(ctx context.Context, region string) (onboarding.Desired, diag.Diagnostics) {
	plan := *p.plan
	if plan.TagsAll.IsUnknown() {
		plan.TagsAll = types.MapNull(types.StringType)
	}
	if plan.ClientAuthentication.IsUnknown() {
		plan.ClientAuthentication = types.ObjectNull(nil)
	}
	return plan.desired(ctx, p.clouds.settings.project, region)
}

// environment falls back to the provider's.
func (p *planning) environment() diag.Diagnostics {
	var diags diag.Diagnostics
	if p.config.Environment.IsNull() {
		if p.clouds.settings.environment == "" && !p.clouds.settings.unknown {
			diags.AddAttributeError(path.Root("environment"), "Environment missing",
				"Set environment here, or once for all servers in the provider block.")
			return diags
		}
		p.plan.Environment = types.StringValue(p.clouds.settings.environment)
		if p.clouds.settings.environment == "" {
			p.plan.Environment = types.StringUnknown()
			if p.prior != nil { // an unknown one would replace the server; should it change, the apply fails
				p.plan.Environment = p.prior.Environment
			}
		}
	}
	if p.prior != nil && !p.prior.Environment.Equal(p.plan.Environment) {
		p.replaces, p.replacedBy = true, "environment"
	}
	return diags
}

// federation falls back to what the identity provider can do. A client cannot move to another identity provider, nor to
// another user pool.
func (p *planning) federation() {
	if p.config.Federation.IsNull() {
		p.plan.Federation = types.StringValue(federationSTS)
		if !p.plan.Cognito.IsNull() {
			p.plan.Federation = types.StringValue(federationVending)
		}
	}
	if p.prior == nil || p.replaces {
		return
	}
	for name, pair := range map[string][2]types.Object{
		"auth0": {p.prior.Auth0, p.plan.Auth0}, "entra": {p.prior.Entra, p.plan.Entra}, "cognito": {p.prior.Cognito, p.plan.Cognito},
	} {
		was, is := pair[0], pair[1]
		moved := was.IsNull() != is.IsNull()
		if name == "cognito" && !was.IsNull() && !is.IsNull() && !is.IsUnknown() {
			moved = !was.Attributes()["user_pool_id"].Equal(is.Attributes()["user_pool_id"])
		}
		if moved {
			p.replaces, p.replacedBy = true, name
		}
	}
}

// tags lays the resource's tags over the provider's.
func (p *planning) tags(ctx context.Context, diags *diag.Diagnostics) {
	if p.plan.Tags.IsUnknown() || p.clouds.settings.unknownTags {
		p.plan.TagsAll = types.MapUnknown(types.StringType)
		return
	}
	for _, value := range p.plan.Tags.Elements() {
		if value.IsUnknown() {
			p.plan.TagsAll = types.MapUnknown(types.StringType)
			return
		}
	}
	var own map[string]string
	diags.Append(p.plan.Tags.ElementsAs(ctx, &own, false)...)
	all := mergeTags(p.clouds.settings.defaultTags, own)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if p.clouds.settings.ignoreTags.ignores(key) {
			diags.AddAttributeError(path.Root("tags"), "Tag is ignored", "The provider's ignore_tags leave tag "+key+" alone, so that it cannot be set. Take it out of one of the two.")
		}
	}
	if len(all) > maxTags {
		diags.AddAttributeError(path.Root("tags"), "Too many tags", "With the provider's default_tags there are more tags than IAM keeps on a role.")
	}
	p.plan.TagsAll = stringMap(all)
}

// unknown begins with nothing known of what is computed; what follows fills in.
func (p *planning) unknown() {
	m := p.plan
	for _, value := range []*types.String{&m.ID, &m.RoleName, &m.RoleARN, &m.Issuer, &m.TokenEndpoint, &m.TrustMode, &m.TokenAudience, &m.PermissionsPolicy} {
		*value = types.StringUnknown()
	}
	m.forgetClient()
	m.ClientSecret = types.StringUnknown()
	p.secretARN()
	if method, ok := p.method(); ok && method == idp.PrivateKeyJWT || m.storage() != onboarding.State {
		m.ClientSecret = types.StringNull()
	} else if ok && p.prior != nil && !p.replaces && !p.prior.ClientID.IsNull() && p.prior.method() == idp.ClientSecret {
		m.ClientSecret = p.prior.ClientSecret // null where an import could not read it
		if p.prior.lostSecret() || p.prior.storage() != onboarding.State || p.prior.rotates(m) {
			m.ClientSecret = types.StringUnknown()
		}
	}
}

// method is how the client of a state authenticates.
func (m *serverAccessModel) method() idp.Method {
	method, ok := m.ClientAuthentication.Attributes()["method"].(types.String)
	if !ok || method.IsNull() {
		return idp.ClientSecret
	}
	return idp.Method(method.ValueString())
}

func (p *planning) method() (idp.Method, bool) {
	if p.plan.ClientAuthentication.IsUnknown() {
		return "", false
	}
	if p.plan.ClientAuthentication.IsNull() {
		return idp.ClientSecret, true
	}
	method, ok := p.plan.ClientAuthentication.Attributes()["method"].(types.String)
	return idp.Method(method.ValueString()), ok && !method.IsUnknown()
}

func (p *planning) policyKnown() bool {
	for _, value := range []types.String{p.plan.BucketName, p.plan.S3PathPrefix, p.plan.S3Permissions, p.plan.KMSKeyARN} {
		if value.IsUnknown() {
			return false
		}
	}
	return true
}

// resolve reads the API's settings. The OIDC provider is asked only where the trust changes: an onboarded server's was
// found good when it was made.
func (p *planning) resolve(ctx context.Context, i identity, want onboarding.Desired) (onboarding.Resolved, error) {
	controller, err := p.clouds.controller(ctx, i)
	if err != nil {
		return onboarding.Resolved{}, err
	}
	resolved, err := controller.Resolve(ctx, want)
	if err != nil {
		return resolved, err
	}
	if want := i.entra.APIClientID.ValueString(); want != "" && i.entra.TokenVersion.ValueString() != version1 && resolved.Mode == access.AZP && resolved.TokenAudience != want {
		return resolved, &onboarding.Refusal{Field: "api_client_id",
			Reason: fmt.Sprintf("the API %s has the client id %s, not %s", resolved.Identity.Audience, resolved.TokenAudience, want),
			Advice: "Leave api_client_id out, or correct it."}
	}
	if p.prior != nil && !p.replaces && p.prior.TrustMode.ValueString() == string(resolved.Mode) {
		if was, ok, _ := p.prior.identity(ctx); ok && was.equal(i) {
			return resolved, nil
		}
	}
	return resolved, controller.Check(ctx, resolved)
}

// client fills in what depends on the client, where there is one that stays.
func (p *planning) client(kind idp.Kind, resolved onboarding.Resolved) {
	if !p.stays() || p.prior.ClientID.ValueString() == "" || p.prior.Subject.ValueString() == "" {
		return
	}
	client := idp.Client{ID: p.prior.ClientID.ValueString(), Subject: p.prior.Subject.ValueString()}
	p.plan.setClient(kind, resolved, client)
	if p.plan.Enabled.IsUnknown() {
		p.plan.TrustPolicy = types.StringUnknown()
	}
	if p.plan.RoleARN.IsUnknown() || p.plan.BucketName.IsUnknown() || p.plan.S3PathPrefix.IsUnknown() {
		p.plan.ServerConfiguration = types.StringUnknown()
	}
}
