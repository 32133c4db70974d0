package provider_test

import (
	"context"
	"runtime"
	"testing"
	"weak"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/provider"
)

// TestServerKeepsNoContext makes a call and expects that nothing of its context outlives it: a run over thousands of
// servers makes tens of thousands of them.
func TestServerKeepsNoContext(t *testing.T) {
	t.Parallel()
	server := provider.Server("test")()
	type key struct{}
	call := func() weak.Pointer[[1 << 16]byte] {
		load := new([1 << 16]byte)
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, load))
		defer cancel()
		req := &tfprotov6.UpgradeResourceStateRequest{TypeName: "oidcs3_server_access", RawState: &tfprotov6.RawState{JSON: []byte("{}")}}
		if _, err := server.UpgradeResourceState(ctx, req); err != nil {
			t.Fatal(err)
		}
		return weak.Make(load)
	}
	kept := call()
	runtime.GC()
	runtime.GC()
	if kept.Value() != nil {
		t.Error("the context of a call outlives it")
	}
	runtime.KeepAlive(server)
}
