package policy

import (
	"fmt"
	"strings"
)

// truth is the outcome of a test. unknown fails closed, whichever way closed is for the statement at hand.
type truth int

const (
	no truth = iota
	yes
	unknown
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (t truth) not() truth {
	switch t {
	case yes:
		return no
	case no:
		return yes
	}
	return unknown
}

// quantor says how a condition treats a key with several values.
type quantor int

const (
	single quantor = iota
	forAll
	forAny
)

// test is one operator. negated operators hold where no value matches.
type test struct {
	negated bool
	// match compares a value of the request with a value of the policy, whose variables scope expands.
	match func(scope *scope, have, want string) truth
}

// newCondition reads an operator: an optional quantor, the name, an optional IfExists.
func newCondition(operator, key string) (Condition, error) {
	c := Condition{Operator: operator, Key: key}
	name := operator
	if rest, ok := strings.CutPrefix(name, "ForAllValues:"); ok {
		name, c.quantor = rest, forAll
	} else if rest, ok := strings.CutPrefix(name, "ForAnyValue:"); ok {
		name, c.quantor = rest, forAny
	}
	if name == "Null" {
		if c.quantor != single {
			return c, malformed("Invalid Condition type : %s", operator)
		}
		c.presence = true
	} else {
		base, ifExists := strings.CutSuffix(name, "IfExists")
		found, ok := operators[base]
		if !ok {
			return c, malformed("Invalid Condition type : %s", operator)
		}
		c.test, c.ifExists = found, ifExists
	}
	if !keyForm.MatchString(key) {
		return c, malformed("Condition key %q must be prefaced by a vendor, e.g., aws, iam, s3.", key)
	}
	return c, nil
}

// holds evaluates the condition; the reason explains unknown.
func (c Condition) holds(s *scope) (truth, string) {
	have, known := s.lookup(c.Key)
	if !known {
		return unknown, fmt.Sprintf("condition key %s is not known here", c.Key)
	}
	var result truth
	switch {
	case c.presence:
		result = c.null(len(have) == 0)
	case c.test.match == nil:
		result = unknown
	case len(have) == 0:
		return c.absent(), ""
	case c.quantor == single && len(have) > 1:
		return unknown, fmt.Sprintf("condition key %s has several values and %s no ForAllValues or ForAnyValue", c.Key, c.Operator)
	default:
		result = c.quantify(s, have)
	}
	if result == unknown {
		return unknown, fmt.Sprintf("condition %s on %s cannot be evaluated", c.Operator, c.Key)
	}
	return result, ""
}

// absent is the outcome for a key that the request does not have.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
func (c Condition) absent() truth {
	switch {
	case c.quantor == forAny:
		return truthOf(c.ifExists)
	case c.quantor == forAll, c.ifExists:
		return yes
	}
	return truthOf(c.test.negated)
}

func (c Condition) null(absent bool) truth {
	result := no
	for _, want := range c.Values {
		switch strings.ToLower(want) {
		case "true":
			result = max(result, truthOf(absent))
		case "false":
			result = max(result, truthOf(!absent))
		default:
			return unknown
		}
	}
	return result
}

func (c Condition) quantify(s *scope, have []string) truth {
	all, some := yes, no
	for _, value := range have {
		one := c.one(s, value)
		all, some = and(all, one), or(some, one)
	}
	if c.quantor == forAny {
		return some
	}
	return all
}

// one compares one value of the request with all values of the policy.
func (c Condition) one(s *scope, have string) truth {
	result := no
	for _, want := range c.Values {
		result = or(result, c.test.match(s, have, want))
	}
	if c.test.negated {
		return result.not()
	}
	return result
}

func and(a, b truth) truth {
	switch {
	case a == no || b == no:
		return no
	case a == unknown || b == unknown:
		return unknown
	}
	return yes
}

func or(a, b truth) truth { return and(a.not(), b.not()).not() }
