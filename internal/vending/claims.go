package vending

import (
	"math"
	"net/http"
	"strings"
	"time"
)

// claims are a token's, as JSON gave them. Names are matched to the letter, and go-jose refuses repeated ones.
type claims map[string]any

func (c claims) text(name string) string {
	s, _ := c[name].(string)
	return s
}

// list reads a claim that is one string or several.
func (c claims) list(name string) []string {
	switch v := c[name].(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, one := range v {
			if s, ok := one.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// scopes are what the client was granted. Entra lists an application's permissions in roles: its scp is for users.
func (c claims) scopes(provider string) []string {
	if provider == Entra {
		return c.list("roles")
	}
	return strings.Fields(c.text("scope"))
}

// moment reads a NumericDate (RFC 7519, 2). present and not ok: it is there, and no date.
func (c claims) moment(name string) (at time.Time, present, ok bool) {
	raw, present := c[name]
	if !present {
		return at, false, false
	}
	seconds, ok := raw.(float64)
	if !ok || math.IsNaN(seconds) || math.Abs(seconds) > 1<<40 {
		return at, true, false
	}
	return time.Unix(int64(seconds), 0), true, true
}

// checkTime wants exp, and honours nbf and iat where they are.
func (c claims) checkTime(now time.Time) error {
	expires, present, ok := c.moment("exp")
	switch {
	case !present || !ok:
		return badToken("expiry", "the token has no exp")
	case !now.Before(expires.Add(leeway)):
		return &refusal{status: http.StatusUnauthorized, code: "ExpiredToken", reason: "expired", message: "the token has expired"}
	}
	for _, name := range []string{"nbf", "iat"} {
		at, present, ok := c.moment(name)
		switch {
		case present && !ok:
			return badToken("malformed", "the token's "+name+" is no date")
		case present && now.Add(leeway).Before(at):
			return badToken("not_yet", "the token's "+name+" lies in the future")
		}
	}
	return nil
}
