package layers_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// schema is the excerpt of an official provider's schema for one type, or one block of it, from the provider's
// documentation. Names that the documentation has and nobody here uses may be missing; a name that it does not have may not
// be added.
type schema struct {
	Required []string          `json:"required"`
	Optional []string          `json:"optional"`
	Computed []string          `json:"computed"`
	Blocks   map[string]schema `json:"blocks"`
}

func (s schema) argument(name string) bool {
	return slices.Contains(s.Required, name) || slices.Contains(s.Optional, name)
}

func (s schema) readable(name string) bool {
	_, block := s.Blocks[name]
	return s.argument(name) || block || slices.Contains(s.Computed, name)
}

// schemas are the excerpts by type: "aws_s3_bucket", "data.aws_partition", "provider.aws".
func schemas(t *testing.T) map[string]schema {
	t.Helper()
	all := map[string]schema{}
	files, err := filepath.Glob("testdata/schemas/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no schemas: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var excerpt struct {
			Types map[string]schema `json:"types"`
		}
		if err := json.Unmarshal(text, &excerpt); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		maps.Copy(all, excerpt.Types)
	}
	return all
}

// Arguments and blocks that Terraform itself gives a meaning.
var (
	metaArguments = []string{"count", "for_each", "depends_on", "provider", "source"}
	metaBlocks    = map[string]schema{"lifecycle": {
		Optional: []string{"create_before_destroy", "prevent_destroy", "ignore_changes", "replace_triggered_by"},
		Blocks:   map[string]schema{"precondition": {Required: []string{"condition", "error_message"}}, "postcondition": {Required: []string{"condition", "error_message"}}},
	}}
)

// checkTypes names every type, argument and block that the official providers do not have, and required arguments that
// are not there.
func checkTypes(m *module, known map[string]schema) []string {
	var problems []string
	for name, block := range m.things {
		kind := name[:strings.LastIndex(name, ".")]
		s, ok := known[kind]
		if !ok {
			problems = append(problems, fmt.Sprintf("%sno such type: %s", at(block.Range()), kind))
			continue
		}
		problems = append(problems, checkBody(name, block.Body, s, true)...)
	}
	for name, block := range m.providers {
		s, ok := known["provider."+name]
		if !ok {
			problems = append(problems, fmt.Sprintf("%sno such provider: %s", at(block.Range()), name))
			continue
		}
		problems = append(problems, checkBody("provider "+name, block.Body, s, false)...)
	}
	return problems
}

func checkBody(where string, body *hclsyntax.Body, s schema, meta bool) []string {
	var problems []string
	bad := func(r hcl.Range, format string, args ...any) {
		problems = append(problems, at(r)+where+": "+fmt.Sprintf(format, args...))
	}
	for name, attribute := range body.Attributes {
		if !s.argument(name) && (!meta || !slices.Contains(metaArguments, name)) {
			bad(attribute.SrcRange, "no argument %s", name)
		}
	}
	for _, name := range s.Required {
		if body.Attributes[name] == nil {
			bad(body.SrcRange, "%s is required", name)
		}
	}
	for _, block := range body.Blocks {
		name, inside := block.Type, block.Body
		if block.Type == "dynamic" {
			name, inside = block.Labels[0], content(block)
		}
		nested, ok := s.Blocks[name]
		if !ok && meta {
			nested, ok = metaBlocks[name]
		}
		if !ok {
			bad(block.Range(), "no block %s", name)
			continue
		}
		if inside == nil {
			bad(block.Range(), "dynamic block without content")
			continue
		}
		problems = append(problems, checkBody(where+"."+name, inside, nested, false)...)
	}
	return problems
}

// content is what a dynamic block repeats.
func content(block *hclsyntax.Block) *hclsyntax.Body {
	for _, inner := range block.Body.Blocks {
		if inner.Type == "content" {
			return inner.Body
		}
	}
	return nil
}

// foundations are the directories whose providers cannot be had without the registry.
var foundations = []string{"modules/bucket", "foundation/auth0", "foundation/entra", "foundation/cognito"}

func TestFoundationsUseWhatTheProvidersHave(t *testing.T) {
	t.Parallel()
	known := schemas(t)
	for _, dir := range foundations {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			m := load(t, dir)
			if len(m.things) == 0 {
				t.Fatal("nothing to check")
			}
			for _, problem := range checkTypes(m, known) {
				t.Error(problem)
			}
		})
	}
}

// The check itself refuses what terraform validate would refuse.
func TestUnknownNamesFail(t *testing.T) {
	t.Parallel()
	known := schemas(t)
	for _, test := range []struct{ name, text, problem string }{
		{"type", `resource "aws_s3_buckets" "x" {}`, "no such type: aws_s3_buckets"},
		{"data source", `data "aws_s3_bucket" "x" {}`, "no such type: data.aws_s3_bucket"},
		{"argument", `resource "aws_s3_bucket" "x" { acls = "private" }`, "no argument acls"},
		{"computed", `resource "aws_s3_bucket" "x" { arn = "x" }`, "no argument arn"},
		{"block", "resource \"aws_s3_bucket\" \"x\" {\n rules {}\n}", "no block rules"},
		{"block in block", "resource \"aws_dynamodb_table\" \"x\" {\n name = \"t\"\n ttl {\n on = true\n }\n}", "ttl: no argument on"},
		{"dynamic block", "resource \"aws_dynamodb_table\" \"x\" {\n name = \"t\"\n dynamic \"index\" {\n for_each = []\n content {}\n }\n}", "no block index"},
		{"required", `resource "aws_s3_bucket_policy" "x" { bucket = "b" }`, "policy is required"},
		{"lifecycle", "resource \"aws_s3_bucket\" \"x\" {\n lifecycle {\n keep = true\n }\n}", "lifecycle: no argument keep"},
		{"provider", `provider "aws" { regions = "x" }`, "no argument regions"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m, problems := parse("x", map[string]string{"x.tf": test.text})
			if problems = append(problems, checkTypes(m, known)...); !strings.Contains(strings.Join(problems, "\n"), test.problem) {
				t.Errorf("got %q, want %q", problems, test.problem)
			}
		})
	}
}
