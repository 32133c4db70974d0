package dynamodb

import (
	"slices"
	"strconv"
	"strings"
)

// maxExpression is in bytes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const maxExpression = 4096

// names are the placeholders of a request and which of them its expressions used.
type names struct {
	attributes map[string]string
	values     map[string]value
	used       map[string]bool
}

// checkPlaceholders refuses placeholders that no expression could use or did use.
func (n *names) checkPlaceholders(hasExpression bool) error {
	for _, set := range []struct {
		what  string
		given bool
		keys  []string
	}{
		{"ExpressionAttributeNames", n.attributes != nil, sortedKeys(n.attributes)},
		{"ExpressionAttributeValues", n.values != nil, sortedKeys(n.values)},
	} {
		switch {
		case !set.given:
			continue
		case !hasExpression:
			return invalid("%s can only be specified when using expressions", set.what)
		case len(set.keys) == 0:
			return invalid("%s must not be empty", set.what)
		}
		unused := slices.DeleteFunc(set.keys, func(key string) bool { return n.used[key] })
		if len(unused) > 0 {
			return invalid("Value provided in %s unused in expressions: keys: {%s}", set.what, strings.Join(unused, ", "))
		}
	}
	return nil
}

// parser reads one expression by recursive descent. kind is its parameter's name, for errors.
type parser struct {
	kind, text string
	tokens     []token
	at         int
	names      *names
}

func newParser(kind, text string, n *names) (*parser, error) {
	if len(text) > maxExpression {
		return nil, invalid("Invalid %s: Expression size has exceeded the maximum allowed size; expression size: %d", kind, len(text))
	}
	p := &parser{kind: kind, text: text, tokens: lex(text), names: n}
	if p.peek() == "" {
		return nil, invalid("Invalid %s: The expression can not be empty;", kind)
	}
	return p, nil
}

func (p *parser) peek() string { return p.tokens[p.at].text }

func (p *parser) isKeyword(word string) bool { return strings.EqualFold(p.peek(), word) }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if p.at < len(p.tokens)-1 {
		p.at++
	}
	return t
}

func (p *parser) expect(symbol string) error {
	if p.peek() != symbol {
		return p.syntaxError()
	}
	p.next()
	return nil
}

func (p *parser) accept(symbol string) bool {
	if p.peek() != symbol {
		return false
	}
	p.next()
	return true
}

func (p *parser) end() error {
	if p.peek() != "" {
		return p.syntaxError()
	}
	return nil
}

func (p *parser) syntaxError() error {
	shown := p.peek()
	if shown == "" {
		shown = "<EOF>"
	}
	from := p.tokens[max(p.at-1, 0)]
	to := p.tokens[min(p.at+1, len(p.tokens)-1)]
	return invalid("Invalid %s: Syntax error; token: \"%s\", near: \"%s\"", p.kind, shown, p.text[from.start:to.end])
}

func (p *parser) errorf(format string, args ...any) error {
	return invalid("Invalid "+p.kind+": "+format, args...)
}

// condition := and { OR and }
func (p *parser) condition() (condition, error) {
	left, err := p.conjunction()
	for err == nil && p.isKeyword("OR") {
		p.next()
		var right condition
		if right, err = p.conjunction(); err == nil {
			left = either{left, right}
		}
	}
	return left, err
}

func (p *parser) conjunction() (condition, error) {
	left, err := p.negation()
	for err == nil && p.isKeyword("AND") {
		p.next()
		var right condition
		if right, err = p.negation(); err == nil {
			left = both{left, right}
		}
	}
	return left, err
}

func (p *parser) negation() (condition, error) {
	if p.isKeyword("NOT") {
		p.next()
		inner, err := p.negation()
		return not{inner}, err
	}
	return p.comparison()
}

// comparison := "(" condition ")" | function | operand comparator operand | operand BETWEEN … | operand IN (…)
func (p *parser) comparison() (condition, error) {
	if p.accept("(") {
		inner, err := p.condition()
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	}
	if c, ok, err := p.function(); ok || err != nil {
		return c, err
	}
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	switch operator := p.peek(); {
	case slices.Contains([]string{"=", "<>", "<", "<=", ">", ">="}, operator):
		p.next()
		right, err := p.operand()
		return relation{operator, left, right}, err
	case p.isKeyword("BETWEEN"):
		return p.between(left)
	case p.isKeyword("IN"):
		return p.in(left)
	}
	return nil, p.syntaxError()
}

func (p *parser) between(left operand) (condition, error) {
	p.next()
	low, err := p.operand()
	if err != nil {
		return nil, err
	}
	if !p.isKeyword("AND") {
		return nil, p.syntaxError()
	}
	p.next()
	high, err := p.operand()
	if err != nil {
		return nil, err
	}
	if a, ok := low.(literal); ok {
		if b, ok := high.(literal); ok {
			order, comparable := compare(a.is, b.is)
			switch {
			case !comparable:
				return nil, p.errorf("The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {%s:%s}, upper bound operand: AttributeValue: {%s:%s}", a.is.kind, a.is.text, b.is.kind, b.is.text)
			case order > 0:
				return nil, p.errorf("The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {%s:%s}, upper bound operand: AttributeValue: {%s:%s}", a.is.kind, a.is.text, b.is.kind, b.is.text)
			}
		}
	}
	return within{left, low, high}, nil
}

func (p *parser) in(left operand) (condition, error) {
	p.next()
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var list []operand
	for {
		one, err := p.operand()
		if err != nil {
			return nil, err
		}
		list = append(list, one)
		if !p.accept(",") {
			return among{left, list}, p.expect(")")
		}
	}
}

// function reads one of the functions that are conditions by themselves.
func (p *parser) function() (condition, bool, error) {
	t := p.tokens[p.at]
	if !t.isWord() || p.tokens[min(p.at+1, len(p.tokens)-1)].text != "(" || t.text == "size" {
		return nil, false, nil
	}
	wanted, known := map[string]int{"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2}[t.text]
	if !known {
		return nil, false, p.errorf("Invalid function name; function: %s", t.text)
	}
	p.next()
	p.next()
	var args []operand
	for {
		one, err := p.operand()
		if err != nil {
			return nil, false, err
		}
		args = append(args, one)
		if !p.accept(",") {
			break
		}
	}
	if err := p.expect(")"); err != nil {
		return nil, false, err
	}
	if len(args) != wanted {
		return nil, false, p.errorf("Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", t.text, len(args))
	}
	return test{t.text, args}, true, p.checkArguments(t.text, args)
}

func (p *parser) checkArguments(function string, args []operand) error {
	wrongType := func(v value) error {
		return p.errorf("Incorrect operand type for operator or function; operator or function: %s, operand type: %s", function, v.kind)
	}
	switch function {
	case "attribute_exists", "attribute_not_exists", "attribute_type":
		if _, ok := args[0].(path); !ok {
			return p.errorf("Operator or function requires a document path; operator or function: %s", function)
		}
	case "begins_with":
		for _, arg := range args {
			if l, ok := arg.(literal); ok && l.is.kind != typeString && l.is.kind != typeBinary {
				return wrongType(l.is)
			}
		}
	}
	if function == "attribute_type" {
		l, ok := args[1].(literal)
		if !ok || l.is.kind != typeString {
			return p.errorf("Incorrect operand type for operator or function; operator or function: %s", function)
		}
	}
	return nil
}

// operand := size(path) | :value | path
func (p *parser) operand() (operand, error) {
	t := p.tokens[p.at]
	switch {
	case strings.HasPrefix(t.text, ":"):
		p.next()
		return p.literal(t.text)
	case t.text == "size" && p.tokens[min(p.at+1, len(p.tokens)-1)].text == "(":
		p.next()
		p.next()
		of, err := p.operand()
		if err != nil {
			return nil, err
		}
		return sizeOf{of}, p.expect(")")
	case t.isWord():
		return p.path()
	}
	return nil, p.syntaxError()
}

func (p *parser) literal(name string) (operand, error) {
	v, ok := p.names.values[name]
	if !ok {
		return nil, p.errorf("An expression attribute value used in expression is not defined; attribute value: %s", name)
	}
	p.names.used[name] = true
	return literal{v}, nil
}

// path := name { "." name | "[" number "]" }
func (p *parser) path() (path, error) {
	first, err := p.name()
	if err != nil {
		return nil, err
	}
	out := path{{name: first}}
	for {
		switch {
		case p.accept("."):
			name, err := p.name()
			if err != nil {
				return nil, err
			}
			out = append(out, step{name: name})
		case p.accept("["):
			n, err := strconv.Atoi(p.peek())
			if err != nil || !isDigit(p.peek()[0]) {
				return nil, p.syntaxError()
			}
			p.next()
			if err := p.expect("]"); err != nil {
				return nil, err
			}
			out = append(out, step{index: n, isIndex: true})
		default:
			return out, nil
		}
	}
}

func (p *parser) name() (string, error) {
	t := p.tokens[p.at]
	if !t.isWord() {
		return "", p.syntaxError()
	}
	if t.text[0] == '#' {
		name, ok := p.names.attributes[t.text]
		if !ok {
			return "", p.errorf("An expression attribute name used in the document path is not defined; attribute name: %s", t.text)
		}
		p.names.used[t.text] = true
		p.next()
		return name, nil
	}
	if isReserved(t.text) {
		return "", p.errorf("Attribute name is a reserved keyword; reserved keyword: %s", t.text)
	}
	p.next()
	return t.text, nil
}

// parseCondition reads a condition, filter or key condition.
func parseCondition(kind, text string, n *names) (condition, error) {
	p, err := newParser(kind, text, n)
	if err != nil {
		return nil, err
	}
	c, err := p.condition()
	if err != nil {
		return nil, err
	}
	return c, p.end()
}

// parseProjection reads a list of paths.
func parseProjection(text string, n *names) ([]path, error) {
	p, err := newParser("ProjectionExpression", text, n)
	if err != nil {
		return nil, err
	}
	var paths []path
	for {
		one, err := p.path()
		if err != nil {
			return nil, err
		}
		for _, other := range paths {
			if overlap(one, other) {
				return nil, invalid("Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", other, one)
			}
		}
		paths = append(paths, one)
		if !p.accept(",") {
			return paths, p.end()
		}
	}
}
