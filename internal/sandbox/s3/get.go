package s3

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// lookup returns the object of the call.
func (c *call) lookup() (*object, error) {
	c.s.mu.RLock()
	var o *object
	if b, ok := c.s.buckets[c.bucket]; ok {
		o = b.objects[c.key]
	}
	c.s.mu.RUnlock()
	if o != nil {
		return o, nil
	}
	// Only those who may list the bucket learn that a key is not there.
	// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
	if err := c.allow("s3:ListBucket", c.bucketARN(c.bucket), c.conditions("s3:ListBucket")); err != nil {
		return nil, err
	}
	return nil, noSuchKey(c.key)
}

// getObject answers GET and HEAD.
func (c *call) getObject() error {
	o, err := c.lookup()
	if err != nil {
		return err
	}
	if err := c.checkRead(o); err != nil {
		return err
	}
	h := c.w.Header()
	for name, value := range o.headers {
		h.Set(name, value)
	}
	for name, value := range o.metadata {
		h.Set(metadataPrefix+name, value)
	}
	if len(o.tags) > 0 {
		h.Set("X-Amz-Tagging-Count", strconv.Itoa(len(o.tags)))
	}
	h.Set("ETag", quoted(o.etag))
	h.Set("Last-Modified", o.modified.Format(http.TimeFormat))
	h.Set("Accept-Ranges", "bytes")
	if err := c.overrideHeaders(h); err != nil {
		return err
	}
	return c.answerData(o)
}

// overrides are the query parameters that replace a header of the answer, for signed requests only.
var overrides = map[string]string{
	"response-content-type": "Content-Type", "response-content-language": "Content-Language",
	"response-expires": "Expires", "response-cache-control": "Cache-Control",
	"response-content-disposition": "Content-Disposition", "response-content-encoding": "Content-Encoding",
}

func (c *call) overrideHeaders(h http.Header) error {
	for name, header := range overrides {
		if !c.query.Has(name) {
			continue
		}
		if c.caller.ARN == "" {
			return invalid("InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests.")
		}
		h.Set(header, c.query.Get(name))
	}
	return nil
}

// checkRead evaluates the conditional headers in the order of RFC 9110, section 13.2.2.
func (c *call) checkRead(o *object) error {
	h := c.r.Header
	if match := h.Get("If-Match"); match != "" {
		if !etagIn(match, o.etag) {
			return preconditionFailed("If-Match")
		}
	} else if t, err := http.ParseTime(h.Get("If-Unmodified-Since")); err == nil && o.modified.Truncate(time.Second).After(t) {
		return preconditionFailed("If-Unmodified-Since")
	}
	notModified := false
	if none := h.Get("If-None-Match"); none != "" {
		notModified = etagIn(none, o.etag)
	} else if t, err := http.ParseTime(h.Get("If-Modified-Since")); err == nil {
		notModified = !o.modified.Truncate(time.Second).After(t)
	}
	if notModified {
		c.w.Header().Set("ETag", quoted(o.etag))
		return fail(http.StatusNotModified, "NotModified", "Not Modified")
	}
	return nil
}

func etagIn(list, etag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.Trim(one, `"`) == etag {
			return true
		}
	}
	return false
}

// answerData writes the range that was asked for.
func (c *call) answerData(o *object) error {
	h := c.w.Header()
	first, size, status := int64(0), o.size, http.StatusOK
	asked := c.r.Header.Get("Range")
	switch {
	case c.query.Has("partNumber"):
		if asked != "" {
			return invalid("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
		}
		var err error
		if first, size, err = o.partRange(c.query.Get("partNumber")); err != nil {
			return err
		}
		if len(o.parts) > 0 {
			h.Set("X-Amz-Mp-Parts-Count", strconv.Itoa(len(o.parts)))
		}
		status = http.StatusPartialContent
	case asked != "":
		r, ok := parseRange(asked, o.size)
		if ok && r.size == 0 {
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", o.size))
			return fail(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable")
		}
		if ok {
			first, size, status = r.first, r.size, http.StatusPartialContent
		}
	}
	if status == http.StatusPartialContent && size > 0 {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, first+size-1, o.size))
	}
	if strings.EqualFold(c.r.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") {
		c.setReadChecksum(o, first, size)
	}
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	c.w.WriteHeader(status)
	if c.r.Method == http.MethodHead {
		return nil
	}
	return c.send(o, first, size)
}

// setReadChecksum names the checksum of the whole object, or of the part that is read; a range has none.
func (c *call) setReadChecksum(o *object, first, size int64) {
	if first == 0 && size == o.size {
		c.setChecksum(o)
		return
	}
	if number, err := strconv.Atoi(c.query.Get("partNumber")); err == nil && number >= 1 && number <= len(o.parts) && o.checksum.kind == composite {
		c.w.Header().Set(o.checksum.algorithm.header(), o.parts[number-1].checksum)
		c.w.Header().Set("X-Amz-Checksum-Type", composite)
	}
}

// send writes data. Once the headers are out, an error can only end the connection.
func (c *call) send(o *object, first, size int64) error {
	data, err := open(o.segments, first, size)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer func() { _ = data.Close() }()
	in := c.s.settings.disturb(data, size)
	if _, err := io.CopyBuffer(struct{ io.Writer }{c.w}, in, make([]byte, 256<<10)); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// partRange is the range of one part; an object that was not uploaded in parts is its own part 1.
func (o *object) partRange(text string) (first, size int64, err error) {
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > mostParts {
		return 0, 0, invalid("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
	}
	if len(o.parts) == 0 && number == 1 {
		return 0, o.size, nil
	}
	if number > len(o.parts) {
		return 0, 0, fail(http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber", "The requested partnumber is not satisfiable")
	}
	for _, p := range o.parts[:number-1] {
		first += p.size
	}
	return first, o.parts[number-1].size, nil
}

// byteRange is a stretch of an object, in bytes; size 0 means that nothing of it is there.
type byteRange struct{ first, size int64 }

// parseRange reads "bytes=FIRST-LAST", "bytes=FIRST-" or "bytes=-LENGTH" for an object of size bytes. S3 ignores what is
// not of that form, several ranges included.
func parseRange(header string, size int64) (byteRange, bool) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	from, to, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || !dash {
		return byteRange{}, false
	}
	last, lastOK := digits(to)
	if from == "" {
		if !lastOK {
			return byteRange{}, false
		}
		n := min(last, size)
		return byteRange{size - n, n}, true
	}
	first, ok := digits(from)
	if !ok || (to != "" && !lastOK) || (lastOK && last < first) {
		return byteRange{}, false
	}
	if first >= size {
		return byteRange{}, true
	}
	if !lastOK || last >= size {
		last = size - 1
	}
	return byteRange{first, last - first + 1}, true
}

func digits(text string) (int64, bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	return int64(n), err == nil //nolint:gosec // 63 bits
}

// copySource is the object that x-amz-copy-source names.
func (c *call) copySource() (*object, error) {
	source := c.r.Header.Get("X-Amz-Copy-Source")
	path, version, _ := strings.Cut(source, "?")
	path, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
	name, key, ok := strings.Cut(path, "/")
	if err != nil || !ok || key == "" || version != "" && version != "versionId=null" {
		return nil, invalid("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	from := *c
	from.bucket, from.key, from.query = name, key, nil
	if err := from.checkBucket(); err != nil {
		return nil, err
	}
	if err := from.allow("s3:GetObject", from.resource(), from.conditions("s3:GetObject")); err != nil {
		return nil, err
	}
	o, err := from.lookup()
	if err != nil {
		return nil, err
	}
	return o, c.checkSource(o)
}

func (c *call) checkSource(o *object) error {
	h := c.r.Header
	if match := h.Get("X-Amz-Copy-Source-If-Match"); match != "" && !etagIn(match, o.etag) {
		return preconditionFailed("x-amz-copy-source-If-Match")
	}
	if none := h.Get("X-Amz-Copy-Source-If-None-Match"); none != "" && etagIn(none, o.etag) {
		return preconditionFailed("x-amz-copy-source-If-None-Match")
	}
	return nil
}
