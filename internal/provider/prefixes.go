package provider

import (
	"fmt"
	"sync"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
)

// claim is a prefix that one server of the run is to have.
type claim struct {
	server string // <environment>/<server_name>
	bucket string
	prefix string
	shared bool // allow_prefix_overlap
}

// prefixes collects the claims of a run, to find servers that would get at each other's objects. Terraform plans
// resources in any order, so of two that overlap the later one is refused.
type prefixes struct {
	mu     sync.Mutex
	claims map[string]claim // by server
}

// add notes a claim and returns an error that names a server whose prefix it overlaps, unless both allow that.
func (p *prefixes) add(c claim) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.claims == nil {
		p.claims = map[string]claim{}
	}
	p.claims[c.server] = c
	var first claim // by name, so that the same configuration gives the same error
	for server, other := range p.claims {
		overlaps := server != c.server && other.bucket == c.bucket && access.PrefixesOverlap(c.prefix, other.prefix) && (!c.shared || !other.shared)
		if overlaps && (first.server == "" || server < first.server) {
			first = other
		}
	}
	if first.server == "" {
		return nil
	}
	return fmt.Errorf("server %s has the prefix %q, server %s has %q in the same bucket %s: one could get at the other's objects",
		c.server, c.prefix, first.server, first.prefix, c.bucket)
}
