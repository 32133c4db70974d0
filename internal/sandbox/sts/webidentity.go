package sts

import (
	"net/http"
	"net/url"
	"slices"
	"unicode/utf8"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/iam"
)

const (
	sourceIdentityClaim = "https://aws.amazon.com/source_identity"
	tagsClaim           = "https://aws.amazon.com/tags"
)

type xmlWebIdentity struct {
	SubjectFromWebIdentityToken string
	Audience                    string
	Provider                    string // for OIDC providers of an account, STS answers their ARN
	xmlAssumed
}

// identity is what a checked token says.
type identity struct {
	provider     iam.OIDCProvider
	subject, aud string
	oaud, amr    []string
	source       string // source identity
}

func (s *Service) assumeRoleWithWebIdentity(r *http.Request, form url.Values) (any, error) {
	q, err := s.parse(r.Context(), form)
	if err != nil {
		return nil, err
	}
	if form.Get("ProviderId") != "" {
		return nil, validation("ProviderId must not be set for an OpenID Connect token.")
	}
	text := form.Get("WebIdentityToken")
	switch n := utf8.RuneCountInString(text); {
	case n < 4:
		return nil, constraint("", "webIdentityToken", "Member must have length greater than or equal to 4")
	case n > maxToken:
		return nil, constraint("", "webIdentityToken", "Member must have length less than or equal to 20000")
	}
	who, err := s.identify(r, text)
	if err != nil {
		return nil, err
	}
	edge.SetCaller(r.Context(), who.provider.URL+":"+who.subject)
	q.sourceIdentity = who.source // the request has no such parameter
	role, ok := s.cfg.Engine.Role(r.Context(), q.roleName)
	if !ok || role.ARN != q.roleARN || !s.trusts(r, q, role, who) {
		return nil, &authz.Error{Code: "AccessDenied", Message: "Not authorized to perform sts:AssumeRoleWithWebIdentity", Status: http.StatusForbidden}
	}
	context := who.keys()
	context["aws:FederatedProvider"] = []string{who.provider.ARN}
	assumed, err := s.grant(q, role, context)
	if err != nil {
		return nil, err
	}
	return xmlWebIdentity{SubjectFromWebIdentityToken: who.subject, Audience: who.aud, Provider: who.provider.ARN, xmlAssumed: assumed}, nil
}

// identify checks a token as STS does: its issuer is a provider of the account, one of its keys signed it, it is in its
// time, and its audience is on the provider's list.
func (s *Service) identify(r *http.Request, text string) (identity, error) {
	t, err := parseToken(text)
	if err != nil {
		return identity{}, err
	}
	if s.refuseATToken.Load() && t.isAccessToken() {
		return identity{}, notJWT()
	}
	issuer := t.text("iss")
	provider, ok := s.cfg.Directory.OIDCProviderOf(r.Context(), issuer)
	if !ok {
		return identity{}, invalidToken("No OpenIDConnect provider found in your account for %s", issuer)
	}
	key, err := s.keys.key(r.Context(), issuer, t.kid)
	if err != nil {
		return identity{}, err
	}
	if err := t.verify(key); err != nil {
		return identity{}, err
	}
	if err := t.checkTimes(s.cfg.Now()); err != nil {
		return identity{}, err
	}
	who := identity{provider: provider, subject: t.text("sub"), source: t.text(sourceIdentityClaim)}
	if who.subject == "" || len(who.subject) > 255 {
		return identity{}, invalidToken("Missing a required claim: sub")
	}
	if who.aud, who.oaud, err = t.audience(); err != nil {
		return identity{}, err
	}
	if !slices.Contains(provider.ClientIDs, who.aud) {
		return identity{}, invalidToken("Incorrect token audience")
	}
	if who.source != "" && !sessionNameForm.MatchString(who.source) {
		return identity{}, invalidToken("The source identity of the token is malformed.")
	}
	if _, tagged := t.claims[tagsClaim]; tagged {
		return identity{}, invalidToken("Session tags in tokens are not supported here.")
	}
	if who.amr, ok = t.texts("amr"); !ok {
		return identity{}, invalidToken("The claim amr is malformed.")
	}
	return who, nil
}

// keys are the condition keys of the token.
func (who identity) keys() map[string][]string {
	prefix := who.provider.URL
	return map[string][]string{
		prefix + ":aud":  {who.aud},
		prefix + ":sub":  {who.subject},
		prefix + ":oaud": who.oaud,
		prefix + ":amr":  who.amr,
	}
}

func (s *Service) trusts(r *http.Request, q request, role authz.Identity, who identity) bool {
	keys := q.keys(role)
	for key, values := range who.keys() {
		keys[key] = values
	}
	actions := []string{"sts:AssumeRoleWithWebIdentity"}
	if q.sourceIdentity != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	for _, action := range actions {
		if !s.cfg.Engine.TrustsWebIdentity(r, action, role, who.provider.ARN, keys).Allowed {
			return false
		}
	}
	return true
}
