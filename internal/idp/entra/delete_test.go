package entra

import (
	"strings"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// TestDeleteIsNotFooled has a server that lags behind answer the first deletion: it knows nothing of the application yet.
func TestDeleteIsNotFooled(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	maker := start(t, d)
	var c idp.Client
	apply(t.Context(), t, maker, &c, lockedSpec())
	deletions := 0
	d.mu.Lock()
	d.fault = func(operation string) string {
		if strings.HasPrefix(operation, "DELETE /applications") {
			if deletions++; deletions == 1 {
				return "404"
			}
		}
		return ""
	}
	d.refusal = "Request_ResourceNotFound"
	d.mu.Unlock()
	other := start(t, d) // which has not made it, and so does not wait for it
	if err := other.Delete(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if len(d.applications) != 3 {
		t.Error("the application is left")
	}
}
