package provider_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

// TestAccMaxRequestsPerSecond looks when the identity provider got its requests.
func TestAccMaxRequestsPerSecond(t *testing.T) {
	t.Parallel()
	for idp, service := range map[string]string{"auth0": "auth0", "entra": "graph"} {
		t.Run(idp, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			s := server{name: "slowly", idp: idp, provider: fmt.Sprintf("environment = \"dev\"\n%s = { max_requests_per_second = 1 }", idp)}
			configuration := oidcs3Block + s.hcl()
			for name, value := range clouds.Env() { // the configuration names another sandbox's foundation
				if strings.HasPrefix(name, "OIDCS3_SANDBOX_") {
					configuration = strings.ReplaceAll(configuration, fmt.Sprintf("%q", value), fmt.Sprintf("%q", w.clouds.Env()[name]))
				}
			}
			dir := w.dir(configuration)
			w.terraform(dir, "apply", "-auto-approve")
			calls := slices.DeleteFunc(w.clouds.Edge().Calls().Calls(), func(c edge.Call) bool { return c.Service != service })
			if len(calls) < 7 {
				t.Fatalf("%d calls of %s", len(calls), service)
			}
			// Plan and apply are two processes, each with a rate of its own. Without a rate all takes half a second.
			const least = 2 * time.Second
			if took := calls[len(calls)-1].Time.Sub(calls[0].Time); took < least {
				t.Errorf("%d calls within %v, not %v", len(calls), took, least)
			}
		})
	}
}
