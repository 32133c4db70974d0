package onboarding

import (
	"context"
	"fmt"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// insist asks again, after a while, for what is remembered and was not found. A cloud may answer from a replica that lags
// behind, and what is called gone is lost to the state, with its secret.
func insist[T any](ctx context.Context, c *Controller, read func() (T, error)) (found T, err error) {
	for _, pause := range []time.Duration{firstPause / 2, firstPause} {
		if err := c.clock.Sleep(ctx, pause); err != nil {
			return found, err
		}
		if found, err = read(); !apierror.Is(err, apierror.NotFound) {
			return found, err
		}
	}
	return found, err
}

// insistOnClient looks again for a client that is remembered by its id; the zero Client where it is gone.
func (c *Controller) insistOnClient(ctx context.Context, d Desired, id string) (idp.Client, error) {
	client, err := insist(ctx, c, func() (idp.Client, error) {
		return c.clients.Find(ctx, idp.Lookup{ID: id, Audience: d.Identity.Audience, Fresh: true})
	})
	if apierror.Is(err, apierror.NotFound) {
		return idp.Client{}, nil
	}
	if err != nil {
		return idp.Client{}, fmt.Errorf("read client %s: %w", id, err)
	}
	return client, nil
}
