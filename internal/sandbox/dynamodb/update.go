package dynamodb

import (
	"maps"
	"math/big"
	"slices"
)

// action is one change of an UpdateExpression: SET at = set, or REMOVE at where set is nil.
type action struct {
	at  path
	set term
}

// term is the right side of a SET. Its errors are those of the item: a path without a value, an operand that is no number.
type term interface {
	of(i item) (value, error)
}

type plain struct{ operand }

func (p plain) of(i item) (value, error) {
	v, ok := p.value(i)
	if !ok {
		return v, invalid("The provided expression refers to an attribute that does not exist in the item")
	}
	return v, nil
}

type orElse struct {
	at   path
	then term
}

func (o orElse) of(i item) (value, error) {
	if v, ok := o.at.value(i); ok {
		return v, nil
	}
	return o.then.of(i)
}

type joined struct{ a, b term }

func (j joined) of(i item) (value, error) {
	a, err := j.a.of(i)
	if err != nil {
		return a, err
	}
	b, err := j.b.of(i)
	if err != nil {
		return b, err
	}
	if a.kind != typeList || b.kind != typeList {
		return a, invalid("An operand in the update expression has an incorrect data type")
	}
	return value{kind: typeList, list: slices.Concat(a.list, b.list)}, nil
}

type sum struct {
	a, b  term
	minus bool
}

func (s sum) of(i item) (value, error) {
	a, err := s.a.of(i)
	if err != nil {
		return a, err
	}
	b, err := s.b.of(i)
	if err != nil {
		return b, err
	}
	x, okX := new(big.Rat).SetString(a.text)
	y, okY := new(big.Rat).SetString(b.text)
	if a.kind != typeNumber || b.kind != typeNumber || !okX || !okY {
		return a, invalid("An operand in the update expression has an incorrect data type")
	}
	if s.minus {
		y.Neg(y)
	}
	text, err := canonicalNumber(x.Add(x, y).FloatString(130))
	return value{kind: typeNumber, text: text}, err
}

// parseUpdate reads an UpdateExpression of SET and REMOVE clauses.
func parseUpdate(text string, n *names) ([]action, error) {
	p, err := newParser("UpdateExpression", text, n)
	if err != nil {
		return nil, err
	}
	var actions []action
	seen := map[string]bool{}
	for p.peek() != "" {
		clause := ""
		for _, known := range []string{"SET", "REMOVE", "ADD", "DELETE"} {
			if p.isKeyword(known) {
				clause = known
			}
		}
		switch {
		case clause == "":
			return nil, p.syntaxError()
		case clause == "ADD", clause == "DELETE":
			return nil, invalid("the sandbox does not know the clause %s of UpdateExpression", clause)
		case seen[clause]:
			return nil, p.errorf("The \"%s\" section can only be used once in an update expression;", clause)
		}
		seen[clause] = true
		p.next()
		if actions, err = p.actions(clause == "SET", actions); err != nil {
			return nil, err
		}
	}
	return actions, nil
}

func (p *parser) actions(set bool, actions []action) ([]action, error) {
	for {
		at, err := p.path()
		if err != nil {
			return nil, err
		}
		a := action{at: at}
		if set {
			if err := p.expect("="); err != nil {
				return nil, err
			}
			if a.set, err = p.sum(); err != nil {
				return nil, err
			}
		}
		for _, other := range actions {
			if overlap(at, other.at) {
				return nil, p.errorf("Two document paths overlap with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", other.at, at)
			}
		}
		actions = append(actions, a)
		if !p.accept(",") {
			return actions, nil
		}
	}
}

func (p *parser) sum() (term, error) {
	left, err := p.term()
	if err != nil || p.peek() != "+" && p.peek() != "-" {
		return left, err
	}
	minus := p.next().text == "-"
	right, err := p.term()
	return sum{left, right, minus}, err
}

func (p *parser) term() (term, error) {
	t := p.tokens[p.at]
	isCall := p.tokens[min(p.at+1, len(p.tokens)-1)].text == "("
	if !isCall || !t.isWord() {
		o, err := p.operand()
		return plain{o}, err
	}
	p.next()
	p.next()
	switch t.text {
	case "if_not_exists":
		at, err := p.path()
		if err != nil {
			return nil, err
		}
		then, err := p.second()
		return orElse{at, then}, err
	case "list_append":
		a, err := p.term()
		if err != nil {
			return nil, err
		}
		b, err := p.second()
		return joined{a, b}, err
	}
	return nil, p.errorf("Invalid function name; function: %s", t.text)
}

func (p *parser) second() (term, error) {
	if err := p.expect(","); err != nil {
		return nil, err
	}
	t, err := p.term()
	if err != nil {
		return nil, err
	}
	return t, p.expect(")")
}

// apply makes the changes to a copy. Right sides see the item as it was.
func apply(actions []action, old item) (item, error) {
	root := value{kind: typeMap, item: old}
	var removals []action
	for _, a := range actions {
		if a.set == nil {
			removals = append(removals, a)
			continue
		}
		v, err := a.set.of(old)
		if err != nil {
			return nil, err
		}
		if root, err = put(root, a.at, v); err != nil {
			return nil, err
		}
	}
	// Later elements of a list first: removing one moves those behind it.
	slices.SortStableFunc(removals, func(x, y action) int {
		for i := range min(len(x.at), len(y.at)) {
			if d := y.at[i].index - x.at[i].index; d != 0 {
				return d
			}
		}
		return 0
	})
	for _, a := range removals {
		var err error
		if root, err = remove(root, a.at); err != nil {
			return nil, err
		}
	}
	return maps.Clone(root.item), nil
}

func invalidPath() error {
	return invalid("The document path provided in the update expression is invalid for update")
}

// put returns a copy of v with the value at the path. All but its last step have to be there.
func put(v value, at path, to value) (value, error) {
	if len(at) == 0 {
		return to, nil
	}
	inner, ok := at[0].into(v)
	if !ok && len(at) > 1 {
		return v, invalidPath()
	}
	inner, err := put(inner, at[1:], to)
	if err != nil {
		return v, err
	}
	switch {
	case !at[0].isIndex && v.kind == typeMap:
		v.item = maps.Clone(v.item)
		if v.item == nil {
			v.item = item{}
		}
		v.item[at[0].name] = inner
	case at[0].isIndex && v.kind == typeList && at[0].index < len(v.list):
		v.list = slices.Clone(v.list)
		v.list[at[0].index] = inner
	case at[0].isIndex && v.kind == typeList: // beyond the end: appended
		v.list = append(slices.Clone(v.list), inner)
	default:
		return v, invalidPath()
	}
	return v, nil
}

// remove returns a copy of v without what the path leads to.
func remove(v value, at path) (value, error) {
	inner, ok := at[0].into(v)
	if !ok {
		if len(at) > 1 {
			return v, invalidPath()
		}
		return v, nil
	}
	if len(at) > 1 {
		inner, err := remove(inner, at[1:])
		if err != nil {
			return v, err
		}
		return put(v, at[:1], inner)
	}
	if at[0].isIndex {
		v.list = slices.Delete(slices.Clone(v.list), at[0].index, at[0].index+1)
		return v, nil
	}
	v.item = maps.Clone(v.item)
	delete(v.item, at[0].name)
	return v, nil
}
