package layers_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// local evaluates a local value of the module, with values for variables and for what only the clouds know.
func (m *module) local(t *testing.T, name string, given map[string]cty.Value) string {
	t.Helper()
	done := map[string]cty.Value{}
	var evaluate func(name string) cty.Value
	evaluate = func(name string) cty.Value {
		if value, ok := done[name]; ok {
			return value
		}
		expression, ok := m.locals[name]
		if !ok {
			t.Fatalf("%s has no local value %s", m.dir, name)
		}
		locals := map[string]cty.Value{}
		for _, needed := range expression.Variables() {
			if path := names(needed); path[0] == "local" {
				locals[path[1]] = evaluate(path[1])
			}
		}
		variables := maps.Clone(given)
		variables["local"] = cty.ObjectVal(locals)
		value, diags := expression.Value(&hcl.EvalContext{Variables: variables, Functions: functions()})
		if diags.HasErrors() {
			t.Fatalf("%s: local %s: %v", m.dir, name, diags)
		}
		done[name] = value
		return value
	}
	value := evaluate(name)
	if value.Type() != cty.String || !value.IsWhollyKnown() {
		t.Fatalf("%s: local %s is no text", m.dir, name)
	}
	return value.AsString()
}

// functions are those of Terraform's that the policies use.
func functions() map[string]function.Function {
	return map[string]function.Function{
		"coalesce": stdlib.CoalesceFunc, "concat": stdlib.ConcatFunc, "jsonencode": stdlib.JSONEncodeFunc, "length": length,
		"merge": stdlib.MergeFunc, "replace": stdlib.ReplaceFunc, "sort": sorted, "try": tryfunc.TryFunc,
	}
}

// length and sort are Terraform's, which take sets and tuples too.
var (
	length = function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Number),
		Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0].Length(), nil },
	})
	sorted = function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.List(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			var texts []string
			for _, value := range args[0].AsValueSlice() {
				texts = append(texts, value.AsString())
			}
			slices.Sort(texts)
			return list(texts...), nil
		},
	})
)

func list(texts ...string) cty.Value {
	if len(texts) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	values := make([]cty.Value, 0, len(texts))
	for _, text := range texts {
		values = append(values, cty.StringVal(text))
	}
	return cty.ListVal(values)
}
