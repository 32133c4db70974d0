package policy

import "strings"

// pattern is a text with wildcards, in which a literal * or ? can be told from a wildcard.
type pattern []symbol

type symbol struct {
	char rune
	wild bool // char is '*' or '?' and stands for others
}

func literal(s string) pattern {
	p := make(pattern, 0, len(s))
	for _, c := range s {
		p = append(p, symbol{char: c})
	}
	return p
}

func wildcards(s string) pattern {
	p := literal(s)
	for i := range p {
		p[i].wild = p[i].char == '*' || p[i].char == '?'
	}
	return p
}

func (p pattern) literal() string {
	var b strings.Builder
	for _, s := range p {
		b.WriteRune(s.char)
	}
	return b.String()
}

// split cuts the pattern at separators that are not wildcards' doing, into at most n parts.
func (p pattern) split(separator rune, n int) []pattern {
	var parts []pattern
	start := 0
	for i, s := range p {
		if s.char == separator && len(parts) < n-1 {
			parts = append(parts, p[start:i])
			start = i + 1
		}
	}
	return append(parts, p[start:])
}

// match reports whether the whole text fits. It runs in O(len(p)·len(text)) and does not recurse.
func (p pattern) match(text string) bool {
	runes := []rune(text)
	i, j := 0, 0
	star, mark := -1, 0
	for j < len(runes) {
		switch {
		case i < len(p) && p[i].wild && p[i].char == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i].wild || p[i].char == runes[j]):
			i++
			j++
		case star >= 0: // let the last * take one more
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i].wild && p[i].char == '*' {
		i++
	}
	return i == len(p)
}
