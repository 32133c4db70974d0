package audit

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
)

// NamedOthers is how many servers a message names at most. All of them are in Finding.Others.
const NamedOthers = 5

// overlaps finds servers whose prefixes overlap: one of two is then the beginning of the other. A role that nobody can
// assume counts all the same, since an apply may open it.
func (a *audit) overlaps() {
	var placed []*subject
	for _, s := range a.servers {
		if s.shown.permissions != nil {
			placed = append(placed, s)
		}
	}
	slices.SortStableFunc(placed, func(x, y *subject) int {
		return cmp.Or(strings.Compare(x.shown.Bucket, y.shown.Bucket), strings.Compare(x.shown.Prefix, y.shown.Prefix))
	})
	others := map[*subject][]string{}
	var around []*subject // whose prefixes begin the current one's, the shortest first
	for _, s := range placed {
		for len(around) > 0 && !inside(s, around[len(around)-1]) {
			around = around[:len(around)-1]
		}
		for _, outer := range around {
			others[s] = append(others[s], outer.id())
			others[outer] = append(others[outer], s.id())
		}
		around = append(around, s)
	}
	for s, ids := range others {
		slices.Sort(ids)
		a.find(Finding{Kind: Overlap, Server: s.id(), Object: s.place(), Others: ids, Message: "it overlaps the prefix of " + some("server", ids)})
	}
}

// inside reports whether all of one server's prefix is in another's.
func inside(inner, outer *subject) bool {
	return inner.shown.Bucket == outer.shown.Bucket && strings.HasPrefix(inner.shown.Prefix, outer.shown.Prefix)
}

// place is where a server's objects are.
func (s *subject) place() string { return "s3://" + s.shown.Bucket + "/" + s.shown.Prefix }

// reaches finds roles whose policies reach servers' prefixes, except those of servers whose own prefix says it already.
func (a *audit) reaches(ctx context.Context) error {
	policies, err := a.policies(ctx)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(policies)) {
		f := Finding{Kind: Reach, Object: "role " + name}
		for _, s := range a.servers {
			switch {
			case s.role.Name == name:
				f.Server = s.id()
			case s.shown.permissions != nil && s.permissions.ReachedBy(policies[name]):
				f.Others = append(f.Others, s.id())
			}
		}
		if len(f.Others) > 0 {
			f.Message = "its policies reach the objects of " + some("server", f.Others)
			a.find(f)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// policies lists which objects the account's roles reach, by role: those of roles that nobody can assume, and the ones by
// which servers have their own prefix, left out.
func (a *audit) policies(ctx context.Context) (map[string]access.Reach, error) {
	managed, err := a.managedPolicies(ctx)
	if err != nil {
		return nil, err
	}
	own := map[string]*subject{}
	for _, s := range a.servers {
		own[s.role.Name] = s
	}
	all := map[string]access.Reach{}
	for _, name := range slices.Sorted(maps.Keys(a.roles)) {
		role, server := a.roles[name], own[name]
		if access.IsDenyAll(role.TrustPolicy) {
			continue
		}
		for _, inline := range slices.Sorted(maps.Keys(role.InlinePolicies)) {
			if document := role.InlinePolicies[inline]; mayName(document) && (server == nil || !server.strict() || server.foreign(inline)) {
				all[name] = append(all[name], access.ParseReach(document)...)
			}
		}
		for _, arn := range role.AttachedPolicies {
			if document := managed[arn]; mayName(document) {
				all[name] = append(all[name], access.ParseReach(document)...)
			}
		}
	}
	return all, nil
}

// managedPolicies reads the account's own managed policies, where some role has one attached.
func (a *audit) managedPolicies(ctx context.Context) (map[string]string, error) {
	attached := func(name string) bool { return len(a.roles[name].AttachedPolicies) > 0 }
	if !slices.ContainsFunc(slices.Collect(maps.Keys(a.roles)), attached) {
		return nil, nil
	}
	managed, err := a.Roles.ManagedPolicies(ctx)
	if err != nil && ctx.Err() == nil {
		a.unread("policies that are attached to roles", err)
		return nil, nil
	}
	return managed, err
}

// mayName reports whether a document may name a bucket, which saves parsing those that do not. Text may be escaped.
func mayName(document string) bool {
	return strings.Contains(document, ":s3:::") || strings.Contains(document, `\u`)
}

// some names the first few.
func some(what string, names []string) string {
	text := what + " " + strings.Join(names[:min(len(names), NamedOthers)], ", ")
	if len(names) > 1 {
		text = what + "s " + strings.TrimPrefix(text, what+" ")
	}
	if more := len(names) - NamedOthers; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
