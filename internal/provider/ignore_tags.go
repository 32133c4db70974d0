package provider

import (
	"maps"
	"slices"
	"strings"
)

// tagFilter says which tags of roles are somebody else's.
type tagFilter struct {
	Keys        []string `tfsdk:"keys"`
	KeyPrefixes []string `tfsdk:"key_prefixes"`
}

// ignores reports whether a tag of that key is left alone.
func (f tagFilter) ignores(key string) bool {
	return slices.Contains(f.Keys, key) || slices.ContainsFunc(f.KeyPrefixes, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
}

// without leaves those tags out.
func (f tagFilter) without(tags map[string]string) map[string]string {
	tags = maps.Clone(tags)
	maps.DeleteFunc(tags, func(key, _ string) bool { return f.ignores(key) })
	return tags
}
