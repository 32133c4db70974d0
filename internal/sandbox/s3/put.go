package s3

import (
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"strings"
)

func (c *call) putObject() error {
	a, err := c.newAttributes()
	if err != nil {
		return err
	}
	if err := c.checkWrite(); err != nil {
		return err
	}
	got, err := c.receive(crc64NVME)
	if err != nil {
		return err
	}
	o := &object{
		key: c.key, size: got.size, etag: hex.EncodeToString(got.md5), checksum: got.checksum,
		segments: []segment{{got.blob, 0, got.size}}, attributes: a,
	}
	if err := c.store(o, nil); err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("ETag", quoted(o.etag))
	c.setChecksum(o)
	setEncryption(h, o)
	return c.done(http.StatusOK)
}

// newAttributes reads the headers of a request that creates an object, and asks for the right to tag it.
func (c *call) newAttributes() (attributes, error) {
	a, err := attributesOf(c.r.Header)
	if err != nil {
		return a, err
	}
	if len(a.tags) > 0 {
		return a, c.allow("s3:PutObjectTagging", c.resource(), c.conditions("s3:PutObject"))
	}
	return a, nil
}

// store puts the object in place if the request's conditions hold at that moment; also runs in the same step.
func (c *call) store(o *object, also func(*bucket) error) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	b, ok := c.s.buckets[c.bucket]
	if !ok {
		return noSuchBucket(c.bucket)
	}
	if err := c.checkConditions(b); err != nil {
		return err
	}
	if also != nil {
		if err := also(b); err != nil {
			return err
		}
	}
	o.modified = c.s.cfg.Now().UTC()
	b.objects[o.key] = o
	return nil
}

// checkWrite looks at the conditions before the body comes, so that a client need not send it in vain.
func (c *call) checkWrite() error {
	c.s.mu.RLock()
	defer c.s.mu.RUnlock()
	b, ok := c.s.buckets[c.bucket]
	if !ok {
		return noSuchBucket(c.bucket)
	}
	return c.checkConditions(b)
}

// checkConditions is called with the lock held.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
func (c *call) checkConditions(b *bucket) error {
	o, exists := b.objects[c.key]
	none, match := c.r.Header.Get("If-None-Match"), c.r.Header.Get("If-Match")
	switch {
	case none != "" && none != "*", none != "" && match != "":
		return fail(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented")
	case none == "*" && exists:
		return preconditionFailed("If-None-Match")
	case match != "" && !exists:
		return noSuchKey(c.key)
	case match != "" && strings.Trim(match, `"`) != o.etag:
		return preconditionFailed("If-Match")
	}
	return nil
}

// setChecksum names the checksum in the answer to a write.
func (c *call) setChecksum(o *object) {
	if o.checksum.value == "" {
		return
	}
	c.w.Header().Set(o.checksum.algorithm.header(), o.checksum.value)
	c.w.Header().Set("X-Amz-Checksum-Type", o.checksum.kind)
}

func setEncryption(h http.Header, o *object) {
	for name, value := range o.headers {
		if strings.HasPrefix(name, "X-Amz-Server-Side-Encryption") {
			h.Set(name, value)
		}
	}
}

func (c *call) deleteObject() error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if b, ok := c.s.buckets[c.bucket]; ok {
		if match := c.r.Header.Get("If-Match"); match != "" {
			if err := c.checkConditions(b); err != nil {
				return err
			}
		}
		delete(b.objects, c.key)
	}
	return c.done(http.StatusNoContent)
}

type deleteRequest struct {
	XMLName xml.Name `xml:"Delete"`
	Quiet   bool
	Object  []struct {
		Key       string
		VersionID string `xml:"VersionId"`
	}
}

type deletedKey struct{ Key string }

type deleteError struct{ Key, Code, Message string }

type deleteResult struct {
	XMLName xml.Name `xml:"DeleteResult"`
	Xmlns   string   `xml:"xmlns,attr"`
	Deleted []deletedKey
	Error   []deleteError
}

const (
	mostDeletes     = 1000
	largestDocument = 4 << 20
)

// deleteObjects asks the guard for each key: there is no action for the whole.
func (c *call) deleteObjects() error {
	if c.r.Header.Get("Content-Md5") == "" && !c.hasChecksum() {
		return invalid("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	text, err := c.document(largestDocument)
	if err != nil {
		return err
	}
	var in deleteRequest
	if err := xml.Unmarshal(text, &in); err != nil || len(in.Object) == 0 || len(in.Object) > mostDeletes {
		return malformedXML()
	}
	out := deleteResult{Xmlns: namespace}
	for _, one := range in.Object {
		if err := c.deleteOne(one.Key, one.VersionID); err != nil {
			f := asFailure(err)
			out.Error = append(out.Error, deleteError{one.Key, f.code, f.message})
		} else if !in.Quiet {
			out.Deleted = append(out.Deleted, deletedKey{one.Key})
		}
	}
	return c.answer(out)
}

func (c *call) deleteOne(key, version string) error {
	if err := c.allow("s3:DeleteObject", c.objectARN(c.bucket, key), c.conditions("s3:DeleteObject")); err != nil {
		return err
	}
	if version != "" && version != "null" {
		return invalid("NoSuchVersion", "The specified version does not exist.")
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if b, ok := c.s.buckets[c.bucket]; ok {
		delete(b.objects, key)
	}
	return nil
}

func (c *call) hasChecksum() bool {
	want, err := c.expectedChecksum()
	return err != nil || want.algorithm != "" // the error is answered when the body is read
}

func malformedXML() error {
	return invalid("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}
