package access

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Together is the statements of several policies, ordered by the policies' names, as one document for people to read.
// Nothing about a statement is changed but the order of its keys. It is empty where one of the policies does not parse.
func Together(policies map[string]string) string {
	statements := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(policies)) {
		elements, err := parseDocument("inline policy "+name, policies[name])
		if err != nil {
			return ""
		}
		for _, e := range elements {
			statements = append(statements, e.body)
		}
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(struct {
		Version   string
		Statement []map[string]any
	}{policyVersion, statements})
	if err != nil {
		return "" // unreachable: what was decoded from JSON encodes
	}
	return strings.TrimSpace(buffer.String())
}
