package dynamodb

import "strings"

// token is one of an expression: an identifier or keyword, "#name", ":value", a number, or a symbol. text is "" at the
// end.
type token struct {
	text       string
	start, end int // in the expression, in bytes
}

func (t token) isWord() bool { return t.text != "" && (isLetter(t.text[0]) || t.text[0] == '#') }

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// lex splits an expression. A character that begins no token is one by itself, and the parser's syntax error.
func lex(text string) []token {
	var tokens []token
	for i := 0; i < len(text); {
		if strings.IndexByte(" \t\r\n", text[i]) >= 0 {
			i++
			continue
		}
		end := i + tokenLength(text[i:])
		tokens = append(tokens, token{text[i:end], i, end})
		i = end
	}
	return append(tokens, token{start: len(text), end: len(text)})
}

func tokenLength(s string) int {
	switch c := s[0]; {
	case isLetter(c), c == '#', c == ':':
		n := 1
		for n < len(s) && (isLetter(s[n]) || isDigit(s[n]) || (c == '#' || c == ':') && s[n] == '-') {
			n++
		}
		return n
	case isDigit(c):
		n := 1
		for n < len(s) && isDigit(s[n]) {
			n++
		}
		return n
	case strings.HasPrefix(s, "<>"), strings.HasPrefix(s, "<="), strings.HasPrefix(s, ">="):
		return 2
	}
	return 1
}
