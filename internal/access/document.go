package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	awspolicy "github.com/hashicorp/awspolicyequivalence"
)

// policyVersion is the version of the policy language. The older one, 2008-10-17, lacks policy variables alone.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
const policyVersion = "2012-10-17"

// document and statement have their fields in the order in which policies are written by hand; maps are encoded with
// sorted keys. So the same input gives the same text, always.
type document struct {
	Version   string
	Statement []statement
}

type statement struct {
	Effect    string
	Principal map[string]string `json:",omitempty"`
	Action    values
	Resource  values    `json:",omitempty"`
	Condition condition `json:",omitempty"`
}

type condition map[string]map[string]values // operator → key → values

// values is encoded as a string where there is one, as IAM itself shows it.
type values []string

// MarshalJSON implements json.Marshaler.
func (v values) MarshalJSON() ([]byte, error) {
	if len(v) == 1 {
		return json.Marshal(v[0])
	}
	return json.Marshal([]string(v))
}

// encode writes the canonical form: compact, and in ASCII alone, because IAM takes no character beyond U+00FF in a
// policy (pattern [\u0009\u000A\u000D\u0020-\u00FF]+ of PutRolePolicy).
func encode(statements ...statement) string {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(document{Version: policyVersion, Statement: statements}); err != nil {
		return "" // unreachable: the types above encode always
	}
	var out strings.Builder
	for _, r := range strings.TrimSuffix(buffer.String(), "\n") {
		switch {
		case r < 0x80:
			out.WriteRune(r)
		case r > 0xFFFF:
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

// Equivalent reports whether two policy documents say the same: order, white space and single values in lists aside.
// What is no policy is equivalent to nothing.
func Equivalent(a, b string) bool {
	if !isPolicy(a) || !isPolicy(b) {
		return false
	}
	same, err := awspolicy.PoliciesAreEquivalent(a, b)
	return err == nil && same
}

// isPolicy keeps from awspolicyequivalence what it takes for an empty policy or passes over: text that is no object,
// repeated keys, and elements that it does not compare.
func isPolicy(doc string) bool {
	_, err := parseDocument("policy", doc)
	return err == nil
}

// element is one statement as it was found, before anything is made of it.
type element struct {
	where string // for errors
	body  map[string]any
}

// parseDocument takes a policy apart into its statements, refusing elements that the policy language does not know.
func parseDocument(where, doc string) ([]element, error) {
	top, err := decodeObject(doc)
	if err != nil {
		return nil, shape(where, "it is not a JSON object: %v", err)
	}
	if err := onlyKeys(where, top, "Version", "Id", "Statement"); err != nil {
		return nil, err
	}
	if version, ok := top["Version"]; ok && version != policyVersion && version != "2008-10-17" {
		return nil, shape(where, "its Version is not %q", policyVersion)
	}
	if id, ok := top["Id"]; ok {
		if _, ok := id.(string); !ok {
			return nil, shape(where, "its Id is not a string")
		}
	}
	var list []any
	switch s := top["Statement"].(type) {
	case []any:
		list = s
	case map[string]any:
		list = []any{s}
	default:
		return nil, shape(where, "it has no Statement")
	}
	if len(list) == 0 {
		return nil, shape(where, "its Statement is empty")
	}
	var elements []element
	for i, item := range list {
		e := element{where: where}
		if len(list) > 1 {
			e.where = fmt.Sprintf("%s, statement %d", where, i+1)
		}
		body, ok := item.(map[string]any)
		if !ok {
			return nil, shape(e.where, "it is not a JSON object")
		}
		if err := onlyKeys(e.where, body, "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"); err != nil {
			return nil, err
		}
		if effect := body["Effect"]; effect != "Allow" && effect != "Deny" {
			return nil, shape(e.where, "its Effect is neither Allow nor Deny")
		}
		e.body = body
		elements = append(elements, e)
	}
	return elements, nil
}

// allowOnly fails for a statement that does not allow, or that has one of the inverted elements.
func (e element) allowOnly() error {
	if e.body["Effect"] != "Allow" {
		return shape(e.where, "it denies; oidcs3 writes statements that allow")
	}
	return e.notInverted()
}

// notInverted fails for a statement that has one of the inverted elements.
func (e element) notInverted() error {
	for _, key := range []string{"NotPrincipal", "NotAction", "NotResource"} {
		if _, ok := e.body[key]; ok {
			return shape(e.where, "it has a %s, which oidcs3 never writes", key)
		}
	}
	return nil
}

// strings reads an element that is a string or a list of strings. Absent: none.
func (e element) strings(key string) ([]string, error) {
	raw, ok := e.body[key]
	if !ok {
		return nil, nil
	}
	list, ok := stringList(raw)
	if !ok {
		return nil, shape(e.where, "its %s is neither a string nor a list of strings", key)
	}
	return list, nil
}

// conditions reads the Condition, operator → key → values.
func (e element) conditions() (condition, error) {
	raw, ok := e.body["Condition"]
	if !ok {
		return nil, nil
	}
	where := e.where + ", Condition"
	operators, ok := raw.(map[string]any)
	if !ok {
		return nil, shape(where, "it is not a JSON object")
	}
	found := condition{}
	for operator, raw := range operators {
		keys, ok := raw.(map[string]any)
		if !ok {
			return nil, shape(where, "%s is not a JSON object", operator)
		}
		found[operator] = map[string]values{}
		for key, raw := range keys {
			list, ok := stringList(raw)
			if !ok {
				return nil, shape(where, "%s of %s is neither a string nor a list of strings", operator, key)
			}
			found[operator][key] = list
		}
	}
	return found, nil
}

func stringList(raw any) ([]string, bool) {
	switch v := raw.(type) {
	case string:
		return []string{v}, true
	case []any:
		list := make([]string, 0, len(v))
		for _, item := range v {
			s, ok := item.(string)
			if !ok {
				return nil, false
			}
			list = append(list, s)
		}
		return list, len(list) > 0
	}
	return nil, false
}

func onlyKeys(where string, object map[string]any, known ...string) error {
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if !slices.Contains(known, key) {
			return shape(where, "it has the element %q, which oidcs3 does not know", key)
		}
	}
	return nil
}

// maxDepth bounds nesting; the policy language needs five levels.
const maxDepth = 16

// decodeObject reads one JSON object and refuses repeated keys, which encoding/json lets the last one win: what is
// read here must be what IAM reads.
func decodeObject(doc string) (map[string]any, error) {
	decoder := json.NewDecoder(strings.NewReader(doc))
	decoder.UseNumber()
	value, err := decodeValue(decoder, 0)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text follows the object")
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("another kind of value stands there")
	}
	return object, nil
}

func decodeValue(decoder *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("it is nested too deeply")
	}
	token, err := decoder.Token()
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return decodeMembers(decoder, depth)
	case json.Delim('['):
		list := []any{}
		for decoder.More() {
			value, err := decodeValue(decoder, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err := decoder.Token()
		return list, err
	}
	return token, nil
}

func decodeMembers(decoder *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		key, ok := token.(string)
		if !ok {
			return nil, errors.New("a key is not a string")
		}
		if _, ok := object[key]; ok {
			return nil, fmt.Errorf("the key %q stands there twice", key)
		}
		if object[key], err = decodeValue(decoder, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := decoder.Token()
	return object, err
}
