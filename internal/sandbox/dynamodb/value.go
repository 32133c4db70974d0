package dynamodb

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson"
)

// The types of attribute values.
const (
	typeString, typeNumber, typeBinary          = "S", "N", "B"
	typeBool, typeNull, typeList, typeMap       = "BOOL", "NULL", "L", "M"
	typeStringSet, typeNumberSet, typeBinarySet = "SS", "NS", "BS"
)

const maxNesting = 32

// value is an attribute value. Values are never changed once they are stored.
type value struct {
	kind string
	text string // S; N in its canonical form; B raw
	flag bool   // BOOL
	list []value
	set  []string // SS, NS, BS, sorted
	item item     // M
}

// item is an item, or a map within one.
type item map[string]value

func invalid(format string, args ...any) error {
	return awsjson.Refusal("ValidationException", format, args...)
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *value) UnmarshalJSON(data []byte) error { return v.decode(data, 0) }

func (v *value) decode(data []byte, depth int) error {
	if depth > maxNesting {
		return invalid("Nesting Levels have exceeded supported limits")
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil || len(raw) == 0 {
		return invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	}
	if len(raw) > 1 {
		return invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
	for kind, inner := range raw {
		v.kind = kind
		return v.decodeInner(inner, depth)
	}
	return nil
}

func (v *value) decodeInner(data []byte, depth int) error {
	malformed := awsjson.Refusal("SerializationException", "Unexpected value type in payload")
	switch v.kind {
	case typeString, typeNumber, typeBinary:
		if json.Unmarshal(data, &v.text) != nil || bytes.Equal(data, []byte("null")) {
			return malformed
		}
		return v.checkScalar()
	case typeBool, typeNull:
		if json.Unmarshal(data, &v.flag) != nil || bytes.Equal(data, []byte("null")) {
			return malformed
		}
		if v.kind == typeNull && !v.flag {
			return invalid("One or more parameter values were invalid: Null attribute value types must have the value of true")
		}
	case typeStringSet, typeNumberSet, typeBinarySet:
		if json.Unmarshal(data, &v.set) != nil {
			return malformed
		}
		return v.checkSet()
	case typeList:
		var raw []json.RawMessage
		if json.Unmarshal(data, &raw) != nil {
			return malformed
		}
		v.list = make([]value, len(raw))
		for i := range raw {
			if err := v.list[i].decode(raw[i], depth+1); err != nil {
				return err
			}
		}
	case typeMap:
		var raw map[string]json.RawMessage
		if json.Unmarshal(data, &raw) != nil {
			return malformed
		}
		v.item = item{}
		for name, inner := range raw {
			var one value
			if err := one.decode(inner, depth+1); err != nil {
				return err
			}
			v.item[name] = one
		}
	default:
		return invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	}
	return nil
}

func (v *value) checkScalar() (err error) {
	switch v.kind {
	case typeNumber:
		v.text, err = canonicalNumber(v.text)
		return err
	case typeBinary:
		raw, err := base64.StdEncoding.DecodeString(v.text)
		if err != nil {
			return awsjson.Refusal("SerializationException", "Invalid Base64 value")
		}
		v.text = string(raw)
	}
	return nil
}

func (v *value) checkSet() error {
	if len(v.set) == 0 {
		return invalid("One or more parameter values were invalid: An %s set  may not be empty", map[string]string{typeStringSet: "string", typeNumberSet: "number", typeBinarySet: "binary"}[v.kind])
	}
	for i, text := range v.set {
		member := value{kind: strings.TrimSuffix(v.kind, "S"), text: text}
		if err := member.checkScalar(); err != nil {
			return err
		}
		v.set[i] = member.text
	}
	slices.Sort(v.set)
	if len(slices.Compact(slices.Clone(v.set))) != len(v.set) {
		return invalid("One or more parameter values were invalid: Input collection contains duplicates.")
	}
	return nil
}

// MarshalJSON implements json.Marshaler.
func (v value) MarshalJSON() ([]byte, error) {
	var inner any
	switch v.kind {
	case typeString, typeNumber:
		inner = v.text
	case typeBinary:
		inner = []byte(v.text)
	case typeBool, typeNull:
		inner = v.flag
	case typeStringSet, typeNumberSet:
		inner = v.set
	case typeBinarySet:
		raw := make([][]byte, len(v.set))
		for i, member := range v.set {
			raw[i] = []byte(member)
		}
		inner = raw
	case typeList:
		inner = v.list
	case typeMap:
		inner = v.item
	}
	return json.Marshal(map[string]any{v.kind: inner})
}

// canonicalNumber writes a number as DynamoDB returns it: plain notation without needless zeros, at most 38 digits.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html#HowItWorks.DataTypes.Number
func canonicalNumber(text string) (string, error) {
	notNumber := invalid("The parameter cannot be converted to a numeric value: %s", text)
	if len(text) > 256 {
		return "", notNumber
	}
	mantissa, exponentText, hasExponent := strings.Cut(strings.ToLower(text), "e")
	exponent := 0
	if hasExponent {
		n, ok := new(big.Int).SetString(strings.TrimPrefix(exponentText, "+"), 10)
		if !ok || exponentText == "" {
			return "", notNumber
		}
		if !n.IsInt64() || n.Int64() > 1000 || n.Int64() < -1000 {
			return "", invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
		}
		exponent = int(n.Int64())
	}
	sign := ""
	if strings.HasPrefix(mantissa, "-") || strings.HasPrefix(mantissa, "+") {
		sign, mantissa = strings.Trim(mantissa[:1], "+"), mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", notNumber
	}
	exponent -= len(fraction)
	digits = strings.TrimLeft(digits, "0")
	trimmed := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(trimmed)
	switch magnitude := len(trimmed) + exponent; {
	case trimmed == "":
		return "0", nil
	case len(trimmed) > 38:
		return "", invalid("Attempting to store more than 38 significant digits in a Number")
	case magnitude > 126:
		return "", invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
	case magnitude < -129:
		return "", invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	case exponent >= 0:
		return sign + trimmed + strings.Repeat("0", exponent), nil
	case magnitude > 0:
		return sign + trimmed[:magnitude] + "." + trimmed[magnitude:], nil
	default:
		return sign + "0." + strings.Repeat("0", -magnitude) + trimmed, nil
	}
}

// compare orders two values of one scalar type.
func compare(a, b value) (order int, comparable bool) {
	if a.kind != b.kind {
		return 0, false
	}
	switch a.kind {
	case typeString, typeBinary:
		return strings.Compare(a.text, b.text), true
	case typeNumber:
		x, okX := new(big.Rat).SetString(a.text)
		y, okY := new(big.Rat).SetString(b.text)
		if !okX || !okY {
			return 0, false
		}
		return x.Cmp(y), true
	}
	return 0, false
}

func equal(a, b value) bool {
	return a.kind == b.kind && a.text == b.text && a.flag == b.flag &&
		slices.Equal(a.set, b.set) && slices.EqualFunc(a.list, b.list, equal) && maps.EqualFunc(a.item, b.item, equal)
}

// size is in bytes, by DynamoDB's rules for the size of an item.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func (v value) size() int {
	switch v.kind {
	case typeString, typeBinary:
		return len(v.text)
	case typeNumber:
		return (len(strings.Trim(v.text, "-."))+1)/2 + 1
	case typeList:
		n := 3
		for _, one := range v.list {
			n += 1 + one.size()
		}
		return n
	case typeMap:
		return 3 + len(v.item) + v.item.size()
	}
	n := 0
	for _, member := range v.set {
		n += len(member)
	}
	return max(n, 1)
}

func (i item) size() int {
	n := 0
	for name, v := range i {
		n += len(name) + v.size()
	}
	return n
}
