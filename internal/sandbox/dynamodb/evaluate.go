package dynamodb

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// operand is a side of a comparison. It may have no value: a path that leads nowhere.
type operand interface {
	value(i item) (value, bool)
}

// condition is a parsed condition.
type condition interface {
	holds(i item) bool
}

type literal struct{ is value }

func (l literal) value(item) (value, bool) { return l.is, true }

// step is one of a document path.
type step struct {
	name    string
	index   int
	isIndex bool
}

type path []step

func (p path) value(i item) (value, bool) {
	v := value{kind: typeMap, item: i}
	for _, s := range p {
		var ok bool
		if v, ok = s.into(v); !ok {
			return value{}, false
		}
	}
	return v, true
}

func (s step) into(v value) (value, bool) {
	if s.isIndex {
		if v.kind != typeList || s.index >= len(v.list) {
			return value{}, false
		}
		return v.list[s.index], true
	}
	if v.kind != typeMap {
		return value{}, false
	}
	inner, ok := v.item[s.name]
	return inner, ok
}

// String writes the path as DynamoDB does in its errors.
func (p path) String() string {
	parts := make([]string, len(p))
	for i, s := range p {
		parts[i] = s.name
		if s.isIndex {
			parts[i] = "[" + strconv.Itoa(s.index) + "]"
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func overlap(a, b path) bool {
	n := min(len(a), len(b))
	return slices.Equal(a[:n], b[:n])
}

type sizeOf struct{ of operand }

func (s sizeOf) value(i item) (value, bool) {
	v, ok := s.of.value(i)
	if !ok {
		return value{}, false
	}
	var n int
	switch v.kind {
	case typeString:
		n = len([]rune(v.text))
	case typeBinary:
		n = len(v.text)
	case typeList:
		n = len(v.list)
	case typeMap:
		n = len(v.item)
	case typeStringSet, typeNumberSet, typeBinarySet:
		n = len(v.set)
	default:
		return value{}, false
	}
	return value{kind: typeNumber, text: fmt.Sprint(n)}, true
}

type either struct{ a, b condition }

func (c either) holds(i item) bool { return c.a.holds(i) || c.b.holds(i) }

type both struct{ a, b condition }

func (c both) holds(i item) bool { return c.a.holds(i) && c.b.holds(i) }

type not struct{ a condition }

func (c not) holds(i item) bool { return !c.a.holds(i) }

type relation struct {
	operator    string
	left, right operand
}

// holds: an operand without a value makes every comparison false but "<>".
func (c relation) holds(i item) bool {
	a, okA := c.left.value(i)
	b, okB := c.right.value(i)
	switch c.operator {
	case "=":
		return okA && okB && equal(a, b)
	case "<>":
		return !okA || !okB || !equal(a, b)
	}
	order, comparable := compare(a, b)
	if !okA || !okB || !comparable {
		return false
	}
	switch c.operator {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	default:
		return order >= 0
	}
}

type within struct{ of, low, high operand }

func (c within) holds(i item) bool {
	return relation{">=", c.of, c.low}.holds(i) && relation{"<=", c.of, c.high}.holds(i)
}

type among struct {
	of   operand
	list []operand
}

func (c among) holds(i item) bool {
	return slices.ContainsFunc(c.list, func(one operand) bool { return relation{"=", c.of, one}.holds(i) })
}

// test is a function.
type test struct {
	name string
	args []operand
}

func (c test) holds(i item) bool {
	v, ok := c.args[0].value(i)
	switch c.name {
	case "attribute_exists":
		return ok
	case "attribute_not_exists":
		return !ok
	}
	arg, okArg := c.args[1].value(i)
	if !ok || !okArg {
		return false
	}
	switch c.name {
	case "attribute_type":
		return v.kind == arg.text
	case "begins_with":
		return v.kind == arg.kind && (v.kind == typeString || v.kind == typeBinary) && strings.HasPrefix(v.text, arg.text)
	default: // contains
		return contains(v, arg)
	}
}

func contains(v, arg value) bool {
	switch v.kind {
	case typeString, typeBinary:
		return v.kind == arg.kind && strings.Contains(v.text, arg.text)
	case typeStringSet, typeNumberSet, typeBinarySet:
		return strings.TrimSuffix(v.kind, "S") == arg.kind && slices.Contains(v.set, arg.text)
	case typeList:
		return slices.ContainsFunc(v.list, func(one value) bool { return equal(one, arg) })
	}
	return false
}

// project keeps what the paths lead to; without paths it keeps everything. List elements close up, as DynamoDB has it.
func project(i item, paths []path) item {
	if paths == nil {
		return i
	}
	root := &branch{}
	for _, p := range paths {
		if _, ok := p.value(i); ok {
			root.add(p)
		}
	}
	if len(root.steps) == 0 {
		return item{}
	}
	return root.cut(value{kind: typeMap, item: i}).item
}

// branch is the tree of what a projection keeps; one without children keeps everything below it.
type branch struct {
	steps    []step
	children []*branch
}

func (b *branch) add(p path) {
	if len(p) == 0 {
		return
	}
	at := slices.Index(b.steps, p[0])
	if at < 0 {
		at = len(b.steps)
		b.steps, b.children = append(b.steps, p[0]), append(b.children, &branch{})
	}
	b.children[at].add(p[1:])
}

func (b *branch) cut(v value) value {
	if len(b.steps) == 0 {
		return v
	}
	out := value{kind: v.kind}
	if v.kind == typeMap {
		out.item = item{}
	}
	order := make([]int, len(b.steps))
	for n := range order {
		order[n] = n
	}
	slices.SortStableFunc(order, func(x, y int) int { return b.steps[x].index - b.steps[y].index })
	for _, n := range order {
		inner, ok := b.steps[n].into(v)
		if !ok {
			continue
		}
		inner = b.children[n].cut(inner)
		if b.steps[n].isIndex {
			out.list = append(out.list, inner)
		} else {
			out.item[b.steps[n].name] = inner
		}
	}
	return out
}
