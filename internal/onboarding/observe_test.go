package onboarding

import (
	"testing"
	"testing/synctest"
)

// TestOneMissIsNotGone has reads answered by replicas that lag behind. What is called gone is lost to the state, with its
// secret, so a first miss is not believed.
func TestOneMissIsNotGone(t *testing.T) {
	t.Parallel()
	for misses := 1; misses <= 2; misses++ {
		synctest.Test(t, func(t *testing.T) {
			w, want := newWorld(), serverNamed("web-01")
			made, err := w.controller().Create(t.Context(), want)
			if err != nil {
				t.Fatal(err)
			}
			ref := Reference{ClientID: made.Client.ID, OnboardingID: made.OnboardingID, RoleARN: made.RoleARN}
			w.blind = misses
			o, err := w.controller().Observe(t.Context(), want, ref)
			if err != nil || o.Role == nil || o.Client.ID != made.Client.ID {
				t.Errorf("after %d misses: role %t, client %q, %v", misses, o.Role != nil, o.Client.ID, err)
			}
			w.blind = misses
			if _, err := w.controller().Update(t.Context(), want, ref, made.Client.Secret); err != nil {
				t.Errorf("update after %d misses: %v", misses, err)
			}
			if err := w.finished(want); err != nil || len(w.clients) != 1 {
				t.Errorf("after %d misses: %d clients, %v", misses, len(w.clients), err)
			}
		})
	}
}
