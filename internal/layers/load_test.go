package layers_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// root is where the layers are, seen from this package.
const root = "../../terraform"

// module is the configuration of one directory.
type module struct {
	dir string

	things    map[string]*hclsyntax.Block // resources and data sources: "aws_s3_bucket.log", "data.aws_partition.current"
	modules   map[string]*hclsyntax.Block
	providers map[string]*hclsyntax.Block
	variables map[string]*hclsyntax.Block
	outputs   map[string]*hclsyntax.Block
	locals    map[string]hclsyntax.Expression
	settings  []*hclsyntax.Block // terraform { … }
	bodies    []*hclsyntax.Body
}

// load parses a directory of the repository.
func load(t *testing.T, dir string) *module {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, dir, "*.tf"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no configuration in %s: %v", dir, err)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Join(dir, filepath.Base(file))] = string(text)
	}
	m, problems := parse(dir, texts)
	if len(problems) > 0 {
		t.Fatal(strings.Join(problems, "\n"))
	}
	return m
}

// parse reads files, by name.
func parse(dir string, texts map[string]string) (*module, []string) {
	m := &module{dir: dir, things: map[string]*hclsyntax.Block{}, modules: map[string]*hclsyntax.Block{},
		providers: map[string]*hclsyntax.Block{}, variables: map[string]*hclsyntax.Block{},
		outputs: map[string]*hclsyntax.Block{}, locals: map[string]hclsyntax.Expression{}}
	parser := hclparse.NewParser()
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		file, diags := parser.ParseHCL([]byte(texts[name]), name)
		if diags.HasErrors() {
			return m, []string{diags.Error()}
		}
		body, ok := file.Body.(*hclsyntax.Body)
		if !ok {
			return m, []string{name + " is not in HCL's native syntax"}
		}
		m.bodies = append(m.bodies, body)
		for _, block := range body.Blocks {
			if problem := m.add(block); problem != "" {
				problems = append(problems, problem)
			}
		}
	}
	return m, problems
}

func (m *module) add(block *hclsyntax.Block) string {
	put := func(into map[string]*hclsyntax.Block, name string) string {
		if into[name] != nil {
			return at(block.Range()) + name + " is there twice"
		}
		into[name] = block
		return ""
	}
	name := strings.Join(block.Labels, ".")
	switch block.Type {
	case "resource":
		return put(m.things, name)
	case "data":
		return put(m.things, "data."+name)
	case "module":
		return put(m.modules, name)
	case "provider":
		return put(m.providers, name)
	case "variable":
		return put(m.variables, name)
	case "output":
		return put(m.outputs, name)
	case "terraform":
		m.settings = append(m.settings, block)
	case "locals":
		for name, attribute := range block.Body.Attributes {
			m.locals[name] = attribute.Expr
		}
	default:
		return at(block.Range()) + "unknown block " + block.Type
	}
	return ""
}

func at(r hcl.Range) string { return r.String() + ": " }
