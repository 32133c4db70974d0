package policy

import (
	"bytes"
	"encoding/base64"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// operators are the condition operators that AWS documents, without quantor and IfExists; Null is apart.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
var operators = map[string]test{
	"StringEquals":              {match: stringEquals},
	"StringNotEquals":           {match: stringEquals, negated: true},
	"StringEqualsIgnoreCase":    {match: stringEqualsIgnoreCase},
	"StringNotEqualsIgnoreCase": {match: stringEqualsIgnoreCase, negated: true},
	"StringLike":                {match: stringLike},
	"StringNotLike":             {match: stringLike, negated: true},

	"NumericEquals":            numeric(func(c int) bool { return c == 0 }),
	"NumericNotEquals":         negate(numeric(func(c int) bool { return c == 0 })),
	"NumericLessThan":          numeric(func(c int) bool { return c < 0 }),
	"NumericLessThanEquals":    numeric(func(c int) bool { return c <= 0 }),
	"NumericGreaterThan":       numeric(func(c int) bool { return c > 0 }),
	"NumericGreaterThanEquals": numeric(func(c int) bool { return c >= 0 }),

	"DateEquals":            date(func(c int) bool { return c == 0 }),
	"DateNotEquals":         negate(date(func(c int) bool { return c == 0 })),
	"DateLessThan":          date(func(c int) bool { return c < 0 }),
	"DateLessThanEquals":    date(func(c int) bool { return c <= 0 }),
	"DateGreaterThan":       date(func(c int) bool { return c > 0 }),
	"DateGreaterThanEquals": date(func(c int) bool { return c >= 0 }),

	"Bool":         {match: boolean},
	"BinaryEquals": {match: binaryEquals},
	"IpAddress":    {match: ipAddress},
	"NotIpAddress": {match: ipAddress, negated: true},

	// AWS: ArnEquals and ArnLike behave identically.
	"ArnEquals":    {match: arnLike},
	"ArnLike":      {match: arnLike},
	"ArnNotEquals": {match: arnLike, negated: true},
	"ArnNotLike":   {match: arnLike, negated: true},
}

func negate(t test) test {
	t.negated = true
	return t
}

func stringEquals(s *scope, have, want string) truth {
	p, t := s.expand(want, false)
	if t != yes {
		return t
	}
	return truthOf(p.literal() == have)
}

func stringEqualsIgnoreCase(s *scope, have, want string) truth {
	p, t := s.expand(want, false)
	if t != yes {
		return t
	}
	return truthOf(strings.EqualFold(p.literal(), have))
}

func stringLike(s *scope, have, want string) truth {
	p, t := s.expand(want, true)
	if t != yes {
		return t
	}
	return truthOf(p.match(have))
}

func numeric(ok func(int) bool) test {
	return test{match: func(_ *scope, have, want string) truth {
		a, okA := new(big.Float).SetString(have)
		b, okB := new(big.Float).SetString(want)
		if !okA || !okB {
			return unknown
		}
		return truthOf(ok(a.Cmp(b)))
	}}
}

func date(ok func(int) bool) test {
	return test{match: func(_ *scope, have, want string) truth {
		a, okA := moment(have)
		b, okB := moment(want)
		if !okA || !okB {
			return unknown
		}
		return truthOf(ok(a.Compare(b)))
	}}
}

// moment reads the W3C profile of ISO 8601, or seconds since 1970.
func moment(s string) (time.Time, bool) {
	if seconds, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) != 4 {
		return time.Unix(seconds, 0), true
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", time.DateOnly, "2006-01", "2006"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func boolean(_ *scope, have, want string) truth {
	a, okA := parseBool(have)
	b, okB := parseBool(want)
	if !okA || !okB {
		return unknown
	}
	return truthOf(a == b)
}

func parseBool(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

func binaryEquals(_ *scope, have, want string) truth {
	a, errA := base64.StdEncoding.DecodeString(have)
	b, errB := base64.StdEncoding.DecodeString(want)
	if errA != nil || errB != nil {
		return unknown
	}
	return truthOf(bytes.Equal(a, b))
}

func ipAddress(_ *scope, have, want string) truth {
	addr, err := netip.ParseAddr(have)
	if err != nil {
		return unknown
	}
	if !strings.Contains(want, "/") {
		one, err := netip.ParseAddr(want)
		if err != nil {
			return unknown
		}
		return truthOf(one.Unmap() == addr.Unmap())
	}
	prefix, err := netip.ParsePrefix(want)
	if err != nil {
		return unknown
	}
	return truthOf(prefix.Contains(addr.Unmap()))
}

// arnLike compares the six parts of an ARN one by one, so that a wildcard stays in its part.
func arnLike(s *scope, have, want string) truth {
	p, t := s.expand(want, true)
	if t != yes {
		return t
	}
	wants := p.split(':', 6)
	haves := strings.SplitN(have, ":", 6)
	if len(wants) != 6 || len(haves) != 6 {
		return no
	}
	for i, part := range wants {
		if !part.match(haves[i]) {
			return no
		}
	}
	return yes
}
