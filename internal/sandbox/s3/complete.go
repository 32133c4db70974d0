package s3

import (
	"crypto/md5" // #nosec G501 -- S3's ETag
	"encoding/hex"
	"encoding/xml"
	"hash"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

func newMD5() hash.Hash { return md5.New() } // #nosec G401 -- S3's ETag

// sourcePath is bucket/key of x-amz-copy-source.
func sourcePath(h http.Header) string {
	path, _, _ := strings.Cut(h.Get("X-Amz-Copy-Source"), "?")
	path, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
	if err != nil {
		return ""
	}
	return path
}

type completePart struct {
	PartNumber        int
	ETag              string
	ChecksumCRC32     string
	ChecksumCRC32C    string
	ChecksumCRC64NVME string
	ChecksumSHA1      string
	ChecksumSHA256    string
}

func (p completePart) checksums() map[algorithm]string {
	all := map[algorithm]string{
		crc32IEEE: p.ChecksumCRC32, crc32C: p.ChecksumCRC32C, crc64NVME: p.ChecksumCRC64NVME,
		sha1Sum: p.ChecksumSHA1, sha256Sum: p.ChecksumSHA256,
	}
	for a, value := range all {
		if value == "" {
			delete(all, a)
		}
	}
	return all
}

type completeRequest struct {
	XMLName xml.Name       `xml:"CompleteMultipartUpload"`
	Part    []completePart `xml:"Part"`
}

type completeResult struct {
	XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
	Xmlns   string   `xml:"xmlns,attr"`

	Location string
	Bucket   string
	Key      string
	ETag     string

	ChecksumCRC32     string `xml:",omitempty"`
	ChecksumCRC32C    string `xml:",omitempty"`
	ChecksumCRC64NVME string `xml:",omitempty"`
	ChecksumSHA1      string `xml:",omitempty"`
	ChecksumSHA256    string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

// completeUpload: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
func (c *call) completeUpload() error {
	if _, err := c.upload(); err != nil {
		return err
	}
	in, err := c.completeRequest()
	if err != nil {
		return err
	}
	var o *object
	build := func(b *bucket) error {
		u, err := c.uploadLocked()
		if err != nil {
			return err
		}
		built, err := u.assemble(in.Part, c.r.Header)
		if err != nil {
			return err
		}
		*o = *built
		delete(b.uploads, u.id)
		return nil
	}
	o = &object{}
	if err := c.store(o, build); err != nil {
		return err
	}
	setEncryption(c.w.Header(), o)
	sums := copied{}
	sums.set(o.checksum.algorithm, o.checksum.value)
	return c.answer(completeResult{
		Xmlns: namespace, Location: c.location(), Bucket: c.bucket, Key: c.key, ETag: quoted(o.etag),
		ChecksumCRC32: sums.ChecksumCRC32, ChecksumCRC32C: sums.ChecksumCRC32C, ChecksumCRC64NVME: sums.ChecksumCRC64NVME,
		ChecksumSHA1: sums.ChecksumSHA1, ChecksumSHA256: sums.ChecksumSHA256, ChecksumType: o.checksum.kind,
	})
}

func (c *call) location() string {
	return (&url.URL{Scheme: "https", Host: c.r.Host, Path: "/" + c.bucket + "/" + c.key}).String()
}

// completeRequest reads the list of parts. The checksum headers of this request are of the object, not of its body.
func (c *call) completeRequest() (completeRequest, error) {
	var in completeRequest
	plain := *c
	plain.r = c.r.Clone(c.r.Context())
	for _, a := range algorithms {
		plain.r.Header.Del(a.header())
	}
	text, err := plain.document(largestDocument)
	if err != nil {
		return in, err
	}
	if err := xml.Unmarshal(text, &in); err != nil || len(in.Part) == 0 || len(in.Part) > mostParts {
		return in, malformedXML()
	}
	for i := 1; i < len(in.Part); i++ {
		if in.Part[i-1].PartNumber >= in.Part[i].PartNumber {
			return in, invalid("InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.")
		}
	}
	return in, nil
}

// assemble makes the object of the parts that are listed.
func (u *upload) assemble(listed []completePart, h http.Header) (*object, error) {
	o := &object{key: u.key, attributes: u.attributes}
	whole := newMD5()
	for i, one := range listed {
		p, err := u.listed(one)
		if err != nil {
			return nil, err
		}
		if p.size < smallestPart && i < len(listed)-1 {
			return nil, invalid("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
		}
		p.number = i + 1 // what GetObject's partNumber counts
		o.parts = append(o.parts, p)
		o.segments = append(o.segments, p.segments...)
		o.size += p.size
		whole.Write(p.md5)
	}
	if u.kind == composite && u.asked && listed[len(listed)-1].PartNumber != len(listed) {
		return nil, invalid("InvalidRequest", "The upload was created using a "+strings.ToLower(string(u.algorithm))+" checksum. The complete request must include consecutive part numbers beginning with 1.")
	}
	o.etag = hex.EncodeToString(whole.Sum(nil)) + "-" + strconv.Itoa(len(listed))
	o.checksum = u.checksumOf(o.parts)
	if declared := h.Get("X-Amz-Mp-Object-Size"); declared != "" && declared != strconv.FormatInt(o.size, 10) {
		return nil, invalid("InvalidRequest", "The provided 'x-amz-mp-object-size' header value "+declared+" does not match what was computed: "+strconv.FormatInt(o.size, 10))
	}
	return o, u.checkObject(o, h)
}

// listed finds a part of the request among those that were uploaded.
func (u *upload) listed(one completePart) (part, error) {
	p, ok := u.parts[one.PartNumber]
	sums := one.checksums()
	if !ok || strings.Trim(one.ETag, `"`) != p.etag() {
		return part{}, invalidPart()
	}
	if u.asked && u.kind == composite && sums[u.algorithm] == "" {
		return part{}, invalid("InvalidRequest", "The upload was created using a "+strings.ToLower(string(u.algorithm))+" checksum. The complete request must include the checksum for each part. It was missing for part "+strconv.Itoa(one.PartNumber)+" in the request.")
	}
	for a, value := range sums {
		if a != u.algorithm || value != p.checksum {
			return part{}, invalidPart()
		}
	}
	return p, nil
}

func invalidPart() error {
	return invalid("InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.")
}

func (u *upload) checksumOf(parts []part) checksum {
	if u.kind == composite {
		sums := make([][]byte, 0, len(parts))
		for _, p := range parts {
			sums = append(sums, p.sum)
		}
		return checksum{u.algorithm, composite, compositeOf(u.algorithm, sums)}
	}
	pieces := make([]piece, 0, len(parts))
	for _, p := range parts {
		pieces = append(pieces, piece{p.sum, p.size})
	}
	return checksum{u.algorithm, fullObject, encode(combined(u.algorithm, pieces))}
}

// checkObject compares the whole with the checksum headers of the request.
func (u *upload) checkObject(o *object, h http.Header) error {
	if kind := h.Get("X-Amz-Checksum-Type"); kind != "" && !strings.EqualFold(kind, u.kind) {
		return invalid("InvalidRequest", "The upload was created using the "+u.kind+" checksum mode. The complete request must use the same checksum mode.")
	}
	for _, a := range algorithms {
		value := h.Get(a.header())
		if value == "" {
			continue
		}
		if a != u.algorithm {
			return u.mismatch(a)
		}
		if want, _, _ := strings.Cut(o.checksum.value, "-"); value != o.checksum.value && (u.kind != composite || value != want) {
			return invalid("BadDigest", "The "+strings.ToLower(string(a))+" you specified did not match the calculated checksum.")
		}
	}
	return nil
}
