package layers_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/layers"
)

// checkReferences names every reference to something that is not there, and every variable and local value that nothing
// refers to. outputs are those of the modules that m calls, by the module's name; functions are terraform's.
func checkReferences(m *module, known map[string]schema, outputs map[string][]string, functions map[string]bool) []string {
	c := &references{module: m, known: known, outputs: outputs, functions: functions, used: map[string]bool{}}
	for _, body := range m.bodies {
		for _, block := range body.Blocks {
			for name, attribute := range block.Body.Attributes {
				if block.Type != "variable" || name != "type" { // a type is no value
					_ = hclsyntax.VisitAll(attribute, c.visit)
				}
			}
			for _, inner := range block.Body.Blocks {
				_ = hclsyntax.VisitAll(inner, c.visit)
			}
		}
	}
	for name := range m.variables {
		if !c.used["var."+name] {
			c.problems = append(c.problems, m.dir+": nothing refers to var."+name)
		}
	}
	for name := range m.locals {
		if !c.used["local."+name] {
			c.problems = append(c.problems, m.dir+": nothing refers to local."+name)
		}
	}
	return c.problems
}

type references struct {
	module    *module
	known     map[string]schema
	outputs   map[string][]string
	functions map[string]bool
	used      map[string]bool
	problems  []string
}

func (c *references) visit(node hclsyntax.Node) hcl.Diagnostics {
	switch node := node.(type) {
	case *hclsyntax.FunctionCallExpr:
		if !c.functions[node.Name] {
			c.problems = append(c.problems, at(node.Range())+"no function "+node.Name)
		}
	case *hclsyntax.ScopeTraversalExpr:
		if problem := c.resolve(names(node.Traversal)); problem != "" {
			c.problems = append(c.problems, at(node.Range())+problem)
		}
	}
	return nil
}

// names are the steps of a reference that name something; an index ends what can be told.
func names(traversal hcl.Traversal) []string {
	path := []string{traversal.RootName()}
	for _, step := range traversal[1:] {
		switch step := step.(type) {
		case hcl.TraverseAttr:
			path = append(path, step.Name)
		case hcl.TraverseIndex: // of a resource with count or for_each
		default:
			return path
		}
	}
	return path
}

// free are the names that stand for something only where they stand.
var free = []string{"each", "path", "rule", "scope", "client_id_list"}

func (c *references) resolve(path []string) string {
	root := path[0]
	part := func(n int) string {
		if n < len(path) {
			return path[n]
		}
		return ""
	}
	switch root {
	case "var":
		c.used["var."+part(1)] = true
		if c.module.variables[part(1)] == nil {
			return "no variable " + part(1)
		}
		return ""
	case "local":
		c.used["local."+part(1)] = true
		if c.module.locals[part(1)] == nil {
			return "no local value " + part(1)
		}
		return ""
	case "module":
		if c.module.modules[part(1)] == nil {
			return "no module " + part(1)
		}
		if name := part(2); name != "" && !slices.Contains(c.outputs[part(1)], name) {
			return fmt.Sprintf("module %s has no output %s", part(1), name)
		}
		return ""
	case "data":
		return c.thing("data."+part(1), part(2), part(3))
	}
	if strings.Contains(root, "_") && c.module.things[root+"."+part(1)] != nil {
		return c.thing(root, part(1), part(2))
	}
	if !slices.Contains(free, root) {
		return "nothing is called " + strings.Join(path, ".")
	}
	return ""
}

func (c *references) thing(kind, name, attribute string) string {
	if c.module.things[kind+"."+name] == nil {
		return fmt.Sprintf("no %s.%s", kind, name)
	}
	if s, ok := c.known[kind]; ok && attribute != "" && !s.readable(attribute) {
		return fmt.Sprintf("%s has no attribute %s", kind, attribute)
	}
	return ""
}

// terraformFunctions asks the terraform at hand, which knows its functions.
func terraformFunctions(t *testing.T) map[string]bool {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), layers.Program(), "metadata", "functions", "-json").Output()
	if err != nil {
		t.Skipf("no terraform that could name its functions: %v", err)
	}
	var list struct {
		Functions map[string]json.RawMessage `json:"function_signatures"`
	}
	if err := json.Unmarshal(out, &list); err != nil || len(list.Functions) == 0 {
		t.Fatalf("read terraform's functions: %v", err)
	}
	functions := map[string]bool{}
	for name := range list.Functions {
		functions[name] = true
	}
	return functions
}

func TestReferencesResolve(t *testing.T) {
	t.Parallel()
	known, functions := schemas(t), terraformFunctions(t)
	bucket := load(t, "modules/bucket")
	for _, dir := range foundations {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			m := load(t, dir)
			outputs := map[string][]string{"bucket": slices.Collect(maps.Keys(bucket.outputs))}
			for _, problem := range checkReferences(m, known, outputs, functions) {
				t.Error(problem)
			}
			for name, call := range m.modules {
				for _, problem := range checkCall(name, call, bucket) {
					t.Error(problem)
				}
			}
		})
	}
}

// checkCall compares a module block's arguments with the module's variables.
func checkCall(name string, call *hclsyntax.Block, called *module) []string {
	var problems []string
	for argument := range call.Body.Attributes {
		if called.variables[argument] == nil && !slices.Contains(metaArguments, argument) {
			problems = append(problems, fmt.Sprintf("%smodule %s has no variable %s", at(call.Range()), name, argument))
		}
	}
	for variable, block := range called.variables {
		if block.Body.Attributes["default"] == nil && call.Body.Attributes[variable] == nil {
			problems = append(problems, fmt.Sprintf("%smodule %s needs %s", at(call.Range()), name, variable))
		}
	}
	return problems
}

func TestDanglingReferencesFail(t *testing.T) {
	t.Parallel()
	known, functions := schemas(t), terraformFunctions(t)
	const around = "variable \"a\" {}\nlocals {\n l = var.a\n m = local.l\n n = local.m\n o = local.n\n p = local.o\n q = local.p\n}\n" +
		"resource \"aws_s3_bucket\" \"x\" {\n bucket = local.q\n}\nmodule \"bucket\" {\n source = \"x\"\n}\noutput \"o\" {\n value = %s\n}\n"
	for _, test := range []struct{ value, problem string }{
		{"aws_s3_bucket.x.arn", ""},
		{"module.bucket.bucket_name", ""},
		{"var.b", "no variable b"},
		{"local.b", "no local value b"},
		{"aws_s3_bucket.y.arn", "nothing is called aws_s3_bucket.y.arn"},
		{"aws_s3_bucket.x[0].arns", "has no attribute arns"},
		{"data.aws_partition.y.id", "no data.aws_partition.y"},
		{"module.bucket.names", "has no output names"},
		{"module.pail.name", "no module pail"},
		{"upercase(var.a)", "no function upercase"},
	} {
		t.Run(test.value, func(t *testing.T) {
			t.Parallel()
			m, problems := parse("x", map[string]string{"x.tf": fmt.Sprintf(around, test.value)})
			problems = append(problems, checkReferences(m, known, map[string][]string{"bucket": {"bucket_name"}}, functions)...)
			if test.problem == "" && len(problems) > 0 {
				t.Errorf("refused: %q", problems)
			}
			if !strings.Contains(strings.Join(problems, "\n"), test.problem) {
				t.Errorf("got %q, want %q", problems, test.problem)
			}
		})
	}
}
