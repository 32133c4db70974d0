package entra

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// application is what is compared of an application registration.
type application struct {
	objectID, appID, uniqueName string
	name, description, audience string // audience is signInAudience: whose accounts it is for
	tags                        []string
	identifiers                 []string // identifier URIs, of an API
	tokenVersion                int32    // requestedAccessTokenVersion, of an API; 0: null
	passwords                   []password
	certificates                []certificate
}

type password struct {
	keyID, name string
	end         time.Time // zero: none
}

// certificate is a key credential.
type certificate struct {
	thumbprint string // SHA-256 of the certificate, in hex; of a key that is not ours and not shown: its key id
	der        []byte // where it was shown
	end        time.Time
}

// principal is the application in the tenant.
type principal struct {
	id, appID          string
	enabled            bool
	assignmentRequired bool
	role               string // id of an app role for applications, of an API
}

// assignment is an app role that a principal has at an API.
type assignment struct{ id, principalID, resourceID, roleID string }

// found is what Client.Found holds. It is never changed once it is there: a later one takes its place.
type found struct {
	app         application
	principal   *principal   // nil: there is none
	assignments []assignment // at any API; nil where nobody needs to know
	api         *protected   // nil: there is none of the audience
}

// Tags tell our applications from others and hold what Entra has no property for.
const (
	tagMarker      = "oidcs3"
	tagOnboarding  = "oidcs3:onboarding-id:"
	tagServer      = "oidcs3:server:"
	tagEnvironment = "oidcs3:environment:"
	tagPassword    = "oidcs3:password:"        // key id of the password whose secret reached us
	tagFormer      = "oidcs3:former-password:" // key id of the one before
)

const (
	passwordName    = "oidcs3"
	certificateName = "oidcs3 " // and the thumbprint
	singleTenant    = "AzureADMyOrg"
	defaultRole     = "00000000-0000-0000-0000-000000000000" // of an API without app roles
	pageSize        = 999                                    // the most that Graph gives
	maxDescription  = 1024
)

// uniqueName is the alternate key of an onboarding's application.
func uniqueName(onboardingID string) string { return "oidcs3-" + onboardingID }

// tagged returns what follows the prefix in the one tag that begins with it.
func tagged(tags []string, prefix string) string {
	for _, tag := range tags {
		if value, ok := strings.CutPrefix(tag, prefix); ok {
			return value
		}
	}
	return ""
}

// retag returns the tags with those of the prefix replaced by one of the value, or by none.
func retag(tags []string, prefix, value string) []string {
	kept := slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return strings.HasPrefix(tag, prefix) })
	if value != "" {
		kept = append(kept, prefix+value)
	}
	return kept
}

// wantedTags are the tags that an application shall have, besides those of its passwords.
func wantedTags(have []string, spec idp.Spec) []string {
	tags := slices.Clone(have)
	if !slices.Contains(tags, tagMarker) {
		tags = append(tags, tagMarker)
	}
	for prefix, value := range map[string]string{tagOnboarding: spec.OnboardingID, tagServer: spec.Server, tagEnvironment: spec.Environment} {
		if value != "" && tagged(tags, prefix) != value {
			tags = retag(tags, prefix, value)
		}
	}
	slices.Sort(tags)
	return tags
}

func description(spec idp.Spec) string {
	runes := []rune(spec.Description)
	return string(runes[:min(len(runes), maxDescription)])
}

// client makes the idp.Client of what was read.
func client(f *found) idp.Client {
	c := idp.Client{
		ID: f.app.appID, ObjectID: f.app.objectID, Name: f.app.name, OnboardingID: tagged(f.app.tags, tagOnboarding),
		Method: idp.ClientSecret, Found: f,
	}
	if len(f.app.certificates) > 0 && tagged(f.app.tags, tagPassword) == "" {
		c.Method = idp.PrivateKeyJWT
	}
	if f.principal != nil {
		c.PrincipalID, c.Subject = f.principal.id, f.principal.id
		if a, ok := assignedTo(f); ok {
			c.GrantID = a.id
		}
	}
	return c
}

// renew takes over a change of what was found, and keeps the secret.
func renew(c *idp.Client, change func(*found)) {
	f := *state(*c)
	change(&f)
	secret := c.Secret
	*c = client(&f)
	c.Secret = secret
}

// state is what was read of a client; of one that does not exist, nothing.
func state(c idp.Client) *found {
	if f, ok := c.Found.(*found); ok && f != nil && c.Exists() {
		return f
	}
	return &found{}
}

// assignedTo finds the assignment at the API.
func assignedTo(f *found) (assignment, bool) {
	if f.api == nil || f.principal == nil {
		return assignment{}, false
	}
	at := slices.IndexFunc(f.assignments, func(a assignment) bool {
		return a.resourceID == f.api.principal.id && a.principalID == f.principal.id
	})
	if at < 0 {
		return assignment{}, false
	}
	return f.assignments[at], true
}

func applicationOf(m models.Applicationable) *application {
	if m == nil {
		return &application{}
	}
	a := &application{
		objectID: text(m.GetId()), appID: text(m.GetAppId()), uniqueName: text(m.GetUniqueName()), name: text(m.GetDisplayName()),
		description: text(m.GetDescription()), audience: text(m.GetSignInAudience()), tags: m.GetTags(), identifiers: m.GetIdentifierUris(),
	}
	if api := m.GetApi(); api != nil && api.GetRequestedAccessTokenVersion() != nil {
		a.tokenVersion = *api.GetRequestedAccessTokenVersion()
	}
	for _, one := range m.GetPasswordCredentials() {
		a.passwords = append(a.passwords, passwordOf(one))
	}
	for _, one := range m.GetKeyCredentials() {
		a.certificates = append(a.certificates, certificateOf(one))
	}
	return a
}

func passwordOf(m models.PasswordCredentialable) password {
	if m == nil {
		return password{}
	}
	return password{keyID: id(m.GetKeyId()), name: text(m.GetDisplayName()), end: moment(m.GetEndDateTime())}
}

func certificateOf(m models.KeyCredentialable) certificate {
	c := certificate{der: m.GetKey(), end: moment(m.GetEndDateTime())}
	named, ours := strings.CutPrefix(text(m.GetDisplayName()), certificateName)
	switch {
	case len(c.der) > 0:
		c.thumbprint = thumbprint(c.der)
	case ours:
		c.thumbprint = named
	default:
		c.thumbprint = id(m.GetKeyId())
	}
	return c
}

func thumbprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func principalOf(m models.ServicePrincipalable) *principal {
	if m == nil {
		return &principal{}
	}
	p := &principal{id: text(m.GetId()), appID: text(m.GetAppId()), enabled: true, role: defaultRole}
	if enabled := m.GetAccountEnabled(); enabled != nil {
		p.enabled = *enabled
	}
	if required := m.GetAppRoleAssignmentRequired(); required != nil {
		p.assignmentRequired = *required
	}
	// Any app role for applications will do, since AWS looks at none: the first by value, so that it is always the same.
	first := ""
	for _, role := range m.GetAppRoles() {
		enabled := role.GetIsEnabled()
		value := text(role.GetValue())
		if enabled == nil || !*enabled || !slices.Contains(role.GetAllowedMemberTypes(), "Application") {
			continue
		}
		if p.role == defaultRole || value < first {
			p.role, first = id(role.GetId()), value
		}
	}
	return p
}

func assignmentOf(m models.AppRoleAssignmentable) assignment {
	if m == nil {
		return assignment{}
	}
	return assignment{id: text(m.GetId()), principalID: id(m.GetPrincipalId()), resourceID: id(m.GetResourceId()), roleID: id(m.GetAppRoleId())}
}

func id(u *uuid.UUID) string {
	if u == nil {
		return ""
	}
	return u.String()
}

func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
