package iam

import (
	"maps"
	"slices"
	"time"
)

// holder is what users and roles have in common. Values in tables are immutable: change a copy.
type holder struct {
	Name, Path, ARN, ID string

	Created  time.Time
	Tags     map[string]string
	Inline   map[string]string // name → document
	Attached []string          // ARNs of managed policies, in the order in which they were attached
	Boundary string            // ARN of the managed policy, or ""
}

func (h holder) clone() holder {
	h.Tags = maps.Clone(h.Tags)
	h.Inline = maps.Clone(h.Inline)
	h.Attached = slices.Clone(h.Attached)
	return h
}

type role struct {
	holder

	Description string
	MaxSession  int    // seconds
	Trust       string // as it was written
	// principals are the unique ids that the ARNs in Trust had when it was written: a role made anew under an old name
	// is another principal.
	principals map[string]string
}

type user struct {
	holder

	Admin bool
}

type accessKey struct {
	ID, UserName string
	Active       bool
	Created      time.Time
	secret       string
}

type managedPolicy struct {
	Name, Path, ARN, ID, Description string

	Created, Updated time.Time
	Default          string // id of the version in force
	Versions         []policyVersion
	Tags             map[string]string
	AWS              bool // one of AWS's own
	next             int  // number of the next version
}

type policyVersion struct {
	ID, Document string
	Created      time.Time
}

func (p managedPolicy) version(id string) policyVersion {
	for _, v := range p.Versions {
		if v.ID == id {
			return v
		}
	}
	return policyVersion{}
}

type provider struct {
	ARN, URL    string // URL without https://
	ClientIDs   []string
	Thumbprints []string
	Tags        map[string]string
	Created     time.Time
}

func (p provider) clone() provider {
	p.ClientIDs = slices.Clone(p.ClientIDs)
	p.Thumbprints = slices.Clone(p.Thumbprints)
	p.Tags = maps.Clone(p.Tags)
	return p
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
