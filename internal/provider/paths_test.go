package provider_test

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/provider"
)

// TestDiagnosticsNameTheAttribute asks the provider over its protocol: every refusal of an argument carries the
// argument's path, which Terraform's text does not always show.
func TestDiagnosticsNameTheAttribute(t *testing.T) {
	t.Parallel()
	s := provider.Server("test")()
	schema, err := s.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	object, ok := schema.ResourceSchemas["oidcs3_server_access"].ValueType().(tftypes.Object)
	if !ok {
		t.Fatal("the resource is no object")
	}
	nested := func(name string, values map[string]string) tftypes.Value {
		typ, ok := object.AttributeTypes[name].(tftypes.Object)
		if !ok {
			t.Fatalf("%s is no object", name)
		}
		filled := map[string]tftypes.Value{}
		for attribute, at := range typ.AttributeTypes {
			filled[attribute] = tftypes.NewValue(at, nil)
			if value, ok := values[attribute]; ok {
				filled[attribute] = tftypes.NewValue(tftypes.String, value)
			}
		}
		return tftypes.NewValue(typ, filled)
	}
	text := func(s string) tftypes.Value { return tftypes.NewValue(tftypes.String, s) }
	good := map[string]string{"audience": "https://a.example", "oidc_provider_arn": "arn:aws:iam::123456789012:oidc-provider/t.example/"}
	with := func(name, value string) map[string]string {
		values := map[string]string{}
		for k, v := range good {
			values[k] = v
		}
		values[name] = value
		return values
	}
	root := tftypes.NewAttributePath
	for name, c := range map[string]struct {
		attribute string
		value     tftypes.Value
		want      *tftypes.AttributePath // nil: accepted
	}{
		"good":           {"server_name", text("web-01"), nil},
		"server name":    {"server_name", text("a/b"), root().WithAttributeName("server_name")},
		"environment":    {"environment", text("a/b"), root().WithAttributeName("environment")},
		"bucket":         {"bucket_name", text("UPPER"), root().WithAttributeName("bucket_name")},
		"prefix":         {"s3_path_prefix", text("no-slash"), root().WithAttributeName("s3_path_prefix")},
		"permissions":    {"s3_permissions", text("all"), root().WithAttributeName("s3_permissions")},
		"duration":       {"max_session_duration", tftypes.NewValue(tftypes.Number, 1), root().WithAttributeName("max_session_duration")},
		"boundary":       {"permissions_boundary", text("x"), root().WithAttributeName("permissions_boundary")},
		"key":            {"kms_key_arn", text("x"), root().WithAttributeName("kms_key_arn")},
		"federation":     {"federation", text("saml"), root().WithAttributeName("federation")},
		"audience":       {"auth0", nested("auth0", with("audience", "")), root().WithAttributeName("auth0").WithAttributeName("audience")},
		"provider":       {"auth0", nested("auth0", with("oidc_provider_arn", "x")), root().WithAttributeName("auth0").WithAttributeName("oidc_provider_arn")},
		"token profile":  {"auth0", nested("auth0", with("token_profile", "x")), root().WithAttributeName("auth0").WithAttributeName("token_profile")},
		"vending needs":  {"federation", text("vending"), root().WithAttributeName("auth0").WithAttributeName("client_roles_table_name")},
		"tag":            {"tags", tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, map[string]tftypes.Value{"oidcs3:x": text("y")}), root().WithAttributeName("tags").WithElementKeyString("oidcs3:x")},
		"authentication": {"client_authentication", nested("client_authentication", map[string]string{"method": "private_key_jwt"}), root().WithAttributeName("client_authentication").WithAttributeName("public_key_pem")},
	} {
		values := map[string]tftypes.Value{}
		for attribute, typ := range object.AttributeTypes {
			values[attribute] = tftypes.NewValue(typ, nil)
		}
		values["server_name"], values["bucket_name"], values["s3_path_prefix"] = text("web-01"), text("bucket"), text("p/")
		values["auth0"] = nested("auth0", good)
		values[c.attribute] = c.value
		config, err := tfprotov6.NewDynamicValue(object, tftypes.NewValue(object, values))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.ValidateResourceConfig(t.Context(), &tfprotov6.ValidateResourceConfigRequest{TypeName: "oidcs3_server_access", Config: &config})
		if err != nil {
			t.Fatal(err)
		}
		found := c.want == nil && len(resp.Diagnostics) == 0
		for _, d := range resp.Diagnostics {
			found = found || (c.want != nil && d.Attribute.Equal(c.want))
		}
		if !found {
			for _, d := range resp.Diagnostics {
				t.Logf("%s: %s at %s", name, d.Summary, d.Attribute)
			}
			t.Errorf("%s: no diagnostic at %s", name, c.want)
		}
	}
}
