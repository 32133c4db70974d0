package provider

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

var (
	_ resource.Resource                     = (*serverAccess)(nil)
	_ resource.ResourceWithConfigure        = (*serverAccess)(nil)
	_ resource.ResourceWithModifyPlan       = (*serverAccess)(nil)
	_ resource.ResourceWithImportState      = (*serverAccess)(nil)
	_ resource.ResourceWithConfigValidators = (*serverAccess)(nil)
)

// serverAccess is the resource oidcs3_server_access.
type serverAccess struct{ clouds *clouds }

func newServerAccess() resource.Resource { return &serverAccess{} }

func (r *serverAccess) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_server_access"
}

func (r *serverAccess) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	clouds, diags := cloudsOf(req.ProviderData)
	resp.Diagnostics.Append(diags...)
	r.clouds = clouds
}

// Default bounds of the operations. They leave room for an identity provider that lets two requests a second through.
const (
	createTimeout = 20 * time.Minute
	readTimeout   = 10 * time.Minute
	updateTimeout = 20 * time.Minute
	deleteTimeout = 20 * time.Minute
)

func (r *serverAccess) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var model serverAccessModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	timeout, diags := model.Timeouts.Create(ctx, createTimeout)
	resp.Diagnostics.Append(diags...)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	controller, want, i, diags := r.target(ctx, &model)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	outcome, err := controller.Create(ctx, want)
	if err != nil {
		resp.Diagnostics.Append(diagnose("Server access was not created", err)...)
		if !leftBehind(err) {
			return
		}
	}
	// With an error, what is left goes into the state: Terraform marks it tainted, and the next apply removes it.
	model.finish(i, want, outcome)
	resp.Diagnostics.Append(remember(ctx, resp.Private, reference(outcome))...)
	resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
	resp.Diagnostics.Append(identify(ctx, resp.Identity, want.Name(), outcome.RoleARN)...)
	if err == nil {
		resp.Diagnostics.Append(diagnoseUnproven(ctx, req.Config, want.ID(), outcome.Unproven)...)
	}
}

func (r *serverAccess) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var model serverAccessModel
	resp.Diagnostics.Append(req.State.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	timeout, diags := model.Timeouts.Read(ctx, readTimeout)
	resp.Diagnostics.Append(diags...)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// A resource that is gone has to be identified too.
	resp.Diagnostics.Append(identify(ctx, resp.Identity, model.RoleName.ValueString(), model.RoleARN.ValueString())...)
	if r.clouds.settings.unknown {
		resp.Diagnostics.AddWarning("Server access was not read", "What the state says of "+model.ID.ValueString()+" is taken as it is: "+errNotKnown.Error()+".")
		return
	}
	if model.unread() {
		gone, diags := r.complete(ctx, &model)
		resp.Diagnostics.Append(diags...)
		if gone {
			resp.Diagnostics.AddWarning("Role is gone", "Role "+model.RoleName.ValueString()+", which was moved, does not exist any more.")
			resp.State.RemoveResource(ctx)
		}
		if gone || diags.HasError() {
			return
		}
	}
	controller, want, i, diags := r.target(ctx, &model)
	resp.Diagnostics.Append(diags...)
	ref, diags := recall(ctx, req.Private, &model)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	observed, err := controller.Observe(ctx, want, ref)
	if err != nil {
		resp.Diagnostics.Append(diagnose("Server access could not be read", err)...)
		return
	}
	if observed.Gone() {
		resp.Diagnostics.AddWarning("Server access is gone",
			"Neither role "+want.Name()+" nor its client exists any more: both were deleted outside Terraform. The next apply makes them again.")
		resp.State.RemoveResource(ctx)
		return
	}
	resp.Diagnostics.Append(model.show(ctx, i, observed, r.clouds.settings)...)
	if observed.Journal.OnboardingID != "" {
		ref.OnboardingID = observed.Journal.OnboardingID
	}
	if observed.Client.Exists() {
		ref.ClientID, ref.SecretID = observed.Client.ID, observed.Client.SecretID
	}
	resp.Diagnostics.Append(remember(ctx, resp.Private, ref)...)
	resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
}

func (r *serverAccess) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var model, prior serverAccessModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &model)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &prior)...)
	if resp.Diagnostics.HasError() {
		return
	}
	timeout, diags := model.Timeouts.Update(ctx, updateTimeout)
	resp.Diagnostics.Append(diags...)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	controller, want, i, diags := r.target(ctx, &model)
	resp.Diagnostics.Append(diags...)
	ref, diags := recall(ctx, req.Private, &prior)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	want.Rotate = prior.rotates(&model)
	outcome, err := controller.Update(ctx, want, ref, idp.Secret(prior.ClientSecret.ValueString()))
	if err != nil {
		resp.Diagnostics.Append(diagnose("Server access was not updated", err)...)
		if leftBehind(err) && outcome.Client.Exists() { // never lose a client that stayed, nor its secret
			prior.keep(i.kind, want, outcome.Client)
			ref.SecretID = outcome.Client.SecretID
			resp.Diagnostics.Append(remember(ctx, resp.Private, ref)...)
			resp.Diagnostics.Append(resp.State.Set(ctx, &prior)...)
		}
		return
	}
	model.finish(i, want, outcome)
	resp.Diagnostics.Append(remember(ctx, resp.Private, reference(outcome))...)
	resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
	resp.Diagnostics.Append(identify(ctx, resp.Identity, want.Name(), outcome.RoleARN)...)
	resp.Diagnostics.Append(diagnoseUnproven(ctx, req.Config, want.ID(), outcome.Unproven)...)
}

func (r *serverAccess) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var model serverAccessModel
	resp.Diagnostics.Append(req.State.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	timeout, diags := model.Timeouts.Delete(ctx, deleteTimeout)
	resp.Diagnostics.Append(diags...)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	controller, want, _, diags := r.target(ctx, &model)
	resp.Diagnostics.Append(diags...)
	ref, diags := recall(ctx, req.Private, &model)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	if err := controller.Delete(ctx, want, ref); err != nil {
		resp.Diagnostics.Append(diagnose("Server access was not removed", err)...)
	}
}

// target finds the controller for a model and what the model asks of it. What the plan has found out is not asked again.
func (r *serverAccess) target(ctx context.Context, model *serverAccessModel) (*onboarding.Controller, onboarding.Resolved, identity, diag.Diagnostics) {
	i, _, diags := model.identity(ctx)
	if diags.HasError() {
		return nil, onboarding.Resolved{}, i, diags
	}
	region, err := r.clouds.region(ctx)
	if err != nil {
		return nil, onboarding.Resolved{}, i, append(diags, diagnose("AWS cannot be used", err)...)
	}
	want, more := model.desired(ctx, r.clouds.settings.project, region)
	diags.Append(more...)
	controller, err := r.clouds.controller(ctx, i)
	if err != nil {
		return nil, onboarding.Resolved{}, i, append(diags, diagnose("The identity provider cannot be used", err)...)
	}
	if resolved, ok := model.resolved(want); ok {
		return controller, resolved, i, diags
	}
	resolved, err := controller.Resolve(ctx, want)
	if err == nil {
		err = controller.Check(ctx, resolved)
	}
	if err != nil {
		diags.Append(diagnoseAt(i, "Server access cannot work", err)...)
	}
	return controller, resolved, i, diags
}

// finish writes the outcome of an operation into what was planned.
func (m *serverAccessModel) finish(i identity, want onboarding.Resolved, outcome onboarding.Outcome) {
	m.setNames(i, want.Desired)
	m.setResolved(want)
	if outcome.RoleARN != "" {
		m.RoleARN = types.StringValue(outcome.RoleARN)
	}
	m.PermissionsPolicy = types.StringValue(want.Permissions().Document())
	m.Drift = stringList(nil)
	if outcome.Client.Exists() {
		m.setClient(i.kind, want, outcome.Client)
		m.setSecret(want, outcome.Client)
	}
	m.setSecretARN(outcome.SecretARN)
	m.nullUnknown()
}

// keep writes the client that a failed update has left into the state from before it. The same client's secret stays where
// the outcome has none: it may be valid yet, as where an update that was to end it stopped half-way.
func (m *serverAccessModel) keep(kind idp.Kind, want onboarding.Resolved, client idp.Client) {
	if m.ClientID.ValueString() != client.ID {
		m.ClientSecret = types.StringNull() // it was the other's
	}
	m.setClient(kind, want, client)
	if client.Secret != "" && (want.Storage == onboarding.State || m.storage() == onboarding.State) {
		m.ClientSecret = types.StringValue(client.Secret.Reveal())
	}
}

func (m *serverAccessModel) setSecret(want onboarding.Resolved, client idp.Client) {
	switch {
	case want.Method != idp.ClientSecret, want.Storage != onboarding.State:
		m.ClientSecret = types.StringNull()
	case client.Secret != "":
		m.ClientSecret = types.StringValue(client.Secret.Reveal())
	}
}

// What finds the remains of an interrupted operation, or of a client that was deleted by hand, is kept in the resource's
// private data.
const privateKey = "onboarding"

type privateData struct {
	OnboardingID string `json:"onboarding_id"`
	ClientID     string `json:"client_id"`
	SecretID     string `json:"secret_id,omitempty"`
}

type privateWriter interface {
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}

type privateReader interface {
	GetKey(ctx context.Context, key string) ([]byte, diag.Diagnostics)
}

// reference is what has to be remembered of an outcome.
func reference(outcome onboarding.Outcome) onboarding.Reference {
	return onboarding.Reference{OnboardingID: outcome.OnboardingID, ClientID: outcome.Client.ID, SecretID: outcome.Client.SecretID}
}

func remember(ctx context.Context, private privateWriter, ref onboarding.Reference) diag.Diagnostics {
	value, err := json.Marshal(privateData{OnboardingID: ref.OnboardingID, ClientID: ref.ClientID, SecretID: ref.SecretID})
	if err != nil {
		return diag.Diagnostics{diag.NewErrorDiagnostic("The onboarding id cannot be kept", sentence(err))}
	}
	return private.SetKey(ctx, privateKey, value)
}

// reference is what the attributes alone remember.
func (m *serverAccessModel) reference(ctx context.Context) (onboarding.Reference, diag.Diagnostics) {
	i, _, diags := m.identity(ctx)
	return onboarding.Reference{
		ClientID: m.ClientID.ValueString(), RoleARN: m.RoleARN.ValueString(), Storage: m.storage(), Table: i.vending().Table.ValueString(),
		ProviderARN: i.providerARN(), Mode: access.Mode(m.TrustMode.ValueString()),
	}, diags
}

func recall(ctx context.Context, private privateReader, model *serverAccessModel) (onboarding.Reference, diag.Diagnostics) {
	ref, diags := model.reference(ctx)
	value, more := private.GetKey(ctx, privateKey)
	diags.Append(more...)
	var data privateData
	if len(value) > 0 && json.Unmarshal(value, &data) == nil {
		ref.OnboardingID, ref.SecretID = data.OnboardingID, data.SecretID
		if ref.ClientID == "" {
			ref.ClientID = data.ClientID
		}
	}
	return ref, diags
}
