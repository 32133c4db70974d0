package s3

import (
	"cmp"
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
)

type listedPart struct {
	PartNumber        int
	LastModified      string
	ETag              string
	Size              int64
	ChecksumCRC32     string `xml:",omitempty"`
	ChecksumCRC32C    string `xml:",omitempty"`
	ChecksumCRC64NVME string `xml:",omitempty"`
	ChecksumSHA1      string `xml:",omitempty"`
	ChecksumSHA256    string `xml:",omitempty"`
}

type listPartsResult struct {
	XMLName              xml.Name `xml:"ListPartsResult"`
	Xmlns                string   `xml:"xmlns,attr"`
	Bucket               string
	Key                  string
	UploadID             string `xml:"UploadId"`
	Initiator            *owner
	Owner                *owner
	StorageClass         string
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	ChecksumAlgorithm    string `xml:",omitempty"`
	ChecksumType         string `xml:",omitempty"`
	Part                 []listedPart
}

// count reads a parameter that bounds a page or says where it begins.
func (c *call) count(name string, otherwise int) (int, error) {
	text := c.query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, invalid("InvalidArgument", "Provided "+name+" not an integer or within integer range")
	}
	return n, nil
}

// listParts: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
func (c *call) listParts() error {
	u, err := c.upload()
	if err != nil {
		return err
	}
	limit, err := c.count("max-parts", mostKeys)
	if err != nil {
		return err
	}
	marker, err := c.count("part-number-marker", 0)
	if err != nil {
		return err
	}
	out := listPartsResult{
		Xmlns: namespace, Bucket: c.bucket, Key: c.key, UploadID: u.id, Initiator: &owner{u.initiator}, Owner: c.s.owner(),
		StorageClass: "STANDARD", PartNumberMarker: marker, MaxParts: min(limit, mostKeys),
	}
	if u.asked {
		out.ChecksumAlgorithm, out.ChecksumType = string(u.algorithm), u.kind
	}
	for _, p := range c.snapshot(u) {
		if p.number <= marker {
			continue
		}
		if len(out.Part) == out.MaxParts {
			out.IsTruncated = true
			break
		}
		out.Part = append(out.Part, u.describe(p))
		out.NextPartNumberMarker = p.number
	}
	return c.answer(out)
}

func (u *upload) describe(p part) listedPart {
	l := listedPart{PartNumber: p.number, LastModified: timestamp(p.modified), ETag: quoted(p.etag()), Size: p.size}
	if u.asked {
		var sums copied
		sums.set(u.algorithm, p.checksum)
		l.ChecksumCRC32, l.ChecksumCRC32C, l.ChecksumCRC64NVME = sums.ChecksumCRC32, sums.ChecksumCRC32C, sums.ChecksumCRC64NVME
		l.ChecksumSHA1, l.ChecksumSHA256 = sums.ChecksumSHA1, sums.ChecksumSHA256
	}
	return l
}

type listedUpload struct {
	Key               string
	UploadID          string `xml:"UploadId"`
	Initiator         *owner
	Owner             *owner
	StorageClass      string
	Initiated         string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

type listUploadsResult struct {
	XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
	Xmlns              string   `xml:"xmlns,attr"`
	Bucket             string
	KeyMarker          string
	UploadIDMarker     string `xml:"UploadIdMarker"`
	NextKeyMarker      string
	NextUploadIDMarker string `xml:"NextUploadIdMarker"`
	Prefix             string
	Delimiter          string `xml:",omitempty"`
	EncodingType       string `xml:",omitempty"`
	MaxUploads         int
	IsTruncated        bool
	Upload             []listedUpload
	CommonPrefixes     []commonPrefix
}

// listUploads: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
func (c *call) listUploads() error {
	l, err := c.listing()
	if err != nil {
		return err
	}
	limit, err := c.count("max-uploads", mostKeys)
	if err != nil {
		return err
	}
	keyMarker, idMarker := c.query.Get("key-marker"), c.query.Get("upload-id-marker")
	out := listUploadsResult{
		Xmlns: namespace, Bucket: c.bucket, KeyMarker: l.encode(keyMarker), UploadIDMarker: idMarker, Prefix: l.encode(l.prefix),
		Delimiter: l.encode(l.delimiter), EncodingType: c.query.Get("encoding-type"), MaxUploads: min(limit, mostKeys),
	}
	seen := ""
	for _, u := range c.openUploads(l.prefix) {
		if u.key < keyMarker || u.key == keyMarker && (idMarker == "" || u.id <= idMarker) {
			continue
		}
		common := commonOf(u.key, l)
		if common != "" && (common == seen || common <= keyMarker) {
			continue
		}
		if len(out.Upload)+len(out.CommonPrefixes) == out.MaxUploads {
			out.IsTruncated = true
			break
		}
		if common != "" {
			seen = common
			out.CommonPrefixes = append(out.CommonPrefixes, commonPrefix{l.encode(common)})
			out.NextKeyMarker, out.NextUploadIDMarker = l.encode(common), ""
			continue
		}
		out.Upload = append(out.Upload, c.describeUpload(u, l))
		out.NextKeyMarker, out.NextUploadIDMarker = l.encode(u.key), u.id
	}
	if !out.IsTruncated {
		out.NextKeyMarker, out.NextUploadIDMarker = "", ""
	}
	return c.answer(out)
}

func (c *call) describeUpload(u *upload, l listing) listedUpload {
	d := listedUpload{
		Key: l.encode(u.key), UploadID: u.id, Initiator: &owner{u.initiator}, Owner: c.s.owner(), StorageClass: "STANDARD", Initiated: timestamp(u.initiated),
	}
	if u.asked {
		d.ChecksumAlgorithm, d.ChecksumType = string(u.algorithm), u.kind
	}
	return d
}

// openUploads returns the uploads below a prefix, by key and id.
func (c *call) openUploads(prefix string) []*upload {
	c.s.mu.RLock()
	defer c.s.mu.RUnlock()
	var out []*upload
	if b, ok := c.s.buckets[c.bucket]; ok {
		for _, u := range b.uploads {
			if strings.HasPrefix(u.key, prefix) {
				out = append(out, u)
			}
		}
	}
	slices.SortFunc(out, func(a, b *upload) int { return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.id, b.id)) })
	return out
}

// commonOf is the common prefix that a key falls under, or "".
func commonOf(key string, l listing) string {
	if l.delimiter == "" {
		return ""
	}
	at := strings.Index(key[len(l.prefix):], l.delimiter)
	if at < 0 {
		return ""
	}
	return key[:len(l.prefix)+at+len(l.delimiter)]
}
