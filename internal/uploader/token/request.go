package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
)

// answerLimit bounds what is read of an answer; STS takes tokens of up to 20,000 characters.
const answerLimit = 256 << 10

// busy says that the server is overloaded or under maintenance (RFC 6749, 4.1.2.1), whatever the status beside it.
const busy = "temporarily_unavailable"

// answer is the token endpoint's answer, success or not (RFC 6749, 5.1 and 5.2).
type answer struct {
	AccessToken string      `json:"access_token"`
	TokenType   string      `json:"token_type"`
	ExpiresIn   json.Number `json:"expires_in"`
	Error       string      `json:"error"`
	Description string      `json:"error_description"`
}

// request asks once. What is worth another call comes back as *retry.Again.
func (s *Source) request(ctx context.Context) (Token, error) {
	r, err := s.endpoint.request(ctx, s.now())
	if err != nil {
		return Token{}, err
	}
	// Without the monotonic clock, which stands still while a machine sleeps and goes on where a snapshot of it was taken:
	// tokens end by the time of day. https://pkg.go.dev/time#hdr-Monotonic_Clocks
	start := s.now().Round(0)
	resp, err := s.client.Do(r)
	if err != nil {
		return Token{}, &retry.Again{Err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	if err != nil {
		return Token{}, &retry.Again{Err: fmt.Errorf("read answer: %w", err)}
	}
	var a answer
	malformed := json.Unmarshal(body, &a)
	switch {
	case retry.Transient(resp.StatusCode), a.Error == busy:
		err := fmt.Errorf("status %d %s", resp.StatusCode, clean(a.Error))
		return Token{}, &retry.Again{Err: err, After: retry.After(resp.Header, s.now())}
	case resp.StatusCode >= 400:
		return Token{}, &Refused{Host: s.endpoint.host(), Provider: s.endpoint.provider, Status: resp.StatusCode,
			Code: clean(a.Error), Description: clean(a.Description)}
	case resp.StatusCode != http.StatusOK || malformed != nil || a.AccessToken == "":
		return Token{}, fmt.Errorf("status %d without an access token in it: is this host a token endpoint?", resp.StatusCode)
	case a.TokenType != "" && !strings.EqualFold(a.TokenType, "Bearer"):
		return Token{}, errors.New("the token is not a bearer token")
	}
	life := lifetime(a)
	return Token{Value: config.Secret(a.AccessToken), Expires: start.Add(life - margin(life))}, nil
}

// lifetime is how long the token is good for. Without a usable expires_in it is used once.
func lifetime(a answer) time.Duration {
	seconds, err := a.ExpiresIn.Int64()
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 30*24*3600)) * time.Second
}

// clean makes text from the network fit for a line on a terminal.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 400 {
		text = strings.ToValidUTF8(text[:400], "") + "…"
	}
	return text
}
