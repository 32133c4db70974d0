package provider_test

import (
	"context"
	"runtime"
	"testing"
	"weak"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/provider"
)

// TestServerKeepsNoContext makes every call that comes once or more per resource, and expects that nothing of its context
// outlives it: a run over thousands of servers makes tens of thousands of them. What a call answers is of no interest.
func TestServerKeepsNoContext(t *testing.T) {
	t.Parallel()
	server := provider.Server("test")()
	const name = "oidcs3_server_access"
	type key struct{}
	for called, call := range map[string]func(context.Context) (any, error){
		"ValidateResourceConfig": func(ctx context.Context) (any, error) {
			return server.ValidateResourceConfig(ctx, &tfprotov6.ValidateResourceConfigRequest{TypeName: name})
		},
		"UpgradeResourceState": func(ctx context.Context) (any, error) {
			return server.UpgradeResourceState(ctx, &tfprotov6.UpgradeResourceStateRequest{TypeName: name, RawState: &tfprotov6.RawState{JSON: []byte("{}")}})
		},
		"UpgradeResourceIdentity": func(ctx context.Context) (any, error) {
			return server.UpgradeResourceIdentity(ctx, &tfprotov6.UpgradeResourceIdentityRequest{TypeName: name, RawIdentity: &tfprotov6.RawState{JSON: []byte("{}")}})
		},
		"ReadResource": func(ctx context.Context) (any, error) {
			return server.ReadResource(ctx, &tfprotov6.ReadResourceRequest{TypeName: name})
		},
		"PlanResourceChange": func(ctx context.Context) (any, error) {
			return server.PlanResourceChange(ctx, &tfprotov6.PlanResourceChangeRequest{TypeName: name})
		},
		"ApplyResourceChange": func(ctx context.Context) (any, error) {
			return server.ApplyResourceChange(ctx, &tfprotov6.ApplyResourceChangeRequest{TypeName: name})
		},
		"ImportResourceState": func(ctx context.Context) (any, error) {
			return server.ImportResourceState(ctx, &tfprotov6.ImportResourceStateRequest{TypeName: name, ID: "no id"})
		},
		"MoveResourceState": func(ctx context.Context) (any, error) {
			return server.MoveResourceState(ctx, &tfprotov6.MoveResourceStateRequest{TargetTypeName: name})
		},
	} {
		t.Run(called, func(t *testing.T) {
			made := func() weak.Pointer[[1 << 16]byte] {
				load := new([1 << 16]byte)
				ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, load))
				defer cancel()
				if _, err := call(ctx); err != nil {
					t.Fatal(err)
				}
				return weak.Make(load)
			}()
			runtime.GC()
			runtime.GC()
			if made.Value() != nil {
				t.Error("the context of a call outlives it")
			}
		})
	}
	runtime.KeepAlive(server)
}
