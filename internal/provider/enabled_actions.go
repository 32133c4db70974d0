package provider

import (
	"context"

	"github.com/google/uuid"
	"github.com/hashicorp/terraform-plugin-framework/action"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

var (
	_ action.ActionWithConfigure        = (*enabledAction)(nil)
	_ action.ActionWithConfigValidators = (*enabledAction)(nil)
)

// enabledAction is one of the actions oidcs3_disable_server and oidcs3_enable_server.
type enabledAction struct {
	serverAction
	name, description string
	failed, done      string // what is said of a failure, and after it was done
	do                func(*onboarding.Controller, context.Context, onboarding.Desired, iam.Role) error
}

func newDisableServer() action.Action {
	return &enabledAction{
		name: "_disable_server",
		description: "Shuts a server out at once: its role lets nobody in, and every session that was given out is denied everything. The role alone is read and " +
			"changed, so that it works while the identity provider does not answer. The next apply of a configuration without `enabled = false` lets the server in again.",
		failed: "Server was not disabled",
		done:   "is shut out. Set enabled = false in its configuration, or else the next apply lets it in again.",
		do:     (*onboarding.Controller).Disable,
	}
}

func newEnableServer() action.Action {
	return &enabledAction{
		name: "_enable_server",
		description: "Lets a server in again that was disabled, by `oidcs3_disable_server` or by `enabled = false`. Sessions from before stay revoked. The next apply " +
			"of a configuration with `enabled = false` shuts the server out again.",
		failed: "Server was not enabled",
		done:   "is let in again. Take enabled = false out of its configuration, or else the next apply shuts it out again.",
		do:     (*onboarding.Controller).Enable,
	}
}

func (a *enabledAction) Metadata(_ context.Context, req action.MetadataRequest, resp *action.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + a.name
}

func (a *enabledAction) Schema(_ context.Context, _ action.SchemaRequest, resp *action.SchemaResponse) {
	resp.Schema = serverActionSchema(a.description, nil)
}

// Invoke implements action.Action.
func (a *enabledAction) Invoke(ctx context.Context, req action.InvokeRequest, resp *action.InvokeResponse) {
	var model selector
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	role, server, err := a.of.find(ctx, model)
	if err == nil {
		err = a.turn(ctx, role, server)
	}
	if err != nil {
		resp.Diagnostics.Append(diagnose(a.failed, err)...)
		return
	}
	resp.SendProgress(action.InvokeProgressEvent{Message: "Server " + server.Environment + "/" + server.Name + " " + a.done})
}

func (a *enabledAction) turn(ctx context.Context, role iam.Role, server onboarding.Server) error {
	roles, err := a.of.clouds.roles(ctx)
	if err != nil {
		return err
	}
	controller := onboarding.New(onboarding.Config{Roles: roles, NewID: uuid.NewString})
	desired := onboarding.Desired{Project: a.of.clouds.settings.project, Environment: server.Environment, Server: server.Name}
	return a.do(controller, ctx, desired, role)
}
