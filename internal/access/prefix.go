package access

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPrefix leaves half of the 1,024 bytes of an S3 key to the names below the prefix.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
const maxPrefix = 512

// ValidatePrefix checks a key prefix: at most 512 bytes of UTF-8 that end in "/", so that "server-1/" does not reach
// into "server-10/", without a leading "/", an empty, "." or ".." segment, a control character, or any of * ? $ { },
// which mean something in a policy's resource.
func ValidatePrefix(p string) error {
	switch {
	case p == "":
		return errors.New("prefix must not be empty: it would be the whole bucket")
	case len(p) > maxPrefix:
		return fmt.Errorf("prefix has %d bytes; it takes at most %d", len(p), maxPrefix)
	case !utf8.ValidString(p):
		return fmt.Errorf("prefix %q is not valid UTF-8", p)
	}
	for i, r := range p {
		if strings.ContainsRune("*?${}", r) {
			return fmt.Errorf("prefix %q contains %q at byte %d, which has a meaning of its own in policies", p, r, i)
		}
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return fmt.Errorf("prefix %q contains the control character %U at byte %d", p, r, i)
		}
	}
	if strings.HasPrefix(p, "/") {
		return fmt.Errorf("prefix %q must not begin with \"/\": keys do not", p)
	}
	if !strings.HasSuffix(p, "/") {
		return fmt.Errorf("prefix %q must end in \"/\": without it, %q would be inside it too", p, p+"0/")
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(p, "/"), "/") {
		switch segment {
		case "":
			return fmt.Errorf("prefix %q contains \"//\", an empty segment", p)
		case ".", "..":
			return fmt.Errorf("prefix %q contains the segment %q, which clients take for a directory of another name", p, segment)
		}
	}
	return nil
}

// PrefixesOverlap reports whether some key has both prefixes.
func PrefixesOverlap(a, b string) bool {
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// ValidateBucket checks the name of a general purpose bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func ValidateBucket(name string) error {
	if n := len(name); n < 3 || n > 63 {
		return fmt.Errorf("bucket name %q has %d characters; it takes 3 to 63", name, n)
	}
	for _, r := range name {
		if !isLowerOrDigit(r) && r != '.' && r != '-' {
			return fmt.Errorf("bucket name %q contains %q; it takes lower-case letters, digits, dots and hyphens", name, r)
		}
	}
	first, last := rune(name[0]), rune(name[len(name)-1])
	if !isLowerOrDigit(first) || !isLowerOrDigit(last) {
		return fmt.Errorf("bucket name %q must begin and end with a letter or a digit", name)
	}
	if strings.Contains(name, "..") {
		return fmt.Errorf("bucket name %q contains two dots in a row", name)
	}
	if isDottedQuad(name) {
		return fmt.Errorf("bucket name %q has the form of an IP address", name)
	}
	for _, reserved := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, reserved) {
			return fmt.Errorf("bucket name %q begins with %q, which S3 reserves", name, reserved)
		}
	}
	for _, reserved := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, reserved) {
			return fmt.Errorf("bucket name %q ends in %q, which is not the name of a general purpose bucket", name, reserved)
		}
	}
	return nil
}

func isLowerOrDigit(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' }

// isDottedQuad goes by the form alone: four dotted numbers of up to three digits, whatever their value.
func isDottedQuad(name string) bool {
	parts := strings.Split(name, ".")
	if len(parts) != 4 {
		return false
	}
	for _, part := range parts {
		if part == "" || len(part) > 3 || strings.Trim(part, "0123456789") != "" {
			return false
		}
	}
	return true
}
