package s3

import (
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
)

type tag struct{ Key, Value string }

type tagging struct {
	XMLName xml.Name `xml:"Tagging"`
	Xmlns   string   `xml:"xmlns,attr,omitempty"`
	TagSet  struct{ Tag []tag }
}

func (c *call) getTagging() error {
	o, err := c.lookup()
	if err != nil {
		return err
	}
	out := tagging{Xmlns: namespace}
	for _, key := range slices.Sorted(maps.Keys(o.tags)) {
		out.TagSet.Tag = append(out.TagSet.Tag, tag{key, o.tags[key]})
	}
	return c.answer(out)
}

func (c *call) putTagging() error {
	text, err := c.document(largestDocument)
	if err != nil {
		return err
	}
	var in tagging
	if err := xml.Unmarshal(text, &in); err != nil {
		return malformedXML()
	}
	tags := map[string]string{}
	for _, one := range in.TagSet.Tag {
		if _, twice := tags[one.Key]; twice {
			return invalid("InvalidTag", "Cannot provide multiple Tags with the same key")
		}
		tags[one.Key] = one.Value
	}
	if err := checkTags(tags); err != nil {
		return err
	}
	return c.setTags(tags, http.StatusOK)
}

func (c *call) deleteTagging() error { return c.setTags(nil, http.StatusNoContent) }

func (c *call) setTags(tags map[string]string, status int) error {
	if _, err := c.lookup(); err != nil {
		return err
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	b := c.s.buckets[c.bucket]
	if b == nil || b.objects[c.key] == nil {
		return noSuchKey(c.key)
	}
	changed := *b.objects[c.key]
	changed.tags = tags
	b.objects[c.key] = &changed
	return c.done(status)
}
