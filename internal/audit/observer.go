package audit

import (
	"context"
	"sync"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// observer is an identity provider for a controller that only looks. It reads each client once, and leaves out of the
// comparison what only a configuration knows: which keys a client is to have.
type observer struct {
	Clients

	mu    sync.Mutex
	found map[idp.Lookup]idp.Client
}

// keyParts are the parts that compare a client's keys with those of a configuration.
var keyParts = map[idp.Kind]string{idp.Auth0: "client authentication", idp.Entra: "certificate"}

// Parts implements idp.Provider. The parts compare, and have nothing that applies or reverts them.
func (o *observer) Parts() []idp.Part {
	var parts []idp.Part
	for _, part := range o.Clients.Parts() {
		compare := part.Deviations
		if part.Name == keyParts[o.Kind()] {
			compare = func(client idp.Client, spec idp.Spec) []string {
				if spec.Method == idp.PrivateKeyJWT {
					return nil
				}
				return part.Deviations(client, spec)
			}
		}
		parts = append(parts, idp.Part{Name: part.Name, Deviations: compare})
	}
	return parts
}

// Find implements idp.Provider.
func (o *observer) Find(ctx context.Context, which idp.Lookup) (idp.Client, error) {
	o.mu.Lock()
	client, ok := o.found[which]
	o.mu.Unlock()
	if ok {
		return client, nil
	}
	client, err := o.Clients.Find(ctx, which)
	client.Secret = "" // nothing here is about it
	if err == nil {
		o.mu.Lock()
		o.found[which] = client
		o.mu.Unlock()
	}
	return client, err
}
