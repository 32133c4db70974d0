package provider_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
)

// two is a configuration of two servers with prefixes of their own.
func two(first, second server) string {
	one := first.hcl()
	_, other, _ := strings.Cut(second.hcl(), "resource ")
	return one + "\nresource " + strings.Replace(other, `"this"`, `"that"`, 1)
}

// TestAccServerAccess_overlap refuses at plan servers of which one could get at the other's objects.
func TestAccServerAccess_overlap(t *testing.T) {
	t.Parallel()
	const allow = "allow_prefix_overlap = true"
	for name, c := range map[string]struct {
		first, second         string // prefixes
		moreFirst, moreSecond string
		refused               bool
	}{
		"apart":           {"o/a/", "o/b/", "", "", false},
		"alike but apart": {"o/server-1/", "o/server-10/", "", "", false},
		"equal":           {"o/c/", "o/c/", "", "", true},
		"nested":          {"o/d/", "o/d/e/", "", "", true},
		"around":          {"o/f/g/", "o/f/", "", "", true},
		"allowed by one":  {"o/h/", "o/h/", allow, "", true},
		"allowed by both": {"o/i/", "o/i/j/", allow, allow, false},
	} {
		t.Run(name, func(t *testing.T) {
			id := strings.NewReplacer(" ", "-", "'", "").Replace(name)
			first := server{name: "one-" + id, prefix: c.first, more: c.moreFirst}
			second := server{name: "two-" + id, prefix: c.second, more: c.moreSecond}
			step := resource.TestStep{Config: two(first, second)}
			if c.refused {
				step.PlanOnly = true
				step.ExpectError = regexp.MustCompile(fmt.Sprintf(`(?s)Prefixes overlap.*(dev/%s.*dev/%s|dev/%s.*dev/%s)`, first.name, second.name, second.name, first.name))
			}
			run(t, []string{first.name, second.name}, step)
		})
	}
}
