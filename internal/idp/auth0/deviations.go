package auth0

import (
	"fmt"
	"slices"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// setting is one attribute of a client that a server's client must have.
type setting struct {
	key  string // in the Management API
	want any    // string, bool or []string
	have func(application) (value any, known bool)
}

// settings lists the attributes besides metadata and authentication.
func settings(spec idp.Spec) []setting {
	yes := true
	return settingsOf(application{
		Name: spec.Name, Description: description(spec), AppType: appType, GrantTypes: []string{grantType},
		OIDCConformant: &yes, IsFirstParty: &yes,
	})
}

// settingsOf lists the attributes as they are in app.
func settingsOf(app application) []setting {
	all := []setting{
		{key: "name", have: func(a application) (any, bool) { return a.Name, true }},
		{key: "description", have: func(a application) (any, bool) { return a.Description, true }},
		{key: "app_type", have: func(a application) (any, bool) { return a.AppType, true }},
		{key: "grant_types", have: func(a application) (any, bool) { return a.GrantTypes, true }},
		{key: "oidc_conformant", have: func(a application) (any, bool) { return flag(a.OIDCConformant) }},
		{key: "is_first_party", have: func(a application) (any, bool) { return flag(a.IsFirstParty) }},
	}
	var known []setting
	for _, s := range all {
		var ok bool
		if s.want, ok = s.have(app); ok {
			known = append(known, s)
		}
	}
	return known
}

func flag(b *bool) (any, bool) {
	if b == nil {
		return nil, false
	}
	return *b, true
}

func (s setting) deviates(app application) bool {
	have, known := s.have(app)
	if !known {
		return false
	}
	if want, ok := s.want.([]string); ok {
		return !sameSet(have.([]string), want)
	}
	return have != s.want
}

func (s setting) deviation(app application) string {
	have, _ := s.have(app)
	if want, ok := s.want.([]string); ok {
		return fmt.Sprintf("%s are %s instead of %s", s.key, list(have.([]string)), list(want))
	}
	return fmt.Sprintf("%s is %s instead of %s", s.key, quote(have), quote(s.want))
}

// quote makes an empty text visible.
func quote(v any) string {
	if v == "" {
		return "empty"
	}
	return fmt.Sprint(v)
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

func clientDeviations(c idp.Client, spec idp.Spec) []string {
	if !c.Exists() {
		return []string{"client " + spec.Name + " is missing"}
	}
	app := state(c).app
	var deviations []string
	for _, s := range settings(spec) {
		if s.deviates(app) {
			deviations = append(deviations, s.deviation(app))
		}
	}
	missing := missingMetadata(app, spec)
	for _, key := range []string{metaOnboarding, metaServer, metaEnvironment, metaAudience} {
		want, deviates := missing[key]
		have, there := app.ClientMetadata[key]
		switch {
		case deviates && there:
			deviations = append(deviations, fmt.Sprintf("client_metadata %s is %s instead of %s", key, quote(have), want))
		case deviates:
			deviations = append(deviations, fmt.Sprintf("client_metadata %s is missing", key))
		}
	}
	return deviations
}

// missingMetadata is the metadata to be written. An audience that differs says which grant is no longer wanted, and is
// left to the part that removes the grant.
func missingMetadata(app application, spec idp.Spec) map[string]string {
	wanted := metadata(spec)
	for key, value := range wanted {
		have, there := app.ClientMetadata[key]
		if there && (have == value || key == metaAudience) {
			delete(wanted, key)
		}
	}
	return wanted
}

func secretDeviations(c idp.Client, spec idp.Spec) []string {
	if spec.Method != idp.ClientSecret || c.Method != idp.ClientSecret || !c.Exists() || c.Secret != "" || c.GrantID != "" {
		return nil
	}
	return []string{"client secret is not known"}
}

func grantDeviations(c idp.Client, spec idp.Spec) []string {
	if !c.Exists() {
		return []string{"client grant for " + spec.Audience + " is missing"}
	}
	var deviations []string
	f := state(c)
	switch g, ok := grantFor(f.grants, spec.Audience); {
	case !ok:
		deviations = append(deviations, "client grant for "+spec.Audience+" is missing")
	case g.AllowAllScopes:
		deviations = append(deviations, "client grant for "+spec.Audience+" allows all scopes instead of none")
	case len(g.Scope) > 0:
		deviations = append(deviations, fmt.Sprintf("client grant for %s has the scopes %s instead of none", spec.Audience, list(g.Scope)))
	}
	if old := formerAudience(f.app, spec); old != "" {
		deviations = append(deviations, "client grant is still for "+old)
	}
	return deviations
}

// formerAudience is the audience that the client was made for before the spec's, if there was one.
func formerAudience(app application, spec idp.Spec) string {
	if old := app.ClientMetadata[metaAudience]; old != spec.Audience {
		return old
	}
	return ""
}
