package s3

import (
	"encoding/hex"
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	mostParts    = 10_000
	smallestPart = 5 << 20 // bytes, of every part but the last
)

// upload is a multipart upload that is open. Its parts change under the service's lock.
type upload struct {
	id, key   string
	initiated time.Time
	initiator string    // ARN
	asked     bool      // the client named a checksum algorithm
	algorithm algorithm // of each part and of the whole
	kind      string    // fullObject or composite
	parts     map[int]part
	attributes
}

// part is one part of an upload or of an object that was uploaded in parts.
type part struct {
	number   int
	size     int64 // bytes
	md5      []byte
	sum      []byte
	checksum string // sum in base64
	segments []segment
	modified time.Time
}

func (p part) etag() string { return hex.EncodeToString(p.md5) }

type createResult struct {
	XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
	Xmlns    string   `xml:"xmlns,attr"`
	Bucket   string
	Key      string
	UploadID string `xml:"UploadId"`
}

// createUpload: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html
func (c *call) createUpload() error {
	a, err := c.newAttributes()
	if err != nil {
		return err
	}
	u := &upload{id: c.s.uploadID(), key: c.key, initiated: c.s.cfg.Now().UTC(), initiator: c.caller.ARN, parts: map[int]part{}, attributes: a}
	if err := u.setChecksum(c.r.Header); err != nil {
		return err
	}
	c.s.mu.Lock()
	b, ok := c.s.buckets[c.bucket]
	if ok {
		b.uploads[u.id] = u
	}
	c.s.mu.Unlock()
	if !ok {
		return noSuchBucket(c.bucket)
	}
	h := c.w.Header()
	if u.asked {
		h.Set("X-Amz-Checksum-Algorithm", string(u.algorithm))
		h.Set("X-Amz-Checksum-Type", u.kind)
	}
	setEncryption(h, &object{attributes: a})
	return c.answer(createResult{Xmlns: namespace, Bucket: c.bucket, Key: c.key, UploadID: u.id})
}

func (s *Service) uploadID() string { return hex.EncodeToString(s.random(32)) }

// setChecksum reads which checksum the upload shall have; CRC64NVME of the whole where the client names none.
func (u *upload) setChecksum(h http.Header) error {
	named, kind := strings.ToUpper(h.Get("X-Amz-Checksum-Algorithm")), strings.ToUpper(h.Get("X-Amz-Checksum-Type"))
	if named == "" {
		if kind != "" {
			return invalid("InvalidRequest", "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
		u.algorithm, u.kind = crc64NVME, fullObject
		return nil
	}
	u.asked, u.algorithm = true, algorithm(named)
	if !u.algorithm.known() {
		return invalid("InvalidRequest", "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
	}
	types := u.algorithm.types()
	if kind == "" {
		kind = types[0]
	}
	if !slices.Contains(types, kind) {
		return invalid("InvalidRequest", "The "+kind+" checksum type cannot be used with the "+strings.ToLower(named)+" checksum algorithm.")
	}
	u.kind = kind
	return nil
}

// upload finds the upload of the call: one of another bucket or key is not there.
func (c *call) upload() (*upload, error) {
	c.s.mu.RLock()
	defer c.s.mu.RUnlock()
	return c.uploadLocked()
}

func (c *call) uploadLocked() (*upload, error) {
	b, ok := c.s.buckets[c.bucket]
	if !ok {
		return nil, noSuchBucket(c.bucket)
	}
	u, ok := b.uploads[c.query.Get("uploadId")]
	if !ok || u.key != c.key {
		return nil, noSuchUpload()
	}
	return u, nil
}

func (c *call) partNumber() (int, error) {
	n, err := strconv.Atoi(c.query.Get("partNumber"))
	if err != nil || n < 1 || n > mostParts {
		return 0, invalid("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
	}
	return n, nil
}

func (c *call) uploadPart() error {
	number, err := c.partNumber()
	if err != nil {
		return err
	}
	u, err := c.upload()
	if err != nil {
		return err
	}
	want, err := c.expectedChecksum()
	if err != nil {
		return err
	}
	if want.algorithm != "" && (!u.asked || want.algorithm != u.algorithm) {
		return u.mismatch(want.algorithm)
	}
	got, err := c.receive(u.algorithm)
	if err != nil {
		return err
	}
	p := part{number: number, size: got.size, md5: got.md5, sum: got.sum, checksum: got.checksum.value, segments: []segment{{got.blob, 0, got.size}}}
	if err := c.putPart(p); err != nil {
		return err
	}
	c.w.Header().Set("ETag", quoted(p.etag()))
	if u.asked {
		c.w.Header().Set(u.algorithm.header(), p.checksum)
	}
	setEncryption(c.w.Header(), &object{attributes: u.attributes})
	return c.done(http.StatusOK)
}

func (u *upload) mismatch(got algorithm) error {
	expected := "null"
	if u.asked {
		expected = strings.ToLower(string(u.algorithm))
	}
	return invalid("InvalidRequest", "Checksum Type mismatch occurred, expected checksum Type: "+expected+", actual checksum Type: "+strings.ToLower(string(got)))
}

// putPart keeps a part, in the place of an earlier one of its number. The upload may be gone by now.
func (c *call) putPart(p part) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	u, err := c.uploadLocked()
	if err != nil {
		return err
	}
	p.modified = c.s.cfg.Now().UTC()
	u.parts[p.number] = p
	return nil
}

// uploadPartCopy: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
func (c *call) uploadPartCopy() error {
	number, err := c.partNumber()
	if err != nil {
		return err
	}
	u, err := c.upload()
	if err != nil {
		return err
	}
	source, err := c.copySource()
	if err != nil {
		return err
	}
	first, size := int64(0), source.size
	if header := c.r.Header.Get("X-Amz-Copy-Source-Range"); header != "" {
		r, ok := parseRange(header, source.size)
		if !ok || r.size == 0 || strings.HasSuffix(header, "-") || !strings.HasSuffix(header, "-"+strconv.FormatInt(r.first+r.size-1, 10)) {
			return invalid("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
		}
		first, size = r.first, r.size
	}
	if size > largestCopy {
		return invalid("InvalidRequest", "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	p, err := digest(cut(source.segments, first, size), size, u.algorithm)
	if err != nil {
		return err
	}
	p.number = number
	if err := c.putPart(p); err != nil {
		return err
	}
	out := copied{XMLName: xml.Name{Local: "CopyPartResult"}, Xmlns: namespace, LastModified: timestamp(c.s.cfg.Now()), ETag: quoted(p.etag())}
	if u.asked {
		out.set(u.algorithm, p.checksum)
	}
	return c.answer(out)
}

func (c *call) abortUpload() error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	u, err := c.uploadLocked()
	if err != nil {
		return err
	}
	delete(c.s.buckets[c.bucket].uploads, u.id)
	return c.done(http.StatusNoContent)
}

// snapshot returns the parts that the upload has now, in order.
func (c *call) snapshot(u *upload) []part {
	c.s.mu.RLock()
	defer c.s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(u.parts), func(a, b part) int { return a.number - b.number })
}
