package entra

import (
	"net/url"
	"strings"
	"testing"
)

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"", "appId eq 'x'", "tags/any(t:t eq 'it''s') and displayName eq 'a'", "startswith(displayName,'x')", "resourceId eq 00-ff", "a eq '", "a/any(", "and"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		terms, err := parseFilter(text)
		if err != nil && terms != nil {
			t.Error("an error with terms")
		}
		for _, one := range terms {
			if !word(one.property) {
				t.Errorf("property %q", one.property)
			}
			// What was understood is understood again when written out.
			written := one.property + " eq '" + strings.ReplaceAll(one.value, "'", "''") + "'"
			again, err := parseFilter(written)
			if err != nil || len(again) != 1 || again[0].value != one.value {
				t.Errorf("%q becomes %v", written, again)
			}
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/v1.0/applications", "/v1.0/applications(appId='x')/addPassword", "/v1.0/a//b", "/v1.0/%zz", "/beta/x", "/v1.0/applications(uniqueName='a%2Fb')"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		p, err := parsePath(u)
		if err == nil && strings.Count(p.pattern, "*") != len(p.keys) && !strings.Contains(text, "*") {
			t.Errorf("%q: pattern %q with %d keys", text, p.pattern, len(p.keys))
		}
	})
}

func FuzzThumbprints(f *testing.F) {
	f.Add("e30.e30.e30")
	f.Add("eyJ4NXQjUzI1NiI6Ii0tX18ifQ.x.y")
	f.Fuzz(func(t *testing.T, assertion string) {
		for _, one := range thumbprints(assertion) {
			if one != strings.ToLower(one) {
				t.Errorf("thumbprint %q", one)
			}
		}
	})
}
