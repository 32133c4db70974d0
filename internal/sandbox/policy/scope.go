package policy

import (
	"fmt"
	"strings"
)

// scope is what the evaluation of one request knows.
type scope struct {
	context   map[string][]string // keys in lower case
	variables bool                // the document's version knows ${…}
	reasons   []string
}

func newScope(context map[string][]string) *scope {
	s := &scope{context: make(map[string][]string, len(context))}
	for key, values := range context {
		s.context[strings.ToLower(key)] = values
	}
	return s
}

// lookup returns the values of a key and whether the key is one that the sandbox fills in where AWS would.
func (s *scope) lookup(key string) (values []string, known bool) {
	key = strings.ToLower(key)
	values, given := s.context[key]
	return values, given || knownKey(key)
}

// expand replaces the policy variables of text. no means that a variable has no value, so that nothing can match;
// unknown that the variable is not known here.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
func (s *scope) expand(text string, wild bool) (pattern, truth) {
	plain := literal
	if wild {
		plain = wildcards
	}
	if !s.variables {
		return plain(text), yes
	}
	var out pattern
	for {
		before, rest, found := strings.Cut(text, "${")
		out = append(out, plain(before)...)
		if !found {
			return out, yes
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			s.because(fmt.Sprintf("policy variable without end in %q", text))
			return nil, unknown
		}
		value, t := s.variable(name)
		if t != yes {
			return nil, t
		}
		out = append(out, literal(value)...)
		text = after
	}
}

func (s *scope) variable(name string) (string, truth) {
	switch name {
	case "*", "?", "$":
		return name, yes
	}
	key, fallback, hasFallback := strings.Cut(name, ",")
	fallback = strings.TrimSpace(fallback)
	if hasFallback && (len(fallback) < 2 || fallback[0] != '\'' || fallback[len(fallback)-1] != '\'') {
		s.because(fmt.Sprintf("default value of policy variable %q is not quoted", name))
		return "", unknown
	}
	values, known := s.lookup(strings.TrimSpace(key))
	switch {
	case !known:
		s.because(fmt.Sprintf("policy variable %q is not known here", name))
		return "", unknown
	case len(values) == 1:
		return values[0], yes
	case len(values) > 1:
		s.because(fmt.Sprintf("policy variable %q has several values", name))
		return "", unknown
	case hasFallback:
		return fallback[1 : len(fallback)-1], yes
	}
	return "", no
}

func (s *scope) because(reason string) {
	for _, known := range s.reasons {
		if known == reason {
			return
		}
	}
	s.reasons = append(s.reasons, reason)
}
