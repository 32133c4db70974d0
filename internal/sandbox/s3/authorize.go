package s3

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// allow asks the guard, with the bucket's own policy.
func (c *call) allow(action, resource string, conditions map[string][]string) error {
	name, _, _ := strings.Cut(strings.TrimPrefix(resource, c.bucketARN("")), "/")
	c.s.mu.RLock()
	document := ""
	if b, ok := c.s.buckets[name]; ok {
		document = b.policy
	}
	c.s.mu.RUnlock()
	return c.s.cfg.Guard.Authorize(c.r, c.caller, action, resource, conditions, document)
}

func (c *call) resource() string {
	switch {
	case c.bucket == "":
		return c.bucketARN("*")
	case c.key == "":
		return c.bucketARN(c.bucket)
	}
	return c.objectARN(c.bucket, c.key)
}

func (c *call) bucketARN(bucket string) string { return "arn:" + c.s.cfg.Partition + ":s3:::" + bucket }

func (c *call) objectARN(bucket, key string) string { return c.bucketARN(bucket) + "/" + key }

// headerConditions are the condition keys of s3:PutObject that are headers of the same name.
var headerConditions = []string{
	"x-amz-acl", "x-amz-copy-source", "x-amz-grant-full-control", "x-amz-grant-read", "x-amz-grant-read-acp",
	"x-amz-grant-write", "x-amz-grant-write-acp", "x-amz-metadata-directive", "x-amz-server-side-encryption",
	"x-amz-server-side-encryption-aws-kms-key-id", "x-amz-server-side-encryption-customer-algorithm",
	"x-amz-storage-class", "x-amz-website-redirect-location",
}

// conditions are the condition keys that S3 gives with an action. A key that the request lacks has no values: it is
// known to be absent. A key that S3 does not give with the action is left out, and authz decides what that means.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
func (c *call) conditions(action string) map[string][]string {
	keys := map[string][]string{
		"s3:signatureversion":     nil,
		"s3:authType":             nil,
		"s3:signatureAge":         nil,
		"s3:ResourceAccount":      {c.s.cfg.AccountID},
		"s3:x-amz-content-sha256": headerValues(c.r.Header, "x-amz-content-sha256"),
	}
	if c.signed.AccessKeyID != "" {
		keys["s3:signatureversion"] = []string{"AWS4-HMAC-SHA256"}
		keys["s3:authType"] = []string{"REST-HEADER"}
		keys["s3:signatureAge"] = []string{strconv.FormatInt(c.s.cfg.Now().Sub(c.signed.Time).Milliseconds(), 10)}
	}
	if c.signed.Presigned {
		keys["s3:authType"] = []string{"REST-QUERY-STRING"}
	}
	if c.r.TLS != nil {
		keys["s3:TlsVersion"] = []string{strconv.FormatFloat(1+float64(c.r.TLS.Version-0x0301)/10, 'f', 1, 64)}
	} else {
		keys["s3:TlsVersion"] = nil
	}
	switch action {
	case "s3:ListBucket":
		for _, name := range []string{"prefix", "delimiter", "max-keys"} {
			keys["s3:"+name] = c.query[name]
		}
	case "s3:PutObject":
		for _, name := range headerConditions {
			keys["s3:"+name] = headerValues(c.r.Header, name)
		}
		keys["s3:if-none-match"] = headerValues(c.r.Header, "If-None-Match")
		keys["s3:if-match"] = headerValues(c.r.Header, "If-Match")
		c.addTagConditions(keys)
	}
	return keys
}

func (c *call) addTagConditions(keys map[string][]string) {
	keys["s3:RequestObjectTagKeys"] = nil
	tags, err := url.ParseQuery(c.r.Header.Get("X-Amz-Tagging"))
	if err != nil {
		return // refused when the tags are read
	}
	for name, values := range tags {
		keys["s3:RequestObjectTag/"+name] = values
		keys["s3:RequestObjectTagKeys"] = append(keys["s3:RequestObjectTagKeys"], name)
	}
}

func headerValues(h http.Header, name string) []string { return h.Values(name) }
