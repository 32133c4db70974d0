package access

import (
	"strings"
)

// Reaches reports whether a policy may let its holder write, read or delete some object below the prefix of the bucket.
// It errs on the side of yes: conditions, denials and other policies are not looked at, and a policy variable may stand
// for anything. A resource that names no bucket ("*", "arn:aws:s3:::*") is an administrator's and does not count; neither
// does what is no policy.
func (p Permissions) Reaches(doc string) bool { return p.ReachedBy(ParseReach(doc)) }

// Reach is which objects a policy lets its holder at: patterns of their ARNs.
type Reach []string

// ParseReach reads a policy for those who compare it with many servers.
func ParseReach(doc string) Reach {
	elements, err := parseDocument("policy", doc)
	if err != nil {
		return nil
	}
	var patterns Reach
	for _, e := range elements {
		if e.allowOnly() != nil {
			continue // what allows everything but a few is an administrator's too
		}
		actions, err := e.strings("Action")
		if err != nil || !anyOf(actions, actsOnObjects) {
			continue
		}
		resources, err := e.strings("Resource")
		if err != nil {
			continue
		}
		for _, resource := range resources {
			if namesBucket(resource) {
				patterns = append(patterns, asPattern(resource))
			}
		}
	}
	return patterns
}

// ReachedBy is Reaches of a policy that has been read already.
func (p Permissions) ReachedBy(r Reach) bool {
	objects := BucketARN(p.Partition, p.Bucket) + "/" + p.Prefix
	return anyOf(r, func(pattern string) bool { return matchesBelow(pattern, objects) })
}

func anyOf(list []string, holds func(string) bool) bool {
	for _, s := range list {
		if holds(s) {
			return true
		}
	}
	return false
}

func actsOnObjects(pattern string) bool {
	for _, action := range objectActions(Full) {
		if matches(strings.ToLower(pattern), strings.ToLower(action)) {
			return true
		}
	}
	return false
}

// namesBucket reports whether the bucket's part of a resource has a character of its own.
func namesBucket(resource string) bool {
	_, rest, ok := strings.Cut(resource, ":s3:::")
	bucket, _, _ := strings.Cut(rest, "/")
	return ok && strings.Trim(bucket, "*?") != ""
}

// asPattern puts a wildcard in the place of each policy variable.
func asPattern(resource string) string {
	for {
		before, after, ok := strings.Cut(resource, "${")
		_, after, closed := strings.Cut(after, "}")
		if !ok || !closed {
			return resource
		}
		resource = before + "*" + after
	}
}

// matches reports whether a pattern with * and ? matches the whole of a string.
func matches(pattern, s string) bool { return match(pattern, s, false) }

// matchesBelow reports whether a pattern matches some string that begins with the given one.
func matchesBelow(pattern, prefix string) bool {
	literal := pattern
	if wild := strings.IndexAny(pattern, "*?"); wild >= 0 {
		literal = pattern[:wild]
	}
	if !strings.HasPrefix(prefix, literal) && !strings.HasPrefix(literal, prefix) {
		return false // what most patterns are, told without following them
	}
	return match(pattern, prefix, true)
}

// match follows all positions in the pattern at once, so that no pattern takes long.
func match(pattern, s string, open bool) bool {
	at := reach(map[int]bool{0: true}, pattern)
	for _, c := range []byte(s) {
		next := map[int]bool{}
		for i := range at {
			switch {
			case i == len(pattern):
			case pattern[i] == '*':
				next[i] = true
			case pattern[i] == '?' || pattern[i] == c:
				next[i+1] = true
			}
		}
		at = reach(next, pattern)
	}
	return at[len(pattern)] || (open && len(at) > 0)
}

// reach adds the positions behind wildcards that match nothing.
func reach(at map[int]bool, pattern string) map[int]bool {
	for i := range pattern {
		if at[i] && pattern[i] == '*' {
			at[i+1] = true
		}
	}
	return at
}
