package layers_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/layers"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/vending"
)

// The foundations output what layers.Outputs says, with which the servers layer is tested, to the letter.
func TestFoundationsOutputWhatServersRead(t *testing.T) {
	t.Parallel()
	maybeNull := []string{"kms_key_arn", "permissions_boundary_arn"}
	for name, outputs := range layers.Outputs(map[string]string{}) {
		m := load(t, "foundation/"+name)
		for output, value := range outputs {
			block := m.outputs[output]
			if block == nil {
				t.Errorf("%s has no output %s", name, output)
				continue
			}
			want, ok := value.(map[string]any)
			if !ok {
				continue
			}
			if got := keys(t, block.Body.Attributes["value"].Expr); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
				t.Errorf("%s: output %s has %v", name, output, got)
			}
		}
		for _, output := range maybeNull {
			if m.outputs[output] == nil {
				t.Errorf("%s has no output %s", name, output)
			}
		}
	}
}

// keys are those of an object that is written out.
func keys(t *testing.T, expression hclsyntax.Expression) []string {
	t.Helper()
	object, ok := expression.(*hclsyntax.ObjectConsExpr)
	if !ok {
		t.Fatalf("%sno object", at(expression.Range()))
	}
	var names []string
	for _, item := range object.Items {
		key, diags := item.KeyExpr.Value(nil)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		names = append(names, key.AsString())
	}
	slices.Sort(names)
	return names
}

// Every layer keeps its state under a key of its own, locked by a lock file.
func TestBackends(t *testing.T) {
	t.Parallel()
	for dir, key := range map[string]string{
		"servers": layers.ServersKey, "foundation/auth0": layers.FoundationKey(layers.Auth0),
		"foundation/entra": layers.FoundationKey(layers.Entra), "foundation/cognito": layers.FoundationKey(layers.Cognito),
	} {
		var backend *hclsyntax.Block
		for _, settings := range load(t, dir).settings {
			for _, block := range settings.Body.Blocks {
				if block.Type == "backend" {
					backend = block
				}
			}
		}
		if backend == nil || backend.Labels[0] != "s3" {
			t.Errorf("%s has no S3 backend", dir)
			continue
		}
		for name, want := range map[string]cty.Value{"key": cty.StringVal(key), "use_lockfile": cty.True, "encrypt": cty.True} {
			attribute := backend.Body.Attributes[name]
			if attribute == nil {
				t.Errorf("%s: the backend has no %s", dir, name)
				continue
			}
			if got, diags := attribute.Expr.Value(nil); diags.HasErrors() || !got.RawEquals(want) {
				t.Errorf("%s: %s is %#v", dir, name, got)
			}
		}
	}
}

// The variable files of the environments set what the layers declare, and all that has no default.
func TestEnvironments(t *testing.T) {
	t.Parallel()
	servers := load(t, "servers")
	declared := map[string]bool{}
	for _, dir := range foundations[1:] {
		for name := range load(t, dir).variables {
			declared[name] = true
		}
	}
	for _, environment := range []string{"dev", "prod"} {
		given := assignments(t, environment, "servers.tfvars")
		for name := range given {
			if servers.variables[name] == nil {
				t.Errorf("%s: the servers layer has no variable %s", environment, name)
			}
		}
		for name, block := range servers.variables {
			if block.Body.Attributes["default"] == nil && given[name].IsNull() {
				t.Errorf("%s: servers.tfvars does not set %s", environment, name)
			}
		}
		foundation, backend := assignments(t, environment, "foundation.tfvars"), assignments(t, environment, "backend.hcl")
		for name := range foundation {
			if !declared[name] {
				t.Errorf("%s: no foundation has a variable %s", environment, name)
			}
		}
		for file, values := range map[string]map[string]cty.Value{"servers.tfvars": given, "foundation.tfvars": foundation} {
			if got := values["environment"]; !got.RawEquals(cty.StringVal(environment)) {
				t.Errorf("%s of %s is of another environment: %#v", file, environment, got)
			}
		}
		for _, name := range []string{"bucket", "region"} {
			if got := given["foundation_state"].GetAttr(name); !got.RawEquals(backend[name]) {
				t.Errorf("%s: the foundation's state has the %s %#v, and backend.hcl says %#v", environment, name, got, backend[name])
			}
		}
	}
}

func assignments(t *testing.T, environment, name string) map[string]cty.Value {
	t.Helper()
	path := filepath.Join(root, "environments", environment, name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, diags := hclparse.NewParser().ParseHCL(text, path)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	attributes, diags := file.Body.JustAttributes()
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	values := map[string]cty.Value{}
	for name, attribute := range attributes {
		if values[name], diags = attribute.Expr.Value(nil); diags.HasErrors() {
			t.Fatal(diags)
		}
	}
	return values
}

// The vending service takes the configuration that the foundation gives it.
func TestVendingConfiguration(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]cty.Value{"SSE-S3": cty.NullVal(cty.String), "SSE-KMS": cty.StringVal(kmsKeyARN)} {
		values := vendingValues()
		values["var"] = cty.ObjectVal(map[string]cty.Value{"bucket": cty.ObjectVal(map[string]cty.Value{"kms_key_arn": key})})
		values["module"] = cty.ObjectVal(map[string]cty.Value{"bucket": cty.ObjectVal(map[string]cty.Value{"bucket_name": cty.StringVal("oidc-s3-dev-uploads")})})
		values["aws_dynamodb_table"] = cty.ObjectVal(map[string]cty.Value{"client_roles": cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("oidc-s3-dev-client-roles")})})
		values["aws_cognito_user_pool"] = cty.ObjectVal(map[string]cty.Value{"uploads": cty.ObjectVal(map[string]cty.Value{
			"endpoint": cty.StringVal("cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI")})})
		values["aws_cognito_resource_server"] = cty.ObjectVal(map[string]cty.Value{"uploads": cty.ObjectVal(map[string]cty.Value{
			"identifier": cty.StringVal("https://oidc-s3-uploads.dev.example.com")})})
		text := load(t, "foundation/cognito").local(t, "vending_config", values)
		config, err := vending.LoadConfig("", func(variable string) string { return map[string]string{vending.EnvDocument: text}[variable] })
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		if want := []string{"https://oidc-s3-uploads.dev.example.com/write"}; !slices.Equal(config.Issuers[0].Scopes, want) {
			t.Errorf("%s: the service asks for the scopes %v", name, config.Issuers[0].Scopes)
		}
		if encrypted := config.Buckets[0].KMSKeyARN != ""; encrypted != (name == "SSE-KMS") {
			t.Errorf("%s: the service's bucket is %+v", name, config.Buckets[0])
		}
	}
}
