package entra

import (
	"net/url"
	"regexp"
	"strings"
)

// path is a request's path below /v1.0.
type path struct {
	name    string // "/applications(appId)/addPassword": for people
	pattern string // "/applications/*/addPassword": for routes
	keys    []key  // what the "*" stand for
}

// key names an object: by its id, or by an alternate key.
type key struct{ kind, value string }

// words are the segments that are no ids.
var words = map[string]bool{
	"applications": true, "servicePrincipals": true, "directory": true, "deletedItems": true, "organization": true,
	"addPassword": true, "removePassword": true, "owners": true, "appRoleAssignments": true, "appRoleAssignedTo": true,
	"restore": true, "microsoft.graph.application": true, "microsoft.graph.servicePrincipal": true, "$batch": true,
}

var alternate = regexp.MustCompile(`^([A-Za-z]+)\(([A-Za-z]+)='((?:[^']|'')*)'\)$`)

// parsePath takes a path apart. Alternate keys are those of Graph: applications(appId='…').
func parsePath(u *url.URL) (path, error) {
	rest, ok := strings.CutPrefix(u.EscapedPath(), "/v1.0/")
	if !ok {
		return path{}, &graphError{status: 400, code: "BadRequest", message: "Invalid version: the sandbox speaks Microsoft Graph v1.0 only."}
	}
	var p path
	for segment := range strings.SplitSeq(strings.TrimSuffix(rest, "/"), "/") {
		segment, err := url.PathUnescape(segment)
		if err != nil || segment == "" {
			return path{}, invalid("The request URI is not valid.")
		}
		if at := alternate.FindStringSubmatch(segment); at != nil && words[at[1]] {
			p.name += "/" + at[1] + "(" + at[2] + ")"
			p.pattern += "/" + at[1] + "/*"
			p.keys = append(p.keys, key{at[2], strings.ReplaceAll(at[3], "''", "'")})
			continue
		}
		if words[segment] {
			p.name += "/" + segment
			p.pattern += "/" + segment
			continue
		}
		if p.name == "" {
			return path{}, invalid("Resource not found for the segment '%s'.", segment)
		}
		p.name += "/{id}"
		p.pattern += "/*"
		p.keys = append(p.keys, key{"id", segment})
	}
	return p, nil
}
