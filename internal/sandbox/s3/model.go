package s3

import (
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

type bucket struct {
	name    string
	created time.Time
	policy  string // "" where there is none

	objects map[string]*object // by key
	uploads map[string]*upload // open ones, by id
}

// object is immutable: a change puts a new one in its place, so that a reader keeps what it began with.
type object struct {
	key      string
	size     int64 // bytes
	etag     string
	modified time.Time
	checksum checksum
	segments []segment
	parts    []part // of a multipart upload, in order
	attributes
}

// attributes are what a client says of an object besides its data.
type attributes struct {
	headers  map[string]string // Content-Type, …; see storedHeaders
	metadata map[string]string // by name in lower case, without x-amz-meta-
	tags     map[string]string
}

// storedHeaders are kept with an object and given back with it.
var storedHeaders = []string{
	"Content-Type", "Content-Encoding", "Content-Disposition", "Content-Language", "Cache-Control", "Expires",
	"X-Amz-Storage-Class", "X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id",
	"X-Amz-Server-Side-Encryption-Bucket-Key-Enabled", "X-Amz-Website-Redirect-Location",
}

const (
	metadataPrefix  = "x-amz-meta-"
	largestMetadata = 2048 // bytes of names and values
	mostTags        = 10
	longestTagKey   = 128 // characters
	longestTagValue = 256
)

var storageClasses = []string{
	"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE", "GLACIER_IR",
}

// attributesOf reads the headers of a request that creates an object.
func attributesOf(h http.Header) (attributes, error) {
	a := attributes{headers: map[string]string{}, metadata: map[string]string{}}
	if h.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") != "" {
		return a, fail(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented: server-side encryption with customer-provided keys")
	}
	for _, name := range storedHeaders {
		if value := h.Get(name); value != "" {
			a.headers[name] = value
		}
	}
	if encoding := withoutChunked(a.headers["Content-Encoding"]); encoding != "" {
		a.headers["Content-Encoding"] = encoding
	} else {
		delete(a.headers, "Content-Encoding")
	}
	if a.headers["Content-Type"] == "" {
		a.headers["Content-Type"] = "binary/octet-stream"
	}
	if class := a.headers["X-Amz-Storage-Class"]; class != "" && !contains(storageClasses, class) {
		return a, invalid("InvalidStorageClass", "The storage class you specified is not valid")
	}
	if class := a.headers["X-Amz-Storage-Class"]; class == "STANDARD" {
		delete(a.headers, "X-Amz-Storage-Class") // S3 does not say so of a standard object
	}
	if a.headers["X-Amz-Server-Side-Encryption"] == "" {
		a.headers["X-Amz-Server-Side-Encryption"] = "AES256" // what every new object has had since 2023
	}
	size := 0
	for name, values := range h {
		if name, ok := strings.CutPrefix(strings.ToLower(name), metadataPrefix); ok {
			a.metadata[name] = strings.Join(values, ",")
			size += len(name) + len(a.metadata[name])
		}
	}
	if size > largestMetadata {
		return a, invalid("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
	}
	var err error
	a.tags, err = tagsOf(h.Get("X-Amz-Tagging"))
	return a, err
}

func contains(list []string, value string) bool {
	for _, one := range list {
		if one == value {
			return true
		}
	}
	return false
}

// withoutChunked takes aws-chunked, which is no encoding of the object, off a Content-Encoding.
func withoutChunked(encoding string) string {
	var kept []string
	for one := range strings.SplitSeq(encoding, ",") {
		if one = strings.TrimSpace(one); one != "" && one != "aws-chunked" {
			kept = append(kept, one)
		}
	}
	return strings.Join(kept, ",")
}

// tagsOf reads the form of the x-amz-tagging header.
func tagsOf(header string) (map[string]string, error) {
	values, err := url.ParseQuery(header)
	if err != nil {
		return nil, invalid("InvalidArgument", "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	}
	tags := map[string]string{}
	for name, list := range values {
		if len(list) != 1 {
			return nil, invalid("InvalidArgument", "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
		}
		tags[name] = list[0]
	}
	return tags, checkTags(tags)
}

func checkTags(tags map[string]string) error {
	if len(tags) > mostTags {
		return invalid("BadRequest", "Object tags cannot be greater than 10")
	}
	for name, value := range tags {
		if name == "" || utf8.RuneCountInString(name) > longestTagKey || strings.HasPrefix(name, "aws:") {
			return invalid("InvalidTag", "The TagKey you have provided is invalid")
		}
		if utf8.RuneCountInString(value) > longestTagValue {
			return invalid("InvalidTag", "The TagValue you have provided is invalid")
		}
	}
	return nil
}

func quoted(etag string) string { return `"` + etag + `"` }

// timestamp is the form of times in XML.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
