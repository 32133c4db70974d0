package auth0

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// populate fills a tenant with servers' clients, and others'.
func populate(a *tenant, servers, others int) []string {
	var ids []string
	for i := range servers {
		id := fmt.Sprintf("c%04d", i)
		c := legacy()
		c["client_id"], c["name"] = id, id
		a.clients = append(a.clients, c)
		a.grants = append(a.grants, map[string]any{"id": "cgr_" + id, "client_id": id, "audience": "urn:upload", "scope": []any{}})
		ids = append(ids, id)
	}
	for i := range others {
		a.clients = append(a.clients, map[string]any{"client_id": fmt.Sprintf("other%d", i), "client_metadata": map[string]any{"x": 1}})
	}
	return ids
}

// lookUp looks all ids up at once, ten at a time as Terraform does.
func lookUp(t *testing.T, p *Provider, ids []string) {
	t.Helper()
	work := make(chan string)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for id := range work {
				c, err := p.Find(t.Context(), idp.Lookup{ID: id, Audience: "urn:upload"})
				if err != nil || c.ID != id || c.GrantID != "cgr_"+id || c.Secret.Reveal() != "legacy-secret" {
					t.Errorf("%s: %+v, %v", id, c, err)
				}
			}
		})
	}
	for _, id := range ids {
		work <- id
	}
	close(work)
	all.Wait()
}

func TestManyLookupsShareTheirReads(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ servers, others, most int }{
		"one":                             {1, 0, 2},
		"two":                             {2, 0, 4},
		"a hundred":                       {100, 0, 8},
		"a thousand":                      {1000, 0, 40},
		"three thousand":                  {3000, 0, 90},
		"few among many others":           {5, 5000, 11},
		"as many as pages":                {120, 5000, 250},
		"a thousand in a tenant of 10000": {1000, 9000, 420},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newTenant()
			p := start(t, a)
			lookUp(t, p, populate(a, test.servers, test.others))
			if n := len(a.calls); n > test.most {
				t.Errorf("%d calls, want at most %d", n, test.most)
			}
		})
	}
}

func TestSharedReadsDoNotLie(t *testing.T) {
	t.Parallel()
	a := newTenant()
	p := start(t, a)
	ids := populate(a, 20, 0)
	lookUp(t, p, ids)
	find := func(which idp.Lookup) (idp.Client, error) {
		which.Audience = "urn:upload"
		return p.Find(t.Context(), which)
	}
	t.Run("what this process changed is read itself", func(t *testing.T) {
		c, err := find(idp.Lookup{ID: ids[0], Fresh: true})
		if err != nil {
			t.Fatal(err)
		}
		spec := secretSpec()
		apply(t.Context(), t, p, &c, spec)
		if got, err := find(idp.Lookup{ID: ids[0]}); err != nil || got.Name != spec.Name {
			t.Errorf("got %q, %v", got.Name, err)
		}
		if err := p.Delete(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if _, err := find(idp.Lookup{ID: ids[0]}); !apierror.Is(err, apierror.NotFound) {
			t.Errorf("deleted: %v", err)
		}
	})
	t.Run("a fresh read is one", func(t *testing.T) {
		a.mu.Lock()
		pick(a.clients, "client_id", ids[1])["name"] = "renamed"
		a.mu.Unlock()
		if got, err := find(idp.Lookup{ID: ids[1], Fresh: true}); err != nil || got.Name != "renamed" {
			t.Errorf("got %q, %v", got.Name, err)
		}
	})
	t.Run("what is not on the pages is missed directly", func(t *testing.T) {
		a.mu.Lock()
		late := legacy()
		late["client_id"] = "late"
		a.clients = append(a.clients, late)
		a.grants = append(a.grants, map[string]any{"id": "cgr_late", "client_id": "late", "audience": "urn:upload", "scope": []any{}})
		a.mu.Unlock()
		if got, err := find(idp.Lookup{ID: "late"}); err != nil || got.GrantID != "cgr_late" {
			t.Errorf("got %+v, %v", got, err)
		}
		if _, err := find(idp.Lookup{ID: "never"}); !apierror.Is(err, apierror.NotFound) {
			t.Errorf("got %v", err)
		}
	})
}

func TestListsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, list := range []string{"GET clients", "GET client-grants?audience"} {
		t.Run(list, func(t *testing.T) {
			t.Parallel()
			a := newTenant()
			a.refusal = `{"statusCode":403,"message":"Insufficient scope, expected any of: read:clients","errorCode":"insufficient_scope"}`
			a.fault = func(operation string) string {
				if operation == list {
					return "403"
				}
				return ""
			}
			var mu sync.Mutex
			var warnings []string
			p := start(t, a, func(c *Config) {
				c.Warn = func(text string) {
					mu.Lock()
					defer mu.Unlock()
					warnings = append(warnings, text)
				}
			})
			lookUp(t, p, populate(a, 30, 0))
			if len(warnings) != 1 || !strings.Contains(warnings[0], "may not list") {
				t.Errorf("warnings %q, want one", warnings)
			}
			if n := a.called(list); n != 1 {
				t.Errorf("%d attempts at the list, want 1", n)
			}
		})
	}
}

func TestSharedReadOutlivesItsFirstCaller(t *testing.T) {
	t.Parallel()
	a := newTenant()
	p := start(t, a)
	ids := populate(a, 150, 0)
	for _, id := range ids[:2] {
		if _, err := p.Find(t.Context(), idp.Lookup{ID: id, Audience: "urn:upload"}); err != nil {
			t.Fatal(err)
		}
	}
	arrived, release := make(chan struct{}), make(chan struct{})
	var gate sync.Once
	a.mu.Lock()
	a.fault = func(operation string) string {
		if operation == "GET clients" {
			gate.Do(func() { close(arrived); <-release })
		}
		return ""
	}
	a.mu.Unlock()
	first, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := p.Find(first, idp.Lookup{ID: ids[2], Audience: "urn:upload"})
		gone <- err
	}()
	<-arrived
	cancel()
	if err := <-gone; !apierror.Is(err, apierror.Unavailable) {
		t.Errorf("the first caller got %v", err)
	}
	close(release)
	lookUp(t, p, ids[3:])
	if n := a.called("GET clients"); n != 2 {
		t.Errorf("%d pages of clients were read, want 2", n)
	}
	if n := a.called("GET clients/id"); n != 2 {
		t.Errorf("%d clients were read by themselves, want the first 2", n)
	}
}
