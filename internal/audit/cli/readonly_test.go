package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPublishedPolicies: the published policies allow what the report reads, and nothing else.
func TestPublishedPolicies(t *testing.T) {
	t.Parallel()
	var allowed []string
	for _, name := range []string{"access-report.json", "access-report-vending.json"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", "policies", name))
		if err != nil {
			t.Fatal(err)
		}
		var policy struct {
			Statement []struct{ Action []string }
		}
		if err := json.Unmarshal(text, &policy); err != nil {
			t.Fatal(err)
		}
		for _, s := range policy.Statement {
			for _, action := range s.Action {
				_, operation, _ := strings.Cut(action, ":")
				allowed = append(allowed, operation)
			}
		}
	}
	slices.Sort(allowed)
	if want := slices.Sorted(slices.Values(reads)); !slices.Equal(allowed, want) {
		t.Errorf("the policies allow\n%v\nand the report reads\n%v", allowed, want)
	}
}
