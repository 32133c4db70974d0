package provider_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/hashicorp/terraform-plugin-testing/echoprovider"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfversion"
)

// documented are the kinds of pages below docs/ that show a configuration, each with the directory of its name below examples/.
var documented = []string{"resources", "data-sources", "ephemeral-resources", "list-resources", "functions"}

// publishedFiles are all examples that pages of the provider show, by their paths below examples/, with their texts.
func publishedFiles(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join("..", "..", "examples")
	files := map[string]string{}
	for _, pattern := range append(slices.Clone(documented), "provider") {
		depth := []string{root, pattern, "*", "*"}
		if pattern == "provider" {
			depth = []string{root, pattern, "*"}
		}
		found, err := filepath.Glob(filepath.Join(depth...))
		if err != nil || len(found) == 0 {
			t.Fatalf("there are no examples of %s: %v", pattern, err)
		}
		for _, file := range found {
			name, err := filepath.Rel(root, file)
			if err != nil {
				t.Fatal(err)
			}
			files[filepath.ToSlash(name)] = published(t, name)
		}
	}
	return files
}

// TestExamplesArePublished: every page of the provider shows all examples of its object, as they stand, and so one at least.
func TestExamplesArePublished(t *testing.T) {
	t.Parallel()
	files := publishedFiles(t)
	shown := map[string]bool{}
	check := func(page, dir string) {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for name, example := range files {
			if strings.HasPrefix(name, dir+"/") {
				found++
				shown[name] = true
				if !strings.Contains(string(text), "\n"+strings.TrimSpace(example)+"\n```") {
					t.Errorf("docs/%s does not show examples/%s", page, name)
				}
			}
		}
		if found == 0 {
			t.Errorf("docs/%s has no example: there is none in examples/%s", page, dir)
		}
	}
	check("index.md", "provider")
	for _, kind := range documented {
		pages, err := filepath.Glob(filepath.Join("..", "..", "docs", kind, "*.md"))
		if err != nil || len(pages) == 0 {
			t.Fatalf("docs/%s has no pages: %v", kind, err)
		}
		for _, page := range pages {
			name := strings.TrimSuffix(filepath.Base(page), ".md")
			if kind != "functions" {
				name = "oidcs3_" + name
			}
			check(kind+"/"+filepath.Base(page), kind+"/"+name)
		}
	}
	for name := range files {
		if !shown[name] {
			t.Errorf("no page shows examples/%s", name)
		}
	}
}

// TestAccExamples applies every published example as it stands.
func TestAccExamples(t *testing.T) {
	t.Parallel()
	left := publishedFiles(t)
	take := func(name string) string {
		text, ok := left[name]
		if !ok {
			t.Fatalf("there is no example %s, or it was taken already", name)
		}
		delete(left, name)
		return text
	}
	t.Run("resource", func(t *testing.T) { resourceExamples(t, take) })
	t.Run("reading", func(t *testing.T) { readingExamples(t, take) })
	t.Run("functions", func(t *testing.T) { functionExamples(t, take) })
	t.Run("list", func(t *testing.T) {
		listExample(t, take("list-resources/oidcs3_server_access/list-resource.tfquery.hcl"))
	})
	if len(left) != 0 && !t.Failed() && !t.Skipped() {
		t.Errorf("nothing applies %v", slices.Sorted(maps.Keys(left)))
	}
}

// inSandbox puts the sandbox's addresses and ids in place of those that an example invents.
func inSandbox(text string) string {
	env := clouds.Env()
	var pairs []string
	for invented, variable := range map[string]string{
		"arn:aws:iam::123456789012:oidc-provider/tenant.eu.auth0.com/":                                  "AUTH0_OIDC_PROVIDER_ARN",
		"arn:aws:iam::123456789012:oidc-provider/sts.windows.net/11111111-2222-3333-4444-555555555555/": "ENTRA_OIDC_PROVIDER_ARN",
		"eu-west-1_AbCdEfGhI":                                "COGNITO_USER_POOL_ID",
		"oidc-s3-dev-123456789012":                           "COGNITO_DOMAIN",
		"https://abc123.execute-api.eu-west-1.amazonaws.com": "VENDING_URL",
		"arn:aws:iam::123456789012:role/oidc-s3-vending-dev": "VENDING_ROLE_ARN",
	} {
		pairs = append(pairs, `"`+invented+`"`, `"`+env["OIDCS3_SANDBOX_"+variable]+`"`)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// withKey is a workspace with the provider's example and the public key that examples name.
func withKey(t *testing.T, provider string) *workspace {
	t.Helper()
	w := newWorkspace(t, map[string]string{"provider.tf": provider}, nil)
	if err := os.Mkdir(filepath.Join(w.dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.write("keys/backup-server-01.pub.pem", publicKey(t))
	return w
}

// TestAccReadme applies the configuration that the README begins with.
func TestAccReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begins := strings.Cut(string(text), "```terraform\n")
	block, _, ends := strings.Cut(rest, "```\n")
	if !begins || !ends {
		t.Fatal("the README shows no configuration")
	}
	w := withKey(t, published(t, "provider", "provider.tf"))
	w.write("servers.tf", inSandbox(block))
	w.expect(map[string]int{"create": 1})
	w.apply()
	w.clean()
	w.run("destroy", "-no-color", "-auto-approve")
	if err := nothingLeft(t, "backup-server-01")(nil); err != nil {
		t.Error(err)
	}
}

// resourceExamples makes the servers of the resource's page with the provider's, and imports one by each of the ways shown.
func resourceExamples(t *testing.T, take func(string) string) {
	const dir = "resources/oidcs3_server_access/"
	resources, imports, block := inSandbox(take(dir+"resource.tf")), take(dir+"import.sh"), take(dir+"import-by-string-id.tf")
	w := withKey(t, take("provider/provider.tf"))
	w.write("servers.tf", resources)
	w.expect(map[string]int{"create": 3})
	w.apply()
	w.clean()
	const forgotten = "oidcs3_server_access.backup"
	ways := 0
	for line := range strings.Lines(imports) {
		if command := strings.Fields(line); len(command) > 0 && command[0] == "terraform" {
			ways++
			w.run("state", "rm", forgotten)
			w.run(command[1:]...)
			w.expect(map[string]int{"no-op": 2, "update": 1}) // a client does not tell the key's text
			w.apply()
			w.clean()
		}
	}
	if ways < 2 {
		t.Errorf("import.sh shows %d ways", ways)
	}
	w.run("state", "rm", forgotten)
	w.write("import.tf", block)
	w.expect(map[string]int{"import": 1, "no-op": 2, "update": 1})
	w.apply()
	w.clean()
	w.run("destroy", "-no-color", "-auto-approve")
	if err := nothingLeft(t, "backup-server-01", "log-shipper", "data-sync")(nil); err != nil {
		t.Error(err)
	}
}

// readingExamples looks at a server through the data sources and the ephemeral resource.
func readingExamples(t *testing.T, take func(string) string) {
	s := server{name: "web-01", provider: `environment = "examples"`}
	data := take("data-sources/oidcs3_server_access/data-source.tf") + take("data-sources/oidcs3_servers/data-source.tf")
	secret := take("ephemeral-resources/oidcs3_client_secret/ephemeral-resource.tf")
	withEcho := map[string]func() (tfprotov6.ProviderServer, error){"echo": echoprovider.NewProviderServer()}
	maps.Copy(withEcho, factories)
	resource.Test(t, resource.TestCase{ProtoV6ProviderFactories: withEcho, CheckDestroy: nothingLeft(t, s.name),
		TerraformVersionChecks: []tfversion.TerraformVersionCheck{tfversion.SkipBelow(tfversion.Version1_10_0)},
		Steps: []resource.TestStep{
			{Config: s.hcl()},
			{Config: s.hcl() + data, ConfigStateChecks: []statecheck.StateCheck{
				statecheck.ExpectKnownOutputValue("role_of_web_01", exactly("arn:aws:iam::123456789012:role/oidc-s3-examples-web-01")),
				statecheck.ExpectKnownOutputValue("unfinished", knownvalue.ListSizeExact(0)),
			}},
			{Config: echoed(s.hcl() + secret), Check: func(state *terraform.State) error {
				made, shown := state.RootModule().Resources[address].Primary.Attributes, state.RootModule().Resources["echo.it"].Primary.Attributes
				if shown["data.client_secret"] == "" || shown["data.client_secret"] != made["client_secret"] {
					return fmt.Errorf("the example shows a secret of %d characters, which is not the server's", len(shown["data.client_secret"]))
				}
				return nil
			}},
			{Config: s.hcl()}, // a destroy would open what is no more
		}})
}

func functionExamples(t *testing.T, take func(string) string) {
	for name, at := range map[string]string{"trust_policy": "trust_policy", "permissions_policy": "permissions_policy", "host_config": "host_config", "parse_server_id": "server"} {
		check := knownvalue.Check(knownvalue.StringRegexp(regexp.MustCompile(`^\{.*\}$`)))
		if name == "parse_server_id" {
			check = knownvalue.ObjectExact(map[string]knownvalue.Check{"environment": exactly("dev"), "server_name": exactly("server-01")})
		}
		functions(t, resource.TestStep{Config: "provider \"oidcs3\" {}\n" + take("functions/"+name+"/function.tf"),
			ConfigStateChecks: []statecheck.StateCheck{statecheck.ExpectKnownOutputValue(at, check)}})
	}
}

// listExample asks for the list by the plugin protocol, with what the example's config block says: terraform query came
// with Terraform 1.14.
func listExample(t *testing.T, text string) {
	file, diags := hclparse.NewParser().ParseHCL([]byte(text), "list-resource.tfquery.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	lists, diags := file.Body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "list", LabelNames: []string{"type", "name"}}}})
	if diags.HasErrors() || len(lists.Blocks) != 1 || lists.Blocks[0].Labels[0] != serverAccess {
		t.Fatalf("the example has not one list block of %s: %v", serverAccess, diags)
	}
	inside, diags := lists.Blocks[0].Body.Content(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "provider", Required: true}},
		Blocks: []hcl.BlockHeaderSchema{{Type: "config"}}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	attributes, diags := inside.Blocks[0].Body.JustAttributes()
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	w, set := newWire(t, nil), map[string]string{}
	for name, attribute := range attributes {
		value, diags := attribute.Expr.Value(nil)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		if _, known := w.schemas.ListResourceSchemas[serverAccess].ValueType().(tftypes.Object).AttributeTypes[name]; !known {
			t.Errorf("the list has no %s", name)
		}
		set[name] = value.AsString()
	}
	s := server{name: "queried"}
	run(t, []string{s.name}, resource.TestStep{Config: s.hcl(), Check: checking(func() error {
		stream, err := w.server.(tfprotov6.ListResourceServer).ListResource(t.Context(), &tfprotov6.ListResourceRequest{
			TypeName: serverAccess, Config: w.value(w.schemas.ListResourceSchemas[serverAccess].ValueType(), set)})
		if err != nil {
			return err
		}
		for result := range stream.Results {
			w.sound(result.Diagnostics)
			if result.DisplayName == "dev/queried (auth0)" {
				return nil
			}
		}
		return errors.New("the server is not in the list")
	})})
}
