package authz

import (
	"context"
	"net/http"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/policy"
)

// Authorize implements Guard. Within one account, an allow of either the identity's or the resource's policies is enough,
// an explicit deny anywhere ends it, and permissions boundary and session policies limit what is left.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
func (e *Engine) Authorize(r *http.Request, caller Caller, action, resource string, context map[string][]string, resourcePolicy string) error {
	c := e.newCase(r, caller, action, resource, context)
	var onResource policy.Decision
	if resourcePolicy != "" {
		onResource = c.evaluate(policy.Resource, resourcePolicy)
	}
	return c.decide(onResource, false)
}

// AuthorizeAssume decides whether the caller may do an sts action such as sts:AssumeRole on the role: its trust policy
// has to allow it, and where that names only the account, the caller's own policies too.
func (e *Engine) AuthorizeAssume(r *http.Request, caller Caller, action string, role Identity, context map[string][]string) error {
	c := e.newCase(r, caller, action, role.ARN, context)
	return c.decide(c.evaluate(policy.Trust, role.TrustPolicy), true)
}

// TrustsWebIdentity evaluates the role's trust policy for a web identity that the OIDC provider vouches for, and an sts
// action such as sts:AssumeRoleWithWebIdentity; context holds the keys of its token.
func (e *Engine) TrustsWebIdentity(r *http.Request, action string, role Identity, providerARN string, context map[string][]string) policy.Decision {
	document, err := policy.Parse(role.TrustPolicy, policy.Trust)
	if err != nil {
		return policy.Decision{ExplicitDeny: true, Reasons: []string{err.Error()}}
	}
	return document.Evaluate(policy.Request{
		Action: action, Resource: role.ARN,
		Principal: policy.Principal{Federated: providerARN},
		Context:   merged(context, e.requestKeys(r, action)),
	})
}

// decision is one authorisation under way.
type decision struct {
	caller   Caller
	identity Identity
	session  Session
	request  policy.Request
	unknown  []string
}

func (e *Engine) newCase(r *http.Request, caller Caller, action, resource string, context map[string][]string) *decision {
	c := &decision{caller: caller}
	c.identity, c.session = e.identify(r.Context(), caller)
	c.request = policy.Request{
		Action: action, Resource: resource,
		Principal: policy.Principal{ARN: caller.ARN, RoleARN: c.session.RoleARN, AccountID: caller.AccountID},
		// What a service says never overrides what the guard knows.
		Context: merged(context, e.requestKeys(r, action), e.principalKeys(caller, c.identity, c.session)),
	}
	return c
}

// identify reads the caller's policies. A caller that is gone has none.
func (e *Engine) identify(ctx context.Context, caller Caller) (Identity, Session) {
	if caller.RoleName == "" {
		user, _, _ := e.cfg.Directory.UserByKey(e.current(ctx), caller.AccessKeyID)
		return user, Session{}
	}
	session, ok := e.sessions.get(caller.AccessKeyID)
	if !ok {
		return Identity{}, Session{}
	}
	role, ok := e.Role(ctx, caller.RoleName)
	if !ok || role.ID != session.RoleID {
		return Identity{}, session
	}
	return role, session
}

// evaluate fails closed on a document that does not parse.
func (c *decision) evaluate(kind policy.Kind, documents ...string) policy.Decision {
	var out policy.Decision
	for _, text := range documents {
		document, err := policy.Parse(text, kind)
		if err != nil {
			c.unknown = append(c.unknown, err.Error())
			out.ExplicitDeny = true
			continue
		}
		one := document.Evaluate(c.request)
		out.Allowed = out.Allowed || one.Allowed
		out.ExplicitDeny = out.ExplicitDeny || one.ExplicitDeny
		out.Grant = max(out.Grant, one.Grant)
		c.unknown = append(c.unknown, one.Reasons...)
	}
	return out
}

// decide combines what the resource's policy says with the caller's own policies. required means that the resource's
// policy has to allow, as a trust policy has.
func (c *decision) decide(onResource policy.Decision, required bool) error {
	resourceKind := "a resource-based policy"
	identity := c.evaluate(policy.Identity, c.identity.Policies...)
	if c.caller.Admin {
		identity = policy.Decision{Allowed: true}
	}
	boundary := policy.Decision{Allowed: true}
	if c.identity.HasBoundary {
		boundary = c.evaluate(policy.Identity, c.identity.Boundary)
	}
	session := policy.Decision{Allowed: true}
	if len(c.session.Policies) > 0 {
		session = c.evaluate(policy.Identity, c.session.Policies...)
	}
	for _, d := range []struct {
		decision policy.Decision
		name     string
	}{{onResource, resourceKind}, {identity, "an identity-based policy"}, {boundary, "a permissions boundary"}, {session, "a session policy"}} {
		if d.decision.ExplicitDeny {
			return c.deny("with an explicit deny in " + d.name)
		}
	}
	if c.caller.ARN == "" {
		if onResource.Allowed && onResource.Grant == policy.GrantEveryone {
			return nil
		}
		return &Error{"AccessDenied", "Access Denied", http.StatusForbidden}
	}
	if required && !onResource.Allowed {
		return c.deny("")
	}
	granted := onResource.Allowed && onResource.Grant >= policy.GrantEveryone
	switch {
	case !granted && !identity.Allowed:
		return c.deny("because no identity-based policy allows the " + c.request.Action + " action")
	case granted && onResource.Grant == policy.GrantExact:
		return nil // naming the user or session itself goes past boundary and session policies
	case !boundary.Allowed:
		return c.deny("because no permissions boundary allows the " + c.request.Action + " action")
	case !session.Allowed:
		return c.deny("because no session policy allows the " + c.request.Action + " action")
	}
	return nil
}

func (c *decision) deny(why string) *Error {
	resource := c.request.Resource
	if strings.HasPrefix(c.request.Action, "s3:") {
		resource = `"` + resource + `"`
	}
	message := "User: " + c.caller.ARN + " is not authorized to perform: " + c.request.Action + " on resource: " + resource
	if why != "" {
		message += " " + why
	}
	if len(c.unknown) > 0 { // the sandbox's own addition: AWS would have known
		message += " (sandbox: " + strings.Join(c.unknown, "; ") + ")"
	}
	return &Error{"AccessDenied", message, http.StatusForbidden}
}
