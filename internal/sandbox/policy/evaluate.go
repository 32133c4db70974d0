package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Evaluate says what the document alone makes of the request: an explicit deny wins over any allow.
func (d *Document) Evaluate(req Request) Decision {
	var out Decision
	s := newScope(req.Context)
	s.variables = d.Version == version2012
	for _, statement := range d.Statements {
		applies, grant := statement.applies(req, s)
		switch {
		case statement.Effect == Allow && applies == yes:
			out.Allowed = true
			out.Grant = max(out.Grant, grant)
		case statement.Effect != Allow && applies != no: // an unknown Deny denies
			out.ExplicitDeny = true
		}
	}
	if out.ExplicitDeny {
		out.Allowed, out.Grant = false, GrantNone
	}
	out.Reasons = s.reasons
	return out
}

// applies is yes where every element of the statement matches, no where one does not, unknown otherwise.
func (st Statement) applies(req Request, s *scope) (truth, Grant) {
	named, grant := st.names(req.Principal)
	if !named || !st.coversAction(req.Action) {
		return no, GrantNone
	}
	result := st.coversResource(req.Resource, s)
	if result == no {
		return no, GrantNone
	}
	var reasons []string
	for _, condition := range st.Conditions {
		t, reason := condition.holds(s)
		if t == no {
			return no, GrantNone
		}
		if t == unknown {
			reasons = append(reasons, reason)
		}
		result = and(result, t)
	}
	for _, reason := range reasons {
		s.because(fmt.Sprintf("%s statement %q: %s", st.Effect, st.Sid, reason))
	}
	return result, grant
}

func (st Statement) coversAction(action string) bool {
	matches := func(want string) bool { return wildcards(strings.ToLower(want)).match(strings.ToLower(action)) }
	if st.NotActions != nil {
		return !slices.ContainsFunc(st.NotActions, matches)
	}
	return slices.ContainsFunc(st.Actions, matches)
}

func (st Statement) coversResource(resource string, s *scope) truth {
	if st.Resources == nil && st.NotResources == nil {
		return yes // a trust policy stands on its resource
	}
	covered := no
	for _, want := range append(slices.Clone(st.Resources), st.NotResources...) {
		p, t := s.expand(want, true)
		if t == yes {
			t = truthOf(p.match(resource))
		}
		covered = or(covered, t)
	}
	if st.NotResources != nil {
		return covered.not()
	}
	return covered
}

// names reports whether the statement is about the principal, and how it names it.
func (st Statement) names(p Principal) (bool, Grant) {
	switch {
	case st.Principal != nil:
		grant := st.Principal.grant(p)
		return grant != GrantNone, grant
	case st.NotPrincipal != nil:
		return !st.NotPrincipal.excludes(p), GrantEveryone
	}
	return true, GrantNone
}

// grant returns the strongest way in which the principals name p.
func (ps Principals) grant(p Principal) Grant {
	best := GrantNone
	if ps.Everyone {
		best = GrantEveryone
	}
	if p.Federated != "" {
		if slices.Contains(ps.Federated, p.Federated) {
			best = GrantExact
		}
		return best
	}
	for _, name := range ps.AWS {
		best = max(best, p.named(name))
	}
	return best
}

func (p Principal) named(name string) Grant {
	switch {
	case name == "*":
		return GrantEveryone
	case p.ARN == "":
		return GrantNone
	case name == p.ARN:
		return GrantExact
	case p.RoleARN != "" && name == p.RoleARN:
		return GrantRole
	case name == p.AccountID, name == accountARN(p.ARN):
		return GrantAccount
	}
	return GrantNone
}

// excludes is NotPrincipal's reading: AWS wants the account, the role and the session all listed before it leaves a
// session out, and the account with a user.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
func (ps Principals) excludes(p Principal) bool {
	if ps.Everyone || slices.Contains(ps.AWS, "*") {
		return true
	}
	if p.Federated != "" {
		return slices.Contains(ps.Federated, p.Federated)
	}
	account := slices.Contains(ps.AWS, p.AccountID) || slices.Contains(ps.AWS, accountARN(p.ARN))
	role := p.RoleARN == "" || slices.Contains(ps.AWS, p.RoleARN)
	return p.ARN != "" && account && role && slices.Contains(ps.AWS, p.ARN)
}

// accountARN is the ARN that stands for the account of a user, role or session.
func accountARN(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 {
		return ""
	}
	return "arn:" + parts[1] + ":iam::" + parts[4] + ":root"
}
