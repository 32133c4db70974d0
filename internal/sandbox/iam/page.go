package iam

import (
	"encoding/base64"
	"sort"
)

// page is a part of a list and the marker of the next.
type page[T any] struct {
	items  []T
	marker string // "" on the last page
}

// cut takes the page that the call's Marker and MaxItems ask for. A marker names the last item of the page before, so
// that a list may change between two pages. Items sort by key.
func cut[T any](c *call, items []T, key func(T) string) (page[T], error) {
	limit, err := c.number("MaxItems", defaultPageLength)
	if err != nil {
		return page[T]{}, err
	}
	if limit < 1 || limit > maxPageLength {
		return page[T]{}, validation("1 validation error detected: Value '%d' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and %d", limit, maxPageLength)
	}
	sorted := append([]T(nil), items...)
	sort.SliceStable(sorted, func(i, j int) bool { return key(sorted[i]) < key(sorted[j]) })
	start := 0
	if marker := c.form.Get("Marker"); marker != "" {
		after, err := base64.URLEncoding.DecodeString(marker)
		if err != nil {
			return page[T]{}, validation("Invalid Marker.")
		}
		start = sort.Search(len(sorted), func(i int) bool { return key(sorted[i]) > string(after) })
	}
	end := min(start+limit, len(sorted))
	p := page[T]{items: sorted[start:end]}
	if end < len(sorted) {
		p.marker = base64.URLEncoding.EncodeToString([]byte(key(sorted[end-1])))
	}
	return p, nil
}

func (p page[T]) xml() xmlPage { return xmlPage{IsTruncated: p.marker != "", Marker: p.marker} }
