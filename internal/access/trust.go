package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Trust says whom a server's role lets in.
type Trust struct {
	Mode Mode

	// Plain and AZP: the tokens of one client.
	ProviderARN string // IAM OIDC provider
	Audience    string // of the API: aud of the tokens
	Subject     string // of the client: sub of the tokens
	ClientID    string // AZP: azp of the tokens

	// Vending: the vending service's role, in sessions named after the server.
	VendingRoleARN string // as parsed it may be a role's unique id (AROA…), when that role was deleted
	ServerName     string // empty: any session name, as the plain module left it

	// Disabled denies what the rest says: nobody gets in, and the policy still tells whom it is about.
	Disabled bool
}

// maxTrustPolicy is the default quota of a trust policy, in characters.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const maxTrustPolicy = 2048

// The actions of trust policies.
const (
	assumeRole                = "sts:AssumeRole"
	assumeRoleWithWebIdentity = "sts:AssumeRoleWithWebIdentity"
	roleSessionName           = "sts:RoleSessionName"
)

// Validate fails for a Trust that no safe trust policy expresses.
func (t Trust) Validate() error {
	_, err := t.policy()
	return err
}

// Policy is the trust policy in its canonical form. A Trust that does not validate gets DenyAll: a mistake locks a
// server out and lets nobody in.
func (t Trust) Policy() string {
	doc, err := t.policy()
	if err != nil {
		return DenyAll()
	}
	return doc
}

func (t Trust) policy() (string, error) {
	statement, err := t.statement()
	if err != nil {
		return "", err
	}
	doc := encode(statement)
	if excess := len(doc) - maxTrustPolicy; excess > 0 {
		return "", fmt.Errorf("the trust policy has %d characters, %d more than IAM's quota of %d; shorten the audience", len(doc), excess, maxTrustPolicy)
	}
	return doc, nil
}

func (t Trust) statement() (s statement, err error) {
	switch t.Mode {
	case Plain, AZP:
		s, err = t.federated()
	case Vending:
		s, err = t.vending()
	default:
		err = fmt.Errorf("unknown trust mode %q", t.Mode)
	}
	if t.Disabled {
		s.Effect = "Deny"
	}
	return s, err
}

// federated trusts the tokens of one client. STS matches "aud" against a token's azp where it has one, and its aud is
// then "oaud".
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
func (t Trust) federated() (statement, error) {
	provider, err := providerPath(t.ProviderARN)
	if err != nil {
		return statement{}, err
	}
	keys := map[string]values{provider + ":sub": {t.Subject}}
	wanted := map[string]string{"audience": t.Audience, "subject": t.Subject}
	if t.Mode == AZP {
		wanted["client id"] = t.ClientID
		keys[provider+":aud"] = values{t.ClientID}
		keys[provider+":oaud"] = values{t.Audience}
	} else {
		keys[provider+":aud"] = values{t.Audience}
	}
	for _, what := range slices.Sorted(maps.Keys(wanted)) {
		if err := checkLiteral(what, wanted[what]); err != nil {
			return statement{}, err
		}
	}
	return statement{
		Effect:    "Allow",
		Principal: map[string]string{"Federated": t.ProviderARN},
		Action:    values{assumeRoleWithWebIdentity},
		Condition: condition{"StringEquals": keys},
	}, nil
}

// vending trusts the vending service's role, in sessions that bear the server's name.
func (t Trust) vending() (statement, error) {
	if err := checkRoleARN(t.VendingRoleARN); err != nil {
		return statement{}, err
	}
	if strings.ContainsAny(t.VendingRoleARN, "*?$") {
		return statement{}, fmt.Errorf("%q does not name one role", t.VendingRoleARN)
	}
	s := statement{Effect: "Allow", Principal: map[string]string{"AWS": t.VendingRoleARN}, Action: values{assumeRole}}
	if t.ServerName != "" {
		if err := checkLiteral("server name", t.ServerName); err != nil {
			return statement{}, err
		}
		s.Condition = condition{"StringEquals": {roleSessionName: {t.ServerName}}}
	}
	return s, nil
}

// checkLiteral fails for what a condition would not compare letter by letter: "${" begins a policy variable, in every
// string operator. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
func checkLiteral(what, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("the trust has no %s", what)
	case strings.Contains(s, "${"):
		return fmt.Errorf("the %s %q contains \"${\", which begins a policy variable", what, s)
	case strings.ContainsFunc(s, unicode.IsControl), !utf8.ValidString(s):
		return fmt.Errorf("the %s %q is not printable text", what, s)
	}
	return nil
}

// DenyAll is the trust policy of a role that serves as a lock: it never lets anybody in.
//
// IAM needs a statement, and a role's trust has to allow explicitly, so one that denies is enough for every action. It
// names sts:AssumeRole alone, because IAM refuses or warns of actions that do not go with the kind of principal.
func DenyAll() string {
	return encode(statement{Effect: "Deny", Principal: map[string]string{"AWS": "*"}, Action: values{assumeRole}})
}

// IsDenyAll reports whether a trust policy lets nobody in, whatever else it says: all of its statements deny.
func IsDenyAll(doc string) bool {
	elements, err := parseDocument("trust policy", doc)
	if err != nil {
		return false
	}
	for _, e := range elements {
		if e.body["Effect"] != "Deny" {
			return false
		}
	}
	return true
}

// ParseTrust reads a trust policy: what Policy writes, and the same said differently (keys and lists in another order,
// single values as strings or lists, a role's unique id as the principal). It fails with *ShapeError for all else.
func ParseTrust(doc string) (Trust, error) {
	const where = "trust policy"
	elements, err := parseDocument(where, doc)
	if err != nil {
		return Trust{}, err
	}
	if len(elements) > 1 {
		return Trust{}, shape(where, "it has %d statements; oidcs3 writes one", len(elements))
	}
	e := elements[0]
	if err := e.notInverted(); err != nil {
		return Trust{}, err
	}
	if _, ok := e.body["Resource"]; ok {
		return Trust{}, shape(where, "it has a Resource, which no trust policy takes")
	}
	kind, principal, err := e.principal()
	if err != nil {
		return Trust{}, err
	}
	actions, err := e.strings("Action")
	if err != nil {
		return Trust{}, err
	}
	want := map[string]string{"Federated": assumeRoleWithWebIdentity, "AWS": assumeRole}[kind]
	if len(actions) != 1 || !strings.EqualFold(actions[0], want) {
		return Trust{}, shape(where, "its Action is %s; for a principal of the kind %s oidcs3 writes %q alone", quoted(actions), kind, want)
	}
	conditions, err := e.conditions()
	if err != nil {
		return Trust{}, err
	}
	keys, err := equalsOnly(where+", Condition", conditions)
	if err != nil {
		return Trust{}, err
	}
	var t Trust
	if kind == "AWS" {
		t, err = parseVending(where, principal, keys)
	} else {
		t, err = parseFederated(where, principal, keys)
	}
	if err != nil {
		return Trust{}, err
	}
	t.Disabled = e.body["Effect"] == "Deny"
	return t, nil
}

// principal reads a Principal that names one AWS principal or one OIDC provider.
func (e element) principal() (kind, principal string, err error) {
	where := e.where + ", Principal"
	switch p := e.body["Principal"].(type) {
	case nil:
		return "", "", shape(where, "there is none")
	case string:
		return "", "", shape(where, "it is %q, which is everybody", p)
	case map[string]any:
		if len(p) != 1 {
			return "", "", shape(where, "it names %d kinds of principals; oidcs3 writes one", len(p))
		}
		for kind, raw := range p {
			if kind != "AWS" && kind != "Federated" {
				return "", "", shape(where, "it is of the kind %s; oidcs3 writes Federated or AWS", kind)
			}
			list, ok := stringList(raw)
			if !ok || len(list) != 1 {
				return "", "", shape(where, "it does not name exactly one principal")
			}
			return kind, list[0], nil
		}
	}
	return "", "", shape(where, "it is not a JSON object")
}

// equalsOnly reads conditions that all are StringEquals with one value; keys come back in lower case, since IAM does
// not tell case there.
func equalsOnly(where string, found condition) (map[string]string, error) {
	keys := map[string]string{}
	for _, operator := range slices.Sorted(maps.Keys(found)) {
		if operator != "StringEquals" {
			return nil, shape(where, "it has %s on %s; oidcs3 writes StringEquals alone", operator, quoted(slices.Sorted(maps.Keys(found[operator]))))
		}
		for _, key := range slices.Sorted(maps.Keys(found[operator])) {
			list := found[operator][key]
			if len(list) != 1 {
				return nil, shape(where, "%s takes %d values; oidcs3 writes one", key, len(list))
			}
			lower := strings.ToLower(key)
			if _, ok := keys[lower]; ok {
				return nil, shape(where, "%s stands there twice", key)
			}
			keys[lower] = list[0]
		}
	}
	return keys, nil
}

// take removes a key and returns its value.
func take(keys map[string]string, key string) (string, bool) {
	key = strings.ToLower(key)
	value, ok := keys[key]
	delete(keys, key)
	return value, ok
}

func noneLeft(where string, keys map[string]string) error {
	if len(keys) > 0 {
		return shape(where+", Condition", "it tests %s too", quoted(slices.Sorted(maps.Keys(keys))))
	}
	return nil
}

func parseFederated(where, principal string, keys map[string]string) (Trust, error) {
	provider, err := providerPath(principal)
	if err != nil {
		return Trust{}, shape(where+", Principal", "%v", err)
	}
	t := Trust{Mode: Plain, ProviderARN: principal}
	aud, hasAud := take(keys, provider+":aud")
	oaud, hasOaud := take(keys, provider+":oaud")
	sub, hasSub := take(keys, provider+":sub")
	switch {
	case !hasAud:
		return Trust{}, shape(where+", Condition", "it does not test %s:aud, so that tokens for any audience of the provider get in", provider)
	case !hasSub:
		return Trust{}, shape(where+", Condition", "it does not test %s:sub, so that every client of the API gets in", provider)
	}
	t.Audience, t.Subject = aud, sub
	if hasOaud {
		t.Mode, t.ClientID, t.Audience = AZP, aud, oaud
	}
	if err := noneLeft(where, keys); err != nil {
		return Trust{}, err
	}
	return expressible(where, t)
}

func parseVending(where, principal string, keys map[string]string) (Trust, error) {
	t := Trust{Mode: Vending, VendingRoleARN: principal}
	name, named := take(keys, roleSessionName)
	t.ServerName = name
	if err := noneLeft(where, keys); err != nil {
		return Trust{}, err
	}
	if named && name == "" {
		return Trust{}, shape(where+", Condition", "%s is empty", roleSessionName)
	}
	if isRoleID(principal) {
		return t, nil
	}
	return expressible(where, t)
}

// expressible fails where Policy could not write t again.
func expressible(where string, t Trust) (Trust, error) {
	if err := t.Validate(); err != nil {
		return Trust{}, shape(where, "%v", err)
	}
	return t, nil
}

// isRoleID reports whether s is the unique id of a role. IAM shows it in place of the ARN once the role is deleted.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
func isRoleID(s string) bool {
	rest, ok := strings.CutPrefix(s, "AROA")
	return ok && len(rest) >= 12 && len(s) <= 128 && strings.Trim(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}
