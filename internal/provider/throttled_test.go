package provider_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

// TestAccThrottled has every cloud refuse for their rate most of what a run of five servers asks for. The run takes longer,
// and ends as if nothing had been: all five stand as planned, and what was made twice would be left by their destruction.
func TestAccThrottled(t *testing.T) {
	t.Parallel()
	for _, idp := range idps {
		t.Run(idp, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			dir := w.dir(callsConfiguration)
			levels := map[string]string{}
			for i := range 5 {
				levels[fmt.Sprintf("storm-%02d", i)] = "write"
			}
			servers, err := json.Marshal(levels)
			if err != nil {
				t.Fatal(err)
			}
			run := func(verb string) {
				for _, service := range []string{"auth0", "graph", "cognito", "iam", "dynamodb"} {
					w.clouds.Edge().Limits().Set(service, edge.Settings{Rate: 30, Burst: 5}) // which the headers tell, where there are any
					if err := w.clouds.Edge().Faults().Add(edge.Fault{Service: service, Kind: edge.TooManyRequests, Times: 5}); err != nil {
						t.Fatal(err)
					}
				}
				w.clouds.Edge().Calls().Clear()
				w.terraform(dir, verb, "-auto-approve", "-input=false", "-no-color", "-var="+idp+"="+identityOf(w.clouds, idp), "-var=servers="+string(servers))
				refused, all := 0, w.clouds.Edge().Calls().Calls()
				for _, c := range all {
					if c.Status == 429 || c.Status == 400 {
						refused++
					}
				}
				t.Logf("%s: %d calls, %d of them refused", verb, len(all), refused)
				if refused < 10 { // five at each of two services at least
					t.Errorf("%s: %d calls were refused: that is no storm", verb, refused)
				}
				w.clouds.Edge().Faults().Clear()
			}
			run("apply")
			w.terraform(dir, "plan", "-detailed-exitcode", "-input=false", "-no-color", "-var="+idp+"="+identityOf(w.clouds, idp), "-var=servers="+string(servers))
			run("destroy")
			for name := range levels {
				if left := w.left(name); len(left) > 0 {
					t.Errorf("of %s is left: %v", name, left)
				}
			}
		})
	}
}
