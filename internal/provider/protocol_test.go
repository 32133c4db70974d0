package provider_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/provider"
)

const serverAccess = "oidcs3_server_access"

// wire speaks the plugin protocol to a configured provider, for what the CLI at hand is too old to ask.
type wire struct {
	t          *testing.T
	server     tfprotov6.ProviderServer
	schemas    *tfprotov6.GetProviderSchemaResponse
	identities *tfprotov6.GetResourceIdentitySchemasResponse
}

func newWire(t *testing.T, settings map[string]string) *wire {
	t.Helper()
	inside := object{}
	for name, value := range settings {
		inside[name] = value
	}
	return newWireWith(t, inside)
}

// newWireWith is newWire with attributes of any kind in the provider block.
func newWireWith(t *testing.T, settings object) *wire {
	t.Helper()
	w := &wire{t: t, server: provider.Server("test")()}
	var err error
	if w.schemas, err = w.server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{}); err != nil {
		t.Fatal(err)
	}
	if w.identities, err = w.server.GetResourceIdentitySchemas(t.Context(), &tfprotov6.GetResourceIdentitySchemasRequest{}); err != nil {
		t.Fatal(err)
	}
	w.sound(w.schemas.Diagnostics, w.identities.Diagnostics)
	configured, err := w.server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{Config: w.nested(w.schemas.Provider.ValueType(), settings)})
	if err != nil {
		t.Fatal(err)
	}
	w.sound(configured.Diagnostics)
	return w
}

// value is an object with some strings set and the rest null.
func (w *wire) value(kind tftypes.Type, set map[string]string) *tfprotov6.DynamicValue {
	w.t.Helper()
	values := map[string]tftypes.Value{}
	for name, of := range kind.(tftypes.Object).AttributeTypes {
		values[name] = tftypes.NewValue(of, nil)
		if text, ok := set[name]; ok {
			values[name] = tftypes.NewValue(of, text)
		}
	}
	value, err := tfprotov6.NewDynamicValue(kind, tftypes.NewValue(kind, values))
	if err != nil {
		w.t.Fatal(err)
	}
	return &value
}

// notKnown stands for a value that is known only after apply.
type notKnown struct{}

// nested is an object with attributes of any kind, and null for what is not there.
func (w *wire) nested(kind tftypes.Type, set object) *tfprotov6.DynamicValue {
	w.t.Helper()
	value, err := tfprotov6.NewDynamicValue(kind, valueOf(kind, set))
	if err != nil {
		w.t.Fatal(err)
	}
	return &value
}

func valueOf(kind tftypes.Type, v any) tftypes.Value {
	switch v := v.(type) {
	case notKnown:
		return tftypes.NewValue(kind, tftypes.UnknownValue)
	case object:
		values := map[string]tftypes.Value{}
		if of, ok := kind.(tftypes.Map); ok {
			for key, one := range v {
				values[key] = valueOf(of.ElementType, one)
			}
			return tftypes.NewValue(kind, values)
		}
		for name, of := range kind.(tftypes.Object).AttributeTypes {
			values[name] = valueOf(of, v[name])
		}
		return tftypes.NewValue(kind, values)
	case []any:
		var of tftypes.Type
		switch kind := kind.(type) {
		case tftypes.List:
			of = kind.ElementType
		case tftypes.Set:
			of = kind.ElementType
		}
		values := make([]tftypes.Value, 0, len(v))
		for _, one := range v {
			values = append(values, valueOf(of, one))
		}
		return tftypes.NewValue(kind, values)
	}
	return tftypes.NewValue(kind, v)
}

func errorsOf(all ...[]*tfprotov6.Diagnostic) string {
	var text []string
	for _, d := range slices.Concat(all...) {
		if d.Severity == tfprotov6.DiagnosticSeverityError {
			text = append(text, d.Summary+": "+d.Detail)
		}
	}
	return strings.Join(text, "\n")
}

func (w *wire) sound(all ...[]*tfprotov6.Diagnostic) {
	w.t.Helper()
	if text := errorsOf(all...); text != "" {
		w.t.Fatal(text)
	}
}

// strings are the string attributes of a value that are not null.
func (w *wire) strings(kind tftypes.Type, value *tfprotov6.DynamicValue) map[string]string {
	w.t.Helper()
	found := map[string]string{}
	if value == nil {
		return found
	}
	decoded, err := value.Unmarshal(kind)
	if err != nil {
		w.t.Fatal(err)
	}
	var attributes map[string]tftypes.Value
	if err := decoded.As(&attributes); err != nil {
		w.t.Fatal(err)
	}
	for name, attribute := range attributes {
		var text *string
		if attribute.Type().Is(tftypes.String) && attribute.As(&text) == nil && text != nil {
			found[name] = *text
		}
	}
	return found
}

func (w *wire) stateType() tftypes.Type { return w.schemas.ResourceSchemas[serverAccess].ValueType() }

func (w *wire) identityType() tftypes.Type {
	return w.identities.IdentitySchemas[serverAccess].ValueType()
}

func (w *wire) identity(set map[string]string) *tfprotov6.ResourceIdentityData {
	return &tfprotov6.ResourceIdentityData{IdentityData: w.value(w.identityType(), set)}
}

// refresh reads a state, as Terraform does after an import or a move.
func (w *wire) refresh(state *tfprotov6.DynamicValue, identity *tfprotov6.ResourceIdentityData, private []byte) (values, identified map[string]string) {
	w.t.Helper()
	read, err := w.server.ReadResource(w.t.Context(), &tfprotov6.ReadResourceRequest{
		TypeName: serverAccess, CurrentState: state, CurrentIdentity: identity, Private: private,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.sound(read.Diagnostics)
	return w.strings(w.stateType(), read.NewState), w.strings(w.identityType(), read.NewIdentity.IdentityData)
}

var development = map[string]string{"environment": "dev"}

func TestProtocol_importByIdentity(t *testing.T) {
	t.Parallel()
	made := legacy{name: "by-identity"}.build(t)
	w := newWire(t, development)
	ask := func(id string, identity map[string]string) *tfprotov6.ImportResourceStateResponse {
		t.Helper()
		req := &tfprotov6.ImportResourceStateRequest{TypeName: serverAccess, ID: id}
		if identity != nil {
			req.Identity = w.identity(identity)
		}
		imported, err := w.server.ImportResourceState(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return imported
	}
	want := map[string]string{"account_id": "123456789012", "role_name": made.role()}
	for name, imported := range map[string]*tfprotov6.ImportResourceStateResponse{
		"the whole identity": ask("", want),
		"the role's name":    ask("", map[string]string{"role_name": made.role()}),
		"an id":              ask("dev/by-identity", nil),
	} {
		w.sound(imported.Diagnostics)
		one := imported.ImportedResources[0]
		values, identified := w.refresh(one.State, one.Identity, one.Private)
		if values["client_id"] != made.clientID || values["id"] != "dev/by-identity" {
			t.Errorf("%s: the state is of client %q and has the id %q", name, values["client_id"], values["id"])
		}
		if !maps.Equal(identified, want) {
			t.Errorf("%s: the identity is %v", name, identified)
		}
	}
	elsewhere := ask("", map[string]string{"role_name": made.role(), "account_id": "999999999999"})
	if text := errorsOf(elsewhere.Diagnostics); !strings.Contains(text, "in the account 123456789012") {
		t.Errorf("a role of another account: %q", text)
	}
	if text := errorsOf(ask("", map[string]string{"role_name": "nobody"}).Diagnostics); !strings.Contains(text, "here is no role nobody") {
		t.Errorf("no role: %q", text)
	}
}

// TestProtocol_moveFromRole moves the state of an aws_iam_role, as Terraform does before the provider is configured.
func TestProtocol_moveFromRole(t *testing.T) {
	t.Parallel()
	made := legacy{name: "moved", level: "full"}.build(t)
	w := newWire(t, development)
	move := func(address, kind, state string) *tfprotov6.MoveResourceStateResponse {
		t.Helper()
		unconfigured := provider.Server("test")()
		moved, err := unconfigured.MoveResourceState(t.Context(), &tfprotov6.MoveResourceStateRequest{
			SourceProviderAddress: address, SourceTypeName: kind, TargetTypeName: serverAccess, SourceState: &tfprotov6.RawState{JSON: []byte(state)},
		})
		if err != nil {
			t.Fatal(err)
		}
		return moved
	}
	const aws = "registry.terraform.io/hashicorp/aws"
	state := encoded(t, object{"id": made.role(), "name": made.role(), "arn": made.roleARN, "tags": object{"Server": made.name}, "max_session_duration": 3600,
		"assume_role_policy": "{}", "inline_policy": []any{}})
	for _, address := range []string{aws, "registry.opentofu.org/hashicorp/aws", "aws"} {
		moved := move(address, "aws_iam_role", state)
		w.sound(moved.Diagnostics)
		values, identified := w.refresh(moved.TargetState, moved.TargetIdentity, moved.TargetPrivate)
		for name, want := range map[string]string{"server_name": "moved", "environment": "dev", "client_id": made.clientID, "role_arn": made.roleARN,
			"s3_permissions": "full", "s3_path_prefix": made.prefix} {
			if values[name] != want {
				t.Errorf("%s is %q, not %q", name, values[name], want)
			}
		}
		if !maps.Equal(identified, map[string]string{"account_id": "123456789012", "role_name": made.role()}) {
			t.Errorf("the identity is %v", identified)
		}
	}
	for name, refused := range map[string]*tfprotov6.MoveResourceStateResponse{
		"another type":     move(aws, "aws_iam_user", state),
		"another provider": move("registry.terraform.io/somebody/aws-like", "aws_iam_role", state),
		"no name":          move(aws, "aws_iam_role", `{"id":"x"}`),
		"no state":         move(aws, "aws_iam_role", `[`),
	} {
		if errorsOf(refused.Diagnostics) == "" {
			t.Errorf("%s is moved", name)
		}
	}
}

// TestProtocol_list lists what oidcs3 has onboarded, by the roles' tags, as `terraform query` of Terraform 1.14 does.
func TestProtocol_list(t *testing.T) {
	legacy{name: "list-plain"}.build(t) // not onboarded by oidcs3, so not listed
	first := server{name: "list-one", idp: "auth0", more: `environment = "list-a"`}
	list := func(environment string, limit int64, include bool) (shown []string, results []tfprotov6.ListResourceResult) {
		w := newWire(t, nil)
		set := map[string]string{}
		if environment != "" {
			set["environment"] = environment
		}
		stream, err := w.server.(tfprotov6.ListResourceServer).ListResource(t.Context(), &tfprotov6.ListResourceRequest{
			TypeName: serverAccess, Config: w.value(w.schemas.ListResourceSchemas[serverAccess].ValueType(), set), Limit: limit, IncludeResource: include,
		})
		if err != nil {
			t.Fatal(err)
		}
		for result := range stream.Results {
			w.sound(result.Diagnostics)
			if result.DisplayName != "" {
				shown, results = append(shown, result.DisplayName), append(results, result)
			}
		}
		return shown, results
	}
	check := func(state *terraform.State) error {
		w := newWire(t, nil)
		shown, results := list("list-a", 0, true)
		if !slices.Equal(shown, []string{"list-a/list-one (auth0)"}) {
			t.Fatalf("listed are %q", shown)
		}
		attributes := state.RootModule().Resources[address].Primary.Attributes
		values := w.strings(w.stateType(), results[0].Resource)
		for _, name := range []string{"id", "client_id", "role_arn", "trust_policy", "permissions_policy", "s3_path_prefix", "issuer", "subject"} {
			if values[name] != attributes[name] {
				t.Errorf("%s is listed as %q and is %q", name, values[name], attributes[name])
			}
		}
		identified := w.strings(w.identityType(), results[0].Identity.IdentityData)
		if !maps.Equal(identified, map[string]string{"account_id": "123456789012", "role_name": "oidc-s3-list-a-list-one"}) {
			t.Errorf("the identity is %v", identified)
		}
		if shown, results := list("", 1, false); len(shown) != 1 || len(results) != 1 || len(w.strings(w.stateType(), results[0].Resource)) != 0 {
			t.Errorf("with a limit of one are listed %q", shown)
		}
		if shown, _ := list("", 0, false); !slices.Contains(shown, "list-a/list-one (auth0)") || slices.ContainsFunc(shown, func(name string) bool { return strings.Contains(name, "list-plain") }) {
			t.Errorf("of all environments are listed %q", shown)
		}
		if shown, _ := list("list-b", 0, false); len(shown) != 0 {
			t.Errorf("of an environment without servers are listed %q", shown)
		}
		return nil
	}
	run(t, nil, resource.TestStep{Config: first.hcl(), Check: check})
}

// TestProtocol_upgradeState reads the states of all versions that were ever written. A change of the schema must keep it:
// see stateVersion.
func TestProtocol_upgradeState(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "state", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no states: %v", err)
	}
	w := newWire(t, development)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var saved struct {
			Version    int64           `json:"schema_version"`
			Attributes json.RawMessage `json:"attributes"`
		}
		if err := json.Unmarshal(text, &saved); err != nil {
			t.Fatal(err)
		}
		upgraded, err := w.server.UpgradeResourceState(t.Context(), &tfprotov6.UpgradeResourceStateRequest{
			TypeName: serverAccess, Version: saved.Version, RawState: &tfprotov6.RawState{JSON: saved.Attributes},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.sound(upgraded.Diagnostics)
		var was map[string]any
		if err := json.Unmarshal(saved.Attributes, &was); err != nil {
			t.Fatal(err)
		}
		is := w.strings(w.stateType(), upgraded.UpgradedState)
		for name, value := range was {
			if text, ok := value.(string); ok && is[name] != text {
				t.Errorf("%s: %s was %q and is %q", file, name, text, is[name])
			}
		}
	}
}
