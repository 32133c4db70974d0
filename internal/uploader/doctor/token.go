package doctor

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/explain"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
)

// longestToken is how many characters of a token STS takes.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
const longestToken = 20_000

// token asks the identity provider, and reads what the token says of itself.
func (d *Doctor) token(ctx context.Context) {
	t, err := d.clouds.Tokens.Token(ctx)
	if err != nil {
		d.because(ctx, StepToken, err)
		if d.failed[StepToken] {
			d.skip(StepClaims, StepToken)
		}
		return
	}
	d.ok(StepToken, fmt.Sprintf("from %s, used until %s", hostOf(d.clouds.IDP.URL), stamp(t.Expires)))
	c, err := token.Peek(t)
	switch {
	case err != nil && d.vending():
		d.note(StepClaims, explain.Explanation{Code: explain.Credentials, Message: "the token is opaque, and the vending API checks a JWT", Hint: audienceHint(d.config)})
		return
	case err != nil:
		d.note(StepClaims, explain.Explanation{Code: explain.Credentials, Message: "the token is opaque, and STS wants a JWT", Hint: audienceHint(d.config)})
		return
	}
	d.times(c)
	if d.vending() {
		d.forVending(c)
		return
	}
	d.forSTS(c, len(t.Value.Reveal()))
}

func (d *Doctor) vending() bool { return d.config.CredentialVendingURL != "" }

func audienceHint(c config.Config) string {
	switch c.IdentityProvider {
	case config.Auth0:
		return "auth0_audience must be the identifier of an API; without one Auth0 gives opaque tokens"
	case config.Entra:
		return "entra_audience must be the identifier URI of the API; tokens for Microsoft's own APIs cannot be read by others"
	}
	return "check the scopes"
}

// times holds the token's times against the servers' clocks: what is wrong with ours, the clock step has said.
func (d *Doctor) times(c token.Claims) {
	now := d.Now().Add(d.offset)
	wrong := func(message string) {
		d.note(StepClaims, explain.Explanation{Code: explain.Credentials, Message: message, Hint: "the identity provider's clock and that of AWS differ, or somebody keeps old tokens"})
	}
	switch {
	case c.ExpiresAt.IsZero():
		wrong("exp is missing: STS takes no token without an end")
	case now.After(c.ExpiresAt):
		wrong("exp " + stamp(c.ExpiresAt) + " is over")
	case c.NotBefore.After(now.Add(clockWarn)):
		wrong("nbf " + stamp(c.NotBefore) + " is yet to come")
	case c.IssuedAt.After(now.Add(clockWarn)):
		wrong("iat " + stamp(c.IssuedAt) + " is yet to come")
	default:
		text := "exp " + stamp(c.ExpiresAt)
		if !c.IssuedAt.IsZero() {
			text += ", iat " + stamp(c.IssuedAt)
		}
		if !c.NotBefore.IsZero() {
			text += ", nbf " + stamp(c.NotBefore)
		}
		d.ok(StepClaims, text+": valid now")
	}
}

// forSTS explains the claims by what AssumeRoleWithWebIdentity compares them with. Whether they match only STS can say.
func (d *Doctor) forSTS(c token.Claims, size int) {
	d.issuer(c)
	d.audience(c)
	if c.Subject == "" {
		d.note(StepClaims, explain.Explanation{Code: explain.Credentials, Message: "sub is missing: STS takes no token without a subject", Hint: audienceHint(d.config)})
	} else {
		d.ok(StepClaims, fmt.Sprintf("sub %s: the trust policy must have %s:sub = %s", c.Subject, keyPrefix(c.Issuer), c.Subject))
	}
	if size > longestToken {
		d.note(StepClaims, explain.Explanation{Code: explain.Credentials, Message: fmt.Sprintf("the token has %d characters, and STS takes %d at most", size, longestToken),
			Hint: "give the client fewer permissions, roles or groups that end up in its token"})
	}
	if strings.EqualFold(c.Type, "at+jwt") {
		d.ok(StepClaims, "header typ at+jwt (RFC 9068): whether STS takes it is not documented; the credentials step shows it")
	}
}

// issuer checks what the URL of an IAM OIDC provider can be.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
func (d *Doctor) issuer(c token.Claims) {
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		d.note(StepClaims, explain.Explanation{Code: explain.Credentials,
			Message: fmt.Sprintf("iss %q is not an https URL without query: no IAM OIDC provider can stand for it", c.Issuer),
			Hint:    "use credential vending, or another identity provider"})
		return
	}
	d.ok(StepClaims, fmt.Sprintf("iss %s: the account needs an IAM OIDC provider with exactly this URL; the trust policy's keys begin with %s:", c.Issuer, keyPrefix(c.Issuer)))
}

// keyPrefix is what the condition keys of an issuer begin with.
func keyPrefix(issuer string) string { return strings.TrimPrefix(issuer, "https://") }

// audience explains the azp rule: STS takes azp, where there is one, for the audience.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
func (d *Doctor) audience(c token.Claims) {
	key, aud := keyPrefix(c.Issuer), strings.Join(c.Audience, ", ")
	switch {
	case c.AZP != "":
		d.ok(StepClaims, fmt.Sprintf("azp %s is present, so STS compares azp, not aud, with the OIDC provider's client-ID list, and the trust policy's %s:aud sees azp: "+
			"the list must have %s, and the policy %s:aud = %s and, for aud, %s:oaud = %s", c.AZP, key, c.AZP, key, c.AZP, key, aud))
	case len(c.Audience) == 0:
		d.note(StepClaims, explain.Explanation{Code: explain.Credentials, Message: "neither aud nor azp is there: STS has no audience to check", Hint: "use credential vending"})
		return
	case len(c.Audience) > 1:
		d.note(StepClaims, explain.Explanation{Code: explain.Credentials, Message: "aud has several values (" + aud + ") and there is no azp: STS refuses such a token",
			Hint: "make the identity provider issue tokens for one API"})
		return
	default:
		d.ok(StepClaims, fmt.Sprintf("aud %s, without azp: the OIDC provider's client-ID list must have it, and the trust policy %s:aud = %s", aud, key, aud))
	}
	if d.config.IdentityProvider == config.Entra && len(c.Audience) == 1 && guid.MatchString(c.Audience[0]) {
		return // tokens of version 2 name the API by its client id
	}
	if want := d.wantedAudience(); want != "" && !slices.Contains(c.Audience, want) {
		d.warn(StepClaims, fmt.Sprintf("aud %s is not the configured audience %s", aud, want),
			"the trust policy must be about the aud that the token has; terraform plan shows what it is about")
	}
}

// guid is the form of Entra's ids.
var guid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func (d *Doctor) wantedAudience() string {
	switch d.config.IdentityProvider {
	case config.Auth0:
		return d.config.Auth0Audience
	case config.Entra:
		return strings.TrimSuffix(d.config.EntraAudience, "/.default")
	}
	return ""
}

// forVending explains the claims by what the vending API checks, which is where STS is not asked with this token.
func (d *Doctor) forVending(c token.Claims) {
	client := c.ClientID
	if client == "" {
		client = c.AZP
	}
	switch {
	case c.Issuer == "":
		d.note(StepClaims, explain.Explanation{Code: explain.Credentials, Message: "iss is missing: the vending API cannot tell whose token it is", Hint: audienceHint(d.config)})
		return
	case client == "":
		client = c.Subject
	}
	d.ok(StepClaims, fmt.Sprintf("iss %s: the vending API must trust it; client %s must have a row in its mapping table", c.Issuer, client))
	if d.config.IdentityProvider != config.Cognito {
		d.ok(StepClaims, fmt.Sprintf("aud %s: the vending API must accept it", strings.Join(c.Audience, ", ")))
		return
	}
	if c.TokenUse != "access" {
		d.note(StepClaims, explain.Explanation{Code: explain.Credentials, Message: fmt.Sprintf("token_use is %q: the vending API takes access tokens alone", c.TokenUse), Hint: "check cognito_domain"})
	}
	if missing := without(strings.Fields(d.config.CognitoScopes), strings.Fields(c.Scope)); len(missing) > 0 {
		d.warn(StepClaims, "scope lacks "+strings.Join(missing, " ")+", which was asked for", "grant the scopes to the app client, or ask for fewer in cognito_scopes")
		return
	}
	d.ok(StepClaims, "scope "+c.Scope+": as asked for")
}

func without(all, some []string) (rest []string) {
	for _, a := range all {
		if !slices.Contains(some, a) {
			rest = append(rest, a)
		}
	}
	return rest
}

// credentials trades the token in, which is where claims and trust policy meet.
func (d *Doctor) credentials(ctx context.Context) {
	c, err := d.clouds.Credentials.Retrieve(ctx)
	if err != nil {
		d.because(ctx, StepCredentials, err)
		return
	}
	what := "role " + d.config.AWSRoleARN + " assumed"
	if d.vending() {
		what = "given by " + hostOf(d.config.CredentialVendingURL)
	}
	left := c.Expires.Sub(d.Now().Add(d.offset))
	if c.CanExpire && left < 10*time.Minute {
		d.warn(StepCredentials, fmt.Sprintf("%s, good for %v only", what, left.Round(time.Second)), "raise max_session_duration; uploads renew them all the time")
		return
	}
	d.ok(StepCredentials, fmt.Sprintf("%s, good until %s", what, stamp(c.Expires)))
}

func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return rawURL
	}
	return u.Host
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
