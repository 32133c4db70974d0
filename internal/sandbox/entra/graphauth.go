package entra

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// graphAppID is Microsoft Graph's, the same in every tenant.
const graphAppID = "00000003-0000-0000-c000-000000000000"

// App roles of Microsoft Graph. https://learn.microsoft.com/graph/permissions-reference
const (
	applicationRead      = "Application.Read.All"
	applicationReadWrite = "Application.ReadWrite.All"
	applicationOwnedBy   = "Application.ReadWrite.OwnedBy"
	assignmentReadWrite  = "AppRoleAssignment.ReadWrite.All"
	directoryRead        = "Directory.Read.All"
	directoryReadWrite   = "Directory.ReadWrite.All"
	organizationRead     = "Organization.Read.All"
)

var graphRoleIDs = map[string]string{
	applicationRead:      "9a5d68dd-52b0-4cc2-bd40-abcf6ac3a30c",
	applicationReadWrite: "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9",
	applicationOwnedBy:   "18a4783c-866b-4cc7-a460-3d5e5662c884",
	assignmentReadWrite:  "06b708a9-e830-4db3-a914-8e69da51d44f",
	directoryRead:        "7ab1d382-f21e-4acd-a863-ba3e13f7da61",
	directoryReadWrite:   "19dbc75e-c2e2-444c-a770-ec69d8559fc7",
	organizationRead:     "498476ce-e0fe-48b0-b801-37ba7e2685c6",
}

// graphURIs are the names under which tokens for Graph may be asked for: that of the public cloud, and this one's.
func (t *Tenant) graphURIs() []string {
	return []string{"https://" + t.cfg.GraphHost, "https://" + t.cfg.GraphHost + "/", "https://graph.microsoft.com", "https://graph.microsoft.com/"}
}

// caller is who calls Graph.
type caller struct {
	appID       string
	principalID string
	roles       []string
}

func (c caller) has(wanted ...string) bool {
	return slices.ContainsFunc(wanted, func(role string) bool { return slices.Contains(c.roles, role) })
}

// mayChange reports whether the caller may change an object of these owners.
func (c caller) mayChange(owners []string) bool {
	return c.has(applicationReadWrite) || c.has(applicationOwnedBy) && slices.Contains(owners, c.principalID)
}

// authenticate checks the request's token.
func (g *Graph) authenticate(r *http.Request) (caller, error) {
	kind, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") || text == "" {
		return caller{}, badToken("Access token is empty.")
	}
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(token.Headers) != 1 {
		return caller{}, badToken("CompactToken parsing failed with error code: 80049217")
	}
	key, ok := g.tenant.keys.find(token.Headers[0].KeyID)
	if !ok {
		return caller{}, badToken("Access token validation failure. The signing key is not known.")
	}
	var standard jwt.Claims
	var own struct {
		AppID  string   `json:"appid"`
		OID    string   `json:"oid"`
		Tenant string   `json:"tid"`
		Roles  []string `json:"roles"`
	}
	if token.Claims(key, &standard, &own) != nil {
		return caller{}, badToken("Access token validation failure. Signature is invalid.")
	}
	now := g.tenant.now()
	switch {
	case standard.Issuer != g.tenant.Issuer(1) || own.Tenant != g.tenant.ID():
		return caller{}, badToken("Access token validation failure. Invalid issuer.")
	case !slices.ContainsFunc(g.tenant.graphURIs(), standard.Audience.Contains) && !standard.Audience.Contains(graphAppID):
		return caller{}, badToken("Access token validation failure. Invalid audience.")
	case standard.Expiry == nil || now.After(standard.Expiry.Time()):
		return caller{}, badToken("Lifetime validation failed, the token is expired.")
	case standard.NotBefore != nil && now.Before(standard.NotBefore.Time()):
		return caller{}, badToken("Lifetime validation failed, the token is not valid yet.")
	case own.OID == "":
		return caller{}, badToken("Access token validation failure. The token names no object.")
	}
	return caller{appID: own.AppID, principalID: own.OID, roles: own.Roles}, nil
}

func badToken(message string) *graphError {
	return &graphError{http.StatusUnauthorized, "InvalidAuthenticationToken", message}
}
