package dynamodb

import (
	"encoding/json"
	"testing"
)

func FuzzCondition(f *testing.F) {
	for _, seed := range []string{"attribute_not_exists(a) OR (b = :v AND #n <> :v)", "a BETWEEN :v AND :v", "size(a.b[0]) > :v", "NOT a IN (:v, :v)", "((", "a = = b", ":v"} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		n := &names{attributes: map[string]string{"#n": "x"}, values: map[string]value{":v": {kind: typeString, text: "v"}}, used: map[string]bool{}}
		c, err := parseCondition("ConditionExpression", text, n)
		if err == nil {
			c.holds(item{"a": {kind: typeString, text: "v"}})
			c.holds(nil)
		}
	})
}

func FuzzUpdate(f *testing.F) {
	for _, seed := range []string{"SET a = :v REMOVE b[0].c", "SET a = if_not_exists(a, :v), b = list_append(b, :v)", "SET a = a + :v", "REMOVE"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n := &names{values: map[string]value{":v": {kind: typeNumber, text: "1"}}, used: map[string]bool{}}
		actions, err := parseUpdate(text, n)
		if err != nil {
			return
		}
		old := item{"a": {kind: typeNumber, text: "1"}, "b": {kind: typeList, list: []value{{kind: typeMap, item: item{"c": {kind: typeBool}}}}}}
		before, err := json.Marshal(old)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = apply(actions, old)
		if after, err := json.Marshal(old); err != nil || string(after) != string(before) {
			t.Errorf("the old item was changed: %s", after)
		}
	})
}

func FuzzValue(f *testing.F) {
	for _, seed := range []string{`{"S":"x"}`, `{"N":"1.50e3"}`, `{"L":[{"M":{"a":{"NULL":true}}}]}`, `{"SS":["b","a"]}`, `{"B":"AA=="}`, `{}`, `{"N":"1e999999999999"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var v, again value
		if json.Unmarshal([]byte(text), &v) != nil {
			return
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &again); err != nil || !equal(v, again) {
			t.Errorf("%s came back as %s: %v", text, out, err)
		}
	})
}

func TestCanonicalNumber(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"1": "1", "1.0": "1", "-0": "0", "007": "7", "1.50e3": "1500", "1e-3": "0.001", "+5": "5", "-1.2300": "-1.23", "12e1": "120", "0.000": "0", "123.456": "123.456"} {
		if got, err := canonicalNumber(in); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "x", "1e", "e1", "1.2.3", "--1", "1e999", "1e-999", "123456789012345678901234567890123456789", ".", "1_0"} {
		if got, err := canonicalNumber(in); err == nil {
			t.Errorf("%s: got %s, want an error", in, got)
		}
	}
}
