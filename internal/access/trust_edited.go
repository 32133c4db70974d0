package access

import "strings"

// ParseEditedTrust reads a trust policy that may have been edited by hand. Whom it lets in is read as by ParseTrust;
// conditions and actions that oidcs3 does not write are passed over, and reason says in words what stands out: the next
// update takes it away. reason is empty where nothing does.
//
// It fails with *ShapeError where the policy does not name exactly one client, or has further statements: they would let
// in others.
func ParseEditedTrust(doc string) (t Trust, reason string, err error) {
	t, strict := ParseTrust(doc)
	if strict == nil {
		return t, "", nil
	}
	const where = "trust policy"
	elements, err := parseDocument(where, doc)
	if err != nil {
		return Trust{}, "", err
	}
	if len(elements) > 1 {
		return Trust{}, "", strict
	}
	e := elements[0]
	if err := e.allowOnly(); err != nil {
		return Trust{}, "", err
	}
	kind, principal, err := e.principal()
	if err != nil {
		return Trust{}, "", err
	}
	found, err := e.conditions()
	if err != nil {
		return Trust{}, "", err
	}
	keys := map[string]string{}
	for key, list := range found["StringEquals"] {
		if len(list) == 1 {
			keys[strings.ToLower(key)] = list[0]
		}
	}
	if kind == "AWS" {
		t, err = parseVending(where, principal, only(keys, strings.ToLower(roleSessionName)))
	} else {
		provider, providerErr := providerPath(principal)
		if providerErr != nil {
			return Trust{}, "", shape(where+", Principal", "%v", providerErr)
		}
		provider = strings.ToLower(provider)
		t, err = parseFederated(where, principal, only(keys, provider+":aud", provider+":oaud", provider+":sub"))
	}
	if err != nil {
		return Trust{}, "", strict
	}
	return t, strict.Error(), nil
}

// only returns the values of some keys.
func only(keys map[string]string, names ...string) map[string]string {
	some := map[string]string{}
	for _, name := range names {
		if value, ok := keys[name]; ok {
			some[name] = value
		}
	}
	return some
}
