package s3

import (
	"encoding/hex"
	"encoding/xml"
	"io"
	"strings"
)

const largestCopy = 5 << 30 // bytes, of one CopyObject or UploadPartCopy

// copied is the answer to CopyObject and UploadPartCopy.
type copied struct {
	XMLName           xml.Name
	Xmlns             string `xml:"xmlns,attr"`
	LastModified      string
	ETag              string
	ChecksumCRC32     string `xml:",omitempty"`
	ChecksumCRC32C    string `xml:",omitempty"`
	ChecksumCRC64NVME string `xml:",omitempty"`
	ChecksumSHA1      string `xml:",omitempty"`
	ChecksumSHA256    string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

func (r *copied) set(a algorithm, value string) {
	switch a {
	case crc32IEEE:
		r.ChecksumCRC32 = value
	case crc32C:
		r.ChecksumCRC32C = value
	case crc64NVME:
		r.ChecksumCRC64NVME = value
	case sha1Sum:
		r.ChecksumSHA1 = value
	case sha256Sum:
		r.ChecksumSHA256 = value
	}
}

// copyObject gives the new object the data of the old one, without copying them.
func (c *call) copyObject() error {
	source, err := c.copySource()
	if err != nil {
		return err
	}
	if source.size > largestCopy {
		return invalid("InvalidRequest", "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	a, err := c.copiedAttributes(source)
	if err != nil {
		return err
	}
	o := &object{key: c.key, size: source.size, checksum: source.checksum, segments: source.segments, attributes: a}
	if err := c.digestCopy(o, source); err != nil {
		return err
	}
	if err := c.store(o, nil); err != nil {
		return err
	}
	out := copied{XMLName: xml.Name{Local: "CopyObjectResult"}, Xmlns: namespace, LastModified: timestamp(o.modified), ETag: quoted(o.etag), ChecksumType: o.checksum.kind}
	out.set(o.checksum.algorithm, o.checksum.value)
	setEncryption(c.w.Header(), o)
	return c.answer(out)
}

// digestCopy computes the ETag and the checksum of a copy, which is one piece even where the source has parts.
func (c *call) digestCopy(o, source *object) error {
	wanted := source.checksum.algorithm
	if named := c.r.Header.Get("X-Amz-Checksum-Algorithm"); named != "" {
		wanted = algorithm(strings.ToUpper(named))
		if !wanted.known() {
			return invalid("InvalidRequest", "Checksum algorithm provided is unsupported.")
		}
	}
	if len(source.parts) == 0 && wanted == source.checksum.algorithm {
		o.etag = source.etag
		return nil
	}
	p, err := digest(o.segments, o.size, wanted)
	if err != nil {
		return err
	}
	o.etag, o.checksum = hex.EncodeToString(p.md5), checksum{wanted, fullObject, p.checksum}
	return nil
}

func digest(segments []segment, size int64, a algorithm) (part, error) {
	data, err := open(segments, 0, size)
	if err != nil {
		return part{}, err
	}
	sum, etag := a.new(), newMD5()
	if _, err := io.Copy(io.MultiWriter(sum, etag), data); err != nil {
		_ = data.Close()
		return part{}, err
	}
	raw := sum.Sum(nil)
	return part{size: size, md5: etag.Sum(nil), sum: raw, checksum: encode(raw), segments: segments}, data.Close()
}

func (c *call) copiedAttributes(source *object) (attributes, error) {
	a, err := attributesOf(c.r.Header)
	if err != nil {
		return a, err
	}
	switch strings.ToUpper(c.r.Header.Get("X-Amz-Metadata-Directive")) {
	case "REPLACE":
	case "", "COPY":
		if c.bucket+"/"+c.key == sourcePath(c.r.Header) && c.r.Header.Get("X-Amz-Storage-Class") == "" {
			return a, invalid("InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
		}
		fresh := a.headers
		a.headers, a.metadata = map[string]string{}, source.metadata
		for name, value := range source.headers {
			if !strings.HasPrefix(name, "X-Amz-") {
				a.headers[name] = value
			}
		}
		for name, value := range fresh {
			if strings.HasPrefix(name, "X-Amz-") {
				a.headers[name] = value
			}
		}
	default:
		return a, invalid("InvalidArgument", "Unknown metadata directive.")
	}
	if !strings.EqualFold(c.r.Header.Get("X-Amz-Tagging-Directive"), "REPLACE") {
		a.tags = source.tags
	}
	if len(a.tags) > 0 {
		return a, c.allow("s3:PutObjectTagging", c.resource(), c.conditions("s3:PutObject"))
	}
	return a, nil
}
