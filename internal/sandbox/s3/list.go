package s3

import (
	"encoding/base64"
	"encoding/xml"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const mostKeys = 1000 // of one page

// listing is what a request for a list asks for.
type listing struct {
	prefix, delimiter string
	after             string // keys and common prefixes up to and including this one are left out
	limit             int
	encode            func(string) string
}

type entry struct {
	Key               string
	LastModified      string
	ETag              string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
	Size              int64
	Owner             *owner `xml:",omitempty"`
	StorageClass      string
}

type owner struct{ ID string }

type commonPrefix struct{ Prefix string }

type page struct {
	objects   []*object
	prefixes  []string
	truncated bool
	last      string // the last key or common prefix of the page
}

func (c *call) listing() (listing, error) {
	l := listing{prefix: c.query.Get("prefix"), delimiter: c.query.Get("delimiter"), limit: mostKeys, encode: func(s string) string { return s }}
	if text := c.query.Get("max-keys"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return l, invalid("InvalidArgument", "Provided max-keys not an integer or within integer range")
		}
		l.limit = min(n, mostKeys)
	}
	switch c.query.Get("encoding-type") {
	case "":
	case "url":
		l.encode = encodeURL
	default:
		return l, invalid("InvalidArgument", "Invalid Encoding Method specified in Request")
	}
	return l, nil
}

// encodeURL escapes as encoding-type=url asks, slashes excepted.
func encodeURL(s string) string {
	return strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(s))
}

// page collects one page of keys in the order of their bytes.
func (c *call) page(l listing) page {
	c.s.mu.RLock()
	defer c.s.mu.RUnlock()
	var p page
	b, ok := c.s.buckets[c.bucket]
	if !ok || l.limit == 0 {
		return p
	}
	keys := make([]string, 0, len(b.objects))
	for key := range b.objects {
		if strings.HasPrefix(key, l.prefix) && key > l.after {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		common := commonOf(key, l)
		if common != "" && (common == l.after || len(p.prefixes) > 0 && p.prefixes[len(p.prefixes)-1] == common) {
			continue
		}
		if len(p.objects)+len(p.prefixes) == l.limit {
			p.truncated = true
			return p
		}
		if common != "" {
			p.prefixes, p.last = append(p.prefixes, common), common
		} else {
			p.objects, p.last = append(p.objects, b.objects[key]), key
		}
	}
	return p
}

func (c *call) entries(p page, l listing, withOwner bool) []entry {
	out := make([]entry, 0, len(p.objects))
	for _, o := range p.objects {
		class := o.headers["X-Amz-Storage-Class"]
		if class == "" {
			class = "STANDARD"
		}
		e := entry{
			Key: l.encode(o.key), LastModified: timestamp(o.modified), ETag: quoted(o.etag), Size: o.size, StorageClass: class,
			ChecksumAlgorithm: string(o.checksum.algorithm), ChecksumType: o.checksum.kind,
		}
		if withOwner {
			e.Owner = c.s.owner()
		}
		out = append(out, e)
	}
	return out
}

func (p page) common(l listing) []commonPrefix {
	var out []commonPrefix
	for _, prefix := range p.prefixes {
		out = append(out, commonPrefix{l.encode(prefix)})
	}
	return out
}

type listV2 struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Xmlns                 string   `xml:"xmlns,attr"`
	Name                  string
	Prefix                string
	Delimiter             string `xml:",omitempty"`
	StartAfter            string `xml:",omitempty"`
	ContinuationToken     string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	KeyCount              int
	MaxKeys               int
	EncodingType          string `xml:",omitempty"`
	IsTruncated           bool
	Contents              []entry
	CommonPrefixes        []commonPrefix
}

// listObjectsV2: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
func (c *call) listObjectsV2() error {
	l, err := c.listing()
	if err != nil {
		return err
	}
	if c.query.Get("list-type") != "2" {
		return invalid("InvalidArgument", "Invalid List Type specified in Request")
	}
	l.after = c.query.Get("start-after")
	token := c.query.Get("continuation-token")
	if c.query.Has("continuation-token") {
		raw, err := base64.URLEncoding.DecodeString(token)
		if err != nil || len(raw) == 0 {
			return invalid("InvalidArgument", "The continuation token provided is incorrect")
		}
		l.after = string(raw)
	}
	p := c.page(l)
	out := listV2{
		Xmlns: namespace, Name: c.bucket, Prefix: l.encode(l.prefix), Delimiter: l.encode(l.delimiter),
		StartAfter: l.encode(c.query.Get("start-after")), ContinuationToken: token,
		KeyCount: len(p.objects) + len(p.prefixes), MaxKeys: l.limit, EncodingType: c.query.Get("encoding-type"),
		IsTruncated: p.truncated, Contents: c.entries(p, l, c.query.Get("fetch-owner") == "true"), CommonPrefixes: p.common(l),
	}
	if p.truncated {
		out.NextContinuationToken = base64.URLEncoding.EncodeToString([]byte(p.last))
	}
	return c.answer(out)
}

type listV1 struct {
	XMLName        xml.Name `xml:"ListBucketResult"`
	Xmlns          string   `xml:"xmlns,attr"`
	Name           string
	Prefix         string
	Marker         string
	NextMarker     string `xml:",omitempty"`
	Delimiter      string `xml:",omitempty"`
	MaxKeys        int
	EncodingType   string `xml:",omitempty"`
	IsTruncated    bool
	Contents       []entry
	CommonPrefixes []commonPrefix
}

// listObjects: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html
func (c *call) listObjects() error {
	l, err := c.listing()
	if err != nil {
		return err
	}
	l.after = c.query.Get("marker")
	p := c.page(l)
	out := listV1{
		Xmlns: namespace, Name: c.bucket, Prefix: l.encode(l.prefix), Marker: l.encode(l.after), Delimiter: l.encode(l.delimiter),
		MaxKeys: l.limit, EncodingType: c.query.Get("encoding-type"), IsTruncated: p.truncated,
		Contents: c.entries(p, l, true), CommonPrefixes: p.common(l),
	}
	if p.truncated && l.delimiter != "" { // without a delimiter the last key is the marker
		out.NextMarker = l.encode(p.last)
	}
	return c.answer(out)
}
