package cognito

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cognitoidp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// maxClients is the most that one page of ListUserPoolClients holds.
// https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUserPoolClients.html
const maxClients = 60

// maxAge is how long a list of names is good for.
const maxAge = 10 * time.Minute

// clockSkew is by how much the clocks of two services may differ, and what IAM's whole seconds lose.
const clockSkew = time.Minute

// Find implements idp.Provider. Without an id it goes by the name, since nothing holds an onboarding id. Each read is a
// direct one: there is no list to share.
func (p *Provider) Find(ctx context.Context, which idp.Lookup) (idp.Client, error) {
	if which.ID == "" {
		return p.search(ctx, which)
	}
	app, err := p.describe(ctx, which.ID)
	if err != nil {
		return idp.Client{}, err
	}
	return client(app), nil
}

// search finds the one client of a name that was made at a time, or later. The list of clients does not tell when. Of an
// onboarding that has no role any more it is not known when it began, so no client of its name can be told to be its own.
func (p *Provider) search(ctx context.Context, which idp.Lookup) (idp.Client, error) {
	fault := &apierror.Error{Service: service, Operation: "ListUserPoolClients", Object: "app client " + which.Name}
	if which.Name == "" {
		fault.Kind, fault.Message = apierror.Invalid, "nothing says which app client is meant"
		return idp.Client{}, fault
	}
	if which.OnboardingID != "" && which.Since.IsZero() {
		fault.Kind, fault.Message = apierror.NotFound, "a client cannot be told by its name alone"
		return idp.Client{}, fault
	}
	all, err := p.list(ctx)
	if err != nil {
		return idp.Client{}, err
	}
	var found idp.Client
	var ids []string
	for _, id := range all[which.Name] {
		app, err := p.describe(ctx, id)
		switch {
		case apierror.Is(err, apierror.NotFound): // deleted since
			continue
		case err != nil:
			return idp.Client{}, err
		case aws.ToTime(app.CreationDate).Before(which.Since.Add(-clockSkew)):
			continue
		}
		found, ids = client(app), append(ids, id)
	}
	switch len(ids) {
	case 0:
		fault.Kind, fault.Message = apierror.NotFound, "there is none"
		return idp.Client{}, fault
	case 1:
		return found, nil
	}
	fault.Kind, fault.Message = apierror.Conflict, "there are several: "+set(ids)
	return idp.Client{}, fault
}

// list reads the ids of the pool's app clients, by name.
func (p *Provider) list(ctx context.Context) (map[string][]string, error) {
	all := map[string][]string{}
	input := &cognitoidp.ListUserPoolClientsInput{UserPoolId: &p.pool, MaxResults: aws.Int32(maxClients)}
	for {
		out, err := call(ctx, p, "ListUserPoolClients", "user pool "+p.pool, input, p.client.ListUserPoolClients)
		if err != nil {
			return nil, err
		}
		for _, one := range out.UserPoolClients {
			name, id := aws.ToString(one.ClientName), aws.ToString(one.ClientId)
			if !slices.Contains(all[name], id) {
				all[name] = append(all[name], id)
			}
		}
		if aws.ToString(out.NextToken) == "" {
			return all, nil
		}
		next := *input
		next.NextToken = out.NextToken
		input = &next
	}
}

// names remembers which names are taken, from one list for many creates.
type names struct {
	mu   sync.Mutex
	read time.Time
	by   map[string][]string // ids
}

func (n *names) added(name, id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.by != nil {
		n.by[name] = append(n.by[name], id)
	}
}

func (n *names) removed(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name, ids := range n.by {
		n.by[name] = slices.DeleteFunc(ids, func(one string) bool { return one == id })
	}
}

// known returns the ids of the clients of a name, unless the list is too old.
func (n *names) known(name string, now time.Time) ([]string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.by == nil || now.Sub(n.read) > maxAge {
		return nil, false
	}
	return slices.Clone(n.by[name]), true
}

func (n *names) learn(by map[string][]string, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.by, n.read = by, now
}

// sharedTimeout bounds a read that several callers share, whose contexts do not.
const sharedTimeout = 10 * time.Minute

// taken returns the ids of the clients that have a name already. A list of at most ten minutes' age may say that there
// are none; that there are some is always confirmed by a new one.
func (p *Provider) taken(ctx context.Context, name string) ([]string, error) {
	ids, ok := p.names.known(name, p.now())
	if ok && len(ids) == 0 {
		return nil, nil
	}
	flight := p.flights.DoChan("names", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sharedTimeout)
		defer cancel()
		at := p.now()
		all, err := p.list(ctx)
		if err == nil {
			p.names.learn(all, at)
		}
		return nil, err
	})
	select {
	case <-ctx.Done():
		return nil, apierror.GaveUp(ctx.Err(), service, "ListUserPoolClients", "user pool "+p.pool)
	case result := <-flight:
		if result.Err != nil {
			return nil, result.Err
		}
	}
	ids, _ = p.names.known(name, p.now())
	return ids, nil
}
