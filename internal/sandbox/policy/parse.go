package policy

import (
	"encoding/json"
	"regexp"
	"strings"
)

const (
	version2012 = "2012-10-17"
	version2008 = "2008-10-17"
)

var (
	sidForm    = regexp.MustCompile(`^[0-9A-Za-z]*$`)
	actionForm = regexp.MustCompile(`^[A-Za-z0-9-]+:[A-Za-z0-9*?]+$`)
	keyForm    = regexp.MustCompile(`^[^\s:]+(:[^\s]+)+$`)
)

// Parse reads a document as strictly as IAM does. Every error is a *MalformedError.
func Parse(document string, kind Kind) (*Document, error) {
	if strings.HasPrefix(document, " ") {
		return nil, malformed("JSON strings must not have leading spaces")
	}
	if !json.Valid([]byte(document)) {
		return nil, malformed("This policy contains invalid Json")
	}
	members, err := object(json.RawMessage(document))
	if err != nil {
		return nil, err
	}
	d := &Document{Version: version2008}
	for _, m := range members {
		switch m.name {
		case "Version":
			if d.Version, err = text(m.value); err == nil && d.Version != version2012 && d.Version != version2008 {
				err = errSyntax
			}
		case "Id":
			d.ID, err = text(m.value)
		case "Statement":
			d.Statements, err = parseStatements(m.value, kind)
		default:
			err = malformed("Unknown field %s", m.name)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(d.Statements) == 0 {
		return nil, errSyntax
	}
	if kind == Identity && d.Version != version2012 {
		return nil, malformed("Policy document must be version 2012-10-17 or greater.")
	}
	return d, uniqueSids(d.Statements)
}

func uniqueSids(statements []Statement) error {
	seen := map[string]bool{}
	for _, s := range statements {
		if s.Sid != "" && seen[s.Sid] {
			return malformed("Statement IDs (SID) in a single policy must be unique.")
		}
		seen[s.Sid] = true
	}
	return nil
}

func parseStatements(raw json.RawMessage, kind Kind) ([]Statement, error) {
	values, err := list(raw)
	if err != nil {
		return nil, err
	}
	statements := make([]Statement, len(values))
	for i, value := range values {
		if statements[i], err = parseStatement(value, kind); err != nil {
			return nil, err
		}
	}
	return statements, nil
}

func parseStatement(raw json.RawMessage, kind Kind) (Statement, error) {
	members, err := object(raw)
	if err != nil {
		return Statement{}, err
	}
	var s Statement
	for _, m := range members {
		if err := s.set(m); err != nil {
			return Statement{}, err
		}
	}
	return s, s.check(kind)
}

func (s *Statement) set(m member) (err error) {
	switch m.name {
	case "Sid":
		s.Sid, err = text(m.value)
	case "Effect":
		s.Effect, err = text(m.value)
	case "Principal":
		s.Principal, err = parsePrincipals(m.value)
	case "NotPrincipal":
		s.NotPrincipal, err = parsePrincipals(m.value)
	case "Action":
		s.Actions, err = nonEmpty(m.value, "actions")
	case "NotAction":
		s.NotActions, err = nonEmpty(m.value, "actions")
	case "Resource":
		s.Resources, err = nonEmpty(m.value, "resources")
	case "NotResource":
		s.NotResources, err = nonEmpty(m.value, "resources")
	case "Condition":
		s.Conditions, err = parseConditions(m.value)
	default:
		err = malformed("Unknown field %s", m.name)
	}
	return err
}

func nonEmpty(raw json.RawMessage, what string) ([]string, error) {
	values, err := texts(raw)
	if err == nil && len(values) == 0 {
		err = malformed("Policy statement must contain %s.", what)
	}
	return values, err
}

func (s *Statement) check(kind Kind) error {
	if s.Effect != Allow && s.Effect != Deny {
		return errSyntax
	}
	if kind != Resource && !sidForm.MatchString(s.Sid) {
		return malformed("Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
	}
	if err := s.checkPrincipals(kind); err != nil {
		return err
	}
	if err := s.checkActions(kind); err != nil {
		return err
	}
	return s.checkResources(kind)
}

func (s *Statement) checkPrincipals(kind Kind) error {
	switch {
	case kind == Identity && (s.Principal != nil || s.NotPrincipal != nil):
		return malformed("Policy document should not specify a principal.")
	case kind == Trust && s.NotPrincipal != nil:
		return malformed("Has prohibited field NotPrincipal")
	case kind == Identity:
		return nil
	case s.Principal != nil && s.NotPrincipal != nil:
		return errSyntax
	case s.Principal == nil && s.NotPrincipal == nil:
		return malformed("Missing required field Principal")
	}
	return nil
}

func (s *Statement) checkActions(kind Kind) error {
	if (s.Actions == nil) == (s.NotActions == nil) {
		return malformed("Policy statement must contain actions.")
	}
	for _, action := range append(append([]string{}, s.Actions...), s.NotActions...) {
		if action != "*" && !actionForm.MatchString(action) {
			return malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
		}
		if kind == Trust && !strings.HasPrefix(strings.ToLower(action), "sts:") {
			return malformed("AssumeRole policy may only specify STS AssumeRole actions.")
		}
	}
	return nil
}

func (s *Statement) checkResources(kind Kind) error {
	if kind == Trust {
		switch {
		case s.Resources != nil:
			return malformed("Has prohibited field Resource")
		case s.NotResources != nil:
			return malformed("Has prohibited field NotResource")
		}
		return nil
	}
	if (s.Resources == nil) == (s.NotResources == nil) {
		return malformed("Policy statement must contain resources.")
	}
	for _, resource := range append(append([]string{}, s.Resources...), s.NotResources...) {
		if resource == "*" {
			continue
		}
		parts := strings.SplitN(resource, ":", 6)
		if len(parts) != 6 || parts[0] != "arn" {
			return malformed("Resource %s must be in ARN format or \"*\".", resource)
		}
		switch parts[1] {
		case "aws", "aws-cn", "aws-us-gov", "*":
		default:
			return malformed("Partition \"%s\" is not valid for resource \"%s\".", parts[1], resource)
		}
	}
	return nil
}

func parsePrincipals(raw json.RawMessage) (*Principals, error) {
	if len(raw) > 0 && raw[0] == '"' {
		if s, err := text(raw); err != nil || s != "*" {
			return nil, malformed("Invalid principal in policy")
		}
		return &Principals{Everyone: true}, nil
	}
	members, err := object(raw)
	if err != nil {
		return nil, err
	}
	p := &Principals{}
	for _, m := range members {
		values, err := texts(m.value)
		if err != nil {
			return nil, err
		}
		if len(values) == 0 {
			return nil, malformed("Invalid principal in policy")
		}
		switch m.name {
		case "AWS":
			p.AWS = values
		case "Federated":
			p.Federated = values
		case "Service":
			p.Service = values
		case "CanonicalUser":
			p.CanonicalUser = values
		default:
			return nil, malformed("Invalid principal in policy: unknown type %q", m.name)
		}
	}
	if len(members) == 0 {
		return nil, malformed("Missing required field Principal cannot be empty!")
	}
	return p, nil
}

func parseConditions(raw json.RawMessage) ([]Condition, error) {
	operators, err := object(raw)
	if err != nil {
		return nil, err
	}
	var conditions []Condition
	for _, operator := range operators {
		keys, err := object(operator.value)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			c, err := newCondition(operator.name, key.name)
			if err != nil {
				return nil, err
			}
			if c.Values, err = scalars(key.value); err != nil {
				return nil, err
			}
			conditions = append(conditions, c)
		}
	}
	return conditions, nil
}
