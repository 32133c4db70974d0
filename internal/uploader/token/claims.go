package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Claims is what a token says of itself. Nobody has verified it: it is good for diagnostics and nothing else.
type Claims struct {
	Type      string // header typ: "JWT", "at+jwt"
	Issuer    string
	Audience  []string
	AZP       string // authorized party; AWS STS takes it for the audience where it is present
	Subject   string
	ClientID  string
	TokenUse  string // Cognito's: "access"
	Scope     string // blank-separated
	ExpiresAt time.Time
	NotBefore time.Time // zero without nbf
	IssuedAt  time.Time // zero without iat
}

// Peek decodes a token without verifying it. Opaque tokens are an error.
func Peek(t Token) (Claims, error) {
	parts := strings.Split(t.Value.Reveal(), ".")
	if len(parts) != 3 {
		return Claims{}, errors.New("the token is not a JWT")
	}
	var header struct {
		Type string `json:"typ"`
	}
	var body struct {
		Issuer   string   `json:"iss"`
		Audience audience `json:"aud"`
		AZP      string   `json:"azp"`
		Subject  string   `json:"sub"`
		ClientID string   `json:"client_id"`
		TokenUse string   `json:"token_use"`
		Scope    string   `json:"scope"`
		Expires  float64  `json:"exp"`
		Before   float64  `json:"nbf"`
		Issued   float64  `json:"iat"`
	}
	if decode(parts[0], &header) != nil || decode(parts[1], &body) != nil {
		return Claims{}, errors.New("the token is not a JWT")
	}
	c := Claims{Type: clean(header.Type), Issuer: clean(body.Issuer), AZP: clean(body.AZP), Subject: clean(body.Subject), ClientID: clean(body.ClientID),
		TokenUse: clean(body.TokenUse), Scope: clean(body.Scope), ExpiresAt: moment(body.Expires), NotBefore: moment(body.Before), IssuedAt: moment(body.Issued)}
	for _, a := range body.Audience {
		if a != "" { // null and "" name nobody
			c.Audience = append(c.Audience, clean(a))
		}
	}
	return c, nil
}

// moment reads a NumericDate (RFC 7519, 2); zero where it makes no sense.
func moment(seconds float64) time.Time {
	if seconds <= 0 || seconds >= 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// audience is a string or a list of strings (RFC 7519, 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

func decode(part string, into any) error {
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
