package access

import (
	"fmt"
	"slices"
	"strings"
)

// ParsePermissions reads what a role's inline policies grant: the policies that Policies writes, in today's or in an
// earlier shape. Policies of other names are not looked at. The strings say in words how the policies deviate from
// today's shape; an update mends all of that in place, without taking the level away.
//
// It fails with *ShapeError for what cannot be expressed. For a prefix that does not validate, such as an earlier one
// without a trailing "/", the Permissions come back with it, so that callers can show what is there.
func ParsePermissions(policies map[string]string) (Permissions, []string, error) {
	doc, ok := policies[ObjectPolicy]
	if !ok {
		return Permissions{}, nil, shape("inline policy "+ObjectPolicy, "the role has none")
	}
	p, deviations, err := parseObjectPolicy(doc)
	if err != nil {
		return Permissions{}, nil, err
	}
	doc, listed := policies[ListPolicy]
	switch {
	case listed:
		more, err := parseListPolicy(doc, p)
		if err != nil {
			return Permissions{}, nil, err
		}
		deviations = append(deviations, more...)
	case p.Permission == Full:
		deviations = append(deviations, "policy "+ListPolicy+" is missing, so that objects cannot be listed")
	}
	if err := ValidatePrefix(p.Prefix); err != nil {
		return p, deviations, shape("inline policy "+ObjectPolicy, "%v", err)
	}
	if err := p.Validate(); err != nil {
		return Permissions{}, nil, shape("inline policy "+ObjectPolicy, "%v", err)
	}
	return p, deviations, nil
}

// parseObjectPolicy reads level, bucket, prefix and key.
func parseObjectPolicy(doc string) (Permissions, []string, error) {
	where := "inline policy " + ObjectPolicy
	elements, err := parseDocument(where, doc)
	if err != nil {
		return Permissions{}, nil, err
	}
	var (
		p       Permissions
		granted []string // object actions
		key     *element
		found   string // resource of the object actions
	)
	for _, e := range elements {
		actions, resource, err := e.grant()
		if err != nil {
			return Permissions{}, nil, err
		}
		if strings.HasPrefix(actions[0], "kms:") {
			if key != nil {
				return Permissions{}, nil, shape(e.where, "a second statement grants the use of a key")
			}
			key, p.KMSKeyARN = &e, resource
			continue
		}
		if found != "" && found != resource {
			return Permissions{}, nil, shape(e.where, "it is about %q, another statement about %q; oidcs3 writes one prefix", resource, found)
		}
		if _, ok := e.body["Condition"]; ok {
			return Permissions{}, nil, shape(e.where, "it has a Condition, which oidcs3 does not write there")
		}
		if err := onlyActions(e.where, actions, objectActions(Full)); err != nil {
			return Permissions{}, nil, err
		}
		found = resource
		granted = append(granted, actions...)
	}
	if found == "" {
		return Permissions{}, nil, shape(where, "it grants nothing on objects")
	}
	if err := p.parseObjects(where, found); err != nil {
		return Permissions{}, nil, err
	}
	level, lacks, err := levelOf(where, granted)
	if err != nil {
		return Permissions{}, nil, err
	}
	p.Permission = level
	deviations := lacking(ObjectPolicy, lacks)
	if key != nil {
		more, err := p.parseKey(*key)
		if err != nil {
			return Permissions{}, nil, err
		}
		deviations = append(deviations, more...)
	}
	return p, deviations, nil
}

// grant reads a statement that allows actions on one resource. The actions come back as this package writes them.
func (e element) grant() (actions []string, resource string, err error) {
	if err := e.allowOnly(); err != nil {
		return nil, "", err
	}
	if _, ok := e.body["Principal"]; ok {
		return nil, "", shape(e.where, "it has a Principal, which no inline policy takes")
	}
	if actions, err = e.strings("Action"); err != nil {
		return nil, "", err
	}
	if len(actions) == 0 {
		return nil, "", shape(e.where, "it has no Action")
	}
	for i := range actions {
		actions[i] = canonicalAction(actions[i])
	}
	resources, err := e.strings("Resource")
	if err != nil {
		return nil, "", err
	}
	if len(resources) != 1 {
		return nil, "", shape(e.where, "it is about %d resources; oidcs3 writes one", len(resources))
	}
	return actions, resources[0], nil
}

// canonicalAction gives the action its usual case; IAM does not tell case there.
func canonicalAction(action string) string {
	for _, known := range slices.Concat(objectActions(Full), listActions(), []string{generateKey, decrypt}) {
		if strings.EqualFold(known, action) {
			return known
		}
	}
	return action
}

func onlyActions(where string, actions, known []string) error {
	for _, action := range actions {
		if !slices.Contains(known, action) {
			return shape(where, "it grants %q, which belongs to no permission level", action)
		}
	}
	return nil
}

// parseObjects takes "arn:aws:s3:::bucket/prefix*" apart.
func (p *Permissions) parseObjects(where, resource string) error {
	arn, err := ParseARN(resource)
	if err != nil {
		return shape(where+", Resource", "%v", err)
	}
	bucket, pattern, ok := strings.Cut(arn.Resource, "/")
	if arn.Service != "s3" || arn.Region != "" || arn.Account != "" || !ok {
		return shape(where+", Resource", "%q does not name objects of a bucket", resource)
	}
	prefix, ok := strings.CutSuffix(pattern, "*")
	if !ok {
		return shape(where+", Resource", "%q is not a prefix: it does not end in \"*\"", resource)
	}
	if err := ValidateBucket(bucket); err != nil {
		return shape(where+", Resource", "%v", err)
	}
	p.Partition, p.Bucket, p.Prefix = arn.Partition, bucket, prefix
	return nil
}

// parseKey checks the statement that grants the use of the key. A condition that is missing is a deviation; one that
// is foreign cannot be expressed.
func (p Permissions) parseKey(e element) ([]string, error) {
	actions, resource, err := e.grant()
	if err != nil {
		return nil, err
	}
	if err := onlyActions(e.where, actions, []string{generateKey, decrypt}); err != nil {
		return nil, err
	}
	if err := validateKMSKey(p.Partition, resource); err != nil {
		return nil, shape(e.where+", Resource", "%v", err)
	}
	found, err := e.conditions()
	if err != nil {
		return nil, err
	}
	today := p.keyStatement()
	if err := withinShape(e.where+", Condition", found, today.Condition); err != nil {
		return nil, err
	}
	var lacks []string
	for _, action := range today.Action {
		if !slices.Contains(actions, action) {
			lacks = append(lacks, action)
		}
	}
	deviations := lacking(ObjectPolicy, lacks)
	for _, want := range []struct{ operator, key string }{{"StringEquals", viaService}, {"StringLike", encryptContext}} {
		if !sameValues(lookUp(found, want.operator, want.key), today.Condition[want.operator][want.key]) {
			deviations = append(deviations, fmt.Sprintf("policy %s does not hold the use of the key to %s of today's shape", ObjectPolicy, want.key))
		}
	}
	return deviations, nil
}

// withinShape fails for an operator or key that today's condition does not have.
func withinShape(where string, found, today condition) error {
	for operator, keys := range found {
		for key := range keys {
			if lookUp(today, operator, key) == nil {
				return shape(where, "it has %s on %q, which oidcs3 does not write", operator, key)
			}
		}
	}
	return nil
}

// lookUp finds a condition's values; IAM does not tell case in keys.
func lookUp(c condition, operator, key string) values {
	for k, list := range c[operator] {
		if strings.EqualFold(k, key) {
			return list
		}
	}
	return nil
}

func sameValues(a, b values) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// parseListPolicy checks that the policy lists the prefix of p and nothing else.
func parseListPolicy(doc string, p Permissions) ([]string, error) {
	where := "inline policy " + ListPolicy
	elements, err := parseDocument(where, doc)
	if err != nil {
		return nil, err
	}
	var granted []string
	for _, e := range elements {
		actions, resource, err := e.grant()
		if err != nil {
			return nil, err
		}
		if err := onlyActions(e.where, actions, listActions()); err != nil {
			return nil, err
		}
		if resource != p.bucketARN() {
			return nil, shape(e.where+", Resource", "it is %q; the objects are in %q", resource, p.bucketARN())
		}
		found, err := e.conditions()
		if err != nil {
			return nil, err
		}
		if err := withinShape(e.where+", Condition", found, p.listStatement().Condition); err != nil {
			return nil, err
		}
		prefixes := lookUp(found, "StringLike", s3Prefix)
		if prefixes == nil {
			return nil, shape(e.where, "it lists the whole bucket: it has no condition on %s", s3Prefix)
		}
		if !sameValues(prefixes, values{p.Prefix + "*"}) {
			return nil, shape(e.where+", Condition", "it lists %s; the objects are in %q", quoted(prefixes), p.Prefix+"*")
		}
		granted = append(granted, actions...)
	}
	if p.Permission != Full {
		return []string{fmt.Sprintf("policy %s grants listing, which the level %s does not have", ListPolicy, p.Permission)}, nil
	}
	var lacks []string
	for _, action := range listActions() {
		if !slices.Contains(granted, action) {
			lacks = append(lacks, action)
		}
	}
	return lacking(ListPolicy, lacks), nil
}

func lacking(policy string, actions []string) []string {
	var deviations []string
	for _, action := range actions {
		deviations = append(deviations, fmt.Sprintf("policy %s lacks %s", policy, action))
	}
	return deviations
}
