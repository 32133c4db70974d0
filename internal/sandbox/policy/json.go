package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

var errSyntax = &MalformedError{"Syntax errors in policy."}

type member struct {
	name  string
	value json.RawMessage
}

// object splits a JSON object into its members. encoding/json would silently take the last of two members of one name;
// IAM refuses them.
func object(raw json.RawMessage) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, errSyntax
	}
	var members []member
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, errSyntax
		}
		name, ok := token.(string)
		if !ok || seen[name] {
			return nil, errSyntax
		}
		seen[name] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errSyntax
		}
		members = append(members, member{name, value})
	}
	if _, err := d.Token(); err != nil {
		return nil, errSyntax
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errSyntax
	}
	return members, nil
}

func text(raw json.RawMessage) (string, error) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", errSyntax
	}
	return s, nil
}

// list reads one value or an array of them.
func list(raw json.RawMessage) ([]json.RawMessage, error) {
	if len(raw) == 0 || raw[0] != '[' {
		return []json.RawMessage{raw}, nil
	}
	var values []json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, errSyntax
	}
	return values, nil
}

func texts(raw json.RawMessage) ([]string, error) {
	values, err := list(raw)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(values))
	for i, value := range values {
		if out[i], err = text(value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// scalars reads the values of a condition, where IAM also takes numbers and booleans.
func scalars(raw json.RawMessage) ([]string, error) {
	values, err := list(raw)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(values))
	for i, value := range values {
		switch {
		case len(value) == 0:
			return nil, errSyntax
		case value[0] == '"':
			if out[i], err = text(value); err != nil {
				return nil, err
			}
		case value[0] == '{', value[0] == '[', value[0] == 'n':
			return nil, errSyntax
		default:
			out[i] = string(value)
		}
	}
	return out, nil
}
