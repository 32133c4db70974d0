package entra

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	defaultPage = 100
	maxPage     = 999
)

// item is an object as a list shows it.
type item struct {
	id         string
	properties map[string]any
}

// page makes the answer of a list: what the filter matches, a page of it, the selected properties.
// https://learn.microsoft.com/graph/query-parameters
func (c *call) page(entity string, filterable []string, items []item) (map[string]any, error) {
	for name := range c.query {
		if !slices.Contains([]string{"$filter", "$select", "$top", "$count", "$skiptoken"}, name) {
			return nil, unsupportedQuery("The query parameter '" + name + "' is not supported by the sandbox.")
		}
	}
	match, err := parseFilter(c.query.Get("$filter"))
	if err != nil {
		return nil, err
	}
	for _, t := range match {
		if !slices.Contains(filterable, t.property) {
			return nil, unsupportedQuery("Unsupported or invalid query filter clause specified for property '" + t.property + "' of resource '" + entity + "'.")
		}
	}
	size, err := pageSize(c.query)
	if err != nil {
		return nil, err
	}
	after, err := base64.RawURLEncoding.DecodeString(c.query.Get("$skiptoken"))
	if err != nil {
		return nil, unsupportedQuery("The skip token is malformed.")
	}
	slices.SortFunc(items, func(a, b item) int { return strings.Compare(a.id, b.id) })
	values, total, last, more := []any{}, 0, "", false
	for _, one := range items {
		if !match.holds(one.properties) {
			continue
		}
		total++
		switch {
		case one.id <= string(after):
		case len(values) == size:
			more = true
		default:
			shown, err := selected(one.properties, c.query.Get("$select"))
			if err != nil {
				return nil, err
			}
			values, last = append(values, shown), one.id
		}
	}
	answer := map[string]any{"@odata.context": "https://" + c.tenant.cfg.GraphHost + "/v1.0/$metadata#" + entity, "value": values}
	if c.query.Get("$count") == "true" {
		answer["@odata.count"] = total
	}
	if more {
		next := url.Values{}
		for name, value := range c.query {
			next[name] = value
		}
		next.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte(last)))
		answer["@odata.nextLink"] = "https://" + c.tenant.cfg.GraphHost + c.r.URL.EscapedPath() + "?" + next.Encode()
	}
	return answer, nil
}

func pageSize(query url.Values) (int, error) {
	if !query.Has("$top") {
		return defaultPage, nil
	}
	size, err := strconv.Atoi(query.Get("$top"))
	if err != nil || size < 1 || size > maxPage {
		return 0, unsupportedQuery("Invalid page size specified: '" + query.Get("$top") + "'. Must be between 1 and 999 inclusive.")
	}
	return size, nil
}

// selected leaves the properties that $select names; without one, all.
func selected(properties map[string]any, names string) (map[string]any, error) {
	if names == "" {
		return properties, nil
	}
	some := map[string]any{}
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		value, ok := properties[name]
		if !ok {
			return nil, &graphError{400, "BadRequest", "Parsing OData Select and Expand failed: Could not find a property named '" + name + "'."}
		}
		some[name] = value
	}
	return some, nil
}

// selects reports whether $select names the property.
func (c *call) selects(property string) bool {
	for name := range strings.SplitSeq(c.query.Get("$select"), ",") {
		if strings.TrimSpace(name) == property {
			return true
		}
	}
	return false
}

func unsupportedQuery(message string) *graphError {
	return &graphError{400, "Request_UnsupportedQuery", message}
}

// filter is a conjunction.
type filter []term

// term is one comparison of a filter.
type term struct {
	property string
	verb     string // "eq", "any" or "startswith"
	value    string
}

// holds compares texts without regard to case, as the directory does.
func (f filter) holds(properties map[string]any) bool {
	for _, t := range f {
		if !t.holds(properties[t.property]) {
			return false
		}
	}
	return true
}

func (t term) holds(have any) bool {
	switch have := have.(type) {
	case string:
		if t.verb == "startswith" {
			return len(have) >= len(t.value) && strings.EqualFold(have[:len(t.value)], t.value)
		}
		return t.verb == "eq" && strings.EqualFold(have, t.value)
	case bool:
		return t.verb == "eq" && strconv.FormatBool(have) == t.value
	case []string:
		return t.verb == "any" && slices.ContainsFunc(have, func(one string) bool { return strings.EqualFold(one, t.value) })
	default:
		return false
	}
}

// parseFilter understands terms joined by "and": property eq value, property/any(x:x eq value), startswith(property,value).
func parseFilter(text string) (filter, error) {
	var terms filter
	for rest := strings.TrimSpace(text); rest != ""; {
		one, after, ok := parseTerm(rest)
		if !ok {
			return nil, unsupportedQuery("Invalid filter clause: the sandbox does not understand it.")
		}
		terms = append(terms, one)
		if after = strings.TrimSpace(after); after == "" {
			return terms, nil
		}
		if rest, ok = strings.CutPrefix(after, "and "); !ok {
			return nil, unsupportedQuery("Invalid filter clause: the sandbox does not understand it.")
		}
		if rest = strings.TrimSpace(rest); rest == "" {
			return nil, unsupportedQuery("Invalid filter clause: it ends too early.")
		}
	}
	return terms, nil
}

func parseTerm(text string) (one term, rest string, ok bool) {
	if rest, ok := strings.CutPrefix(text, "startswith("); ok {
		property, rest, ok := strings.Cut(rest, ",")
		if !ok || !word(strings.TrimSpace(property)) {
			return term{}, "", false
		}
		value, rest, ok := literal(rest)
		rest, closed := strings.CutPrefix(strings.TrimSpace(rest), ")")
		return term{strings.TrimSpace(property), "startswith", value}, rest, ok && closed
	}
	end := strings.IndexFunc(text, func(r rune) bool { return !letter(r) })
	if end <= 0 {
		return term{}, "", false
	}
	property, rest := text[:end], text[end:]
	if rest, ok := strings.CutPrefix(rest, "/any("); ok {
		variable, rest, ok := strings.Cut(rest, ":")
		if !ok || !word(variable) {
			return term{}, "", false
		}
		rest, ok = strings.CutPrefix(strings.TrimSpace(rest), variable+" eq ")
		value, rest, valued := literal(rest)
		rest, closed := strings.CutPrefix(strings.TrimSpace(rest), ")")
		return term{property, "any", value}, rest, ok && valued && closed
	}
	rest, ok = strings.CutPrefix(rest, " eq ")
	value, rest, valued := literal(rest)
	return term{property, "eq", value}, rest, ok && valued
}

// literal reads a quoted text, in which a quote is doubled, or a bare GUID or boolean.
func literal(text string) (value, rest string, ok bool) {
	text = strings.TrimSpace(text)
	if quoted, ok := strings.CutPrefix(text, "'"); ok {
		var b strings.Builder
		for {
			part, after, closed := strings.Cut(quoted, "'")
			b.WriteString(part)
			if !closed {
				return "", "", false
			}
			if quoted, ok = strings.CutPrefix(after, "'"); !ok {
				return b.String(), after, true
			}
			b.WriteByte('\'')
		}
	}
	end := strings.IndexFunc(text, func(r rune) bool { return !letter(r) && r != '-' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(text)
	}
	return text[:end], text[end:], end > 0
}

func letter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

func word(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !letter(r) })
}
