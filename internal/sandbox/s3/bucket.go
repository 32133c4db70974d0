package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/policy"
)

// bucketName: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func validBucket(name string) bool {
	return bucketName.MatchString(name) && !strings.Contains(name, "..") && net.ParseIP(name) == nil && !strings.HasPrefix(name, "xn--")
}

// CreateBucket makes an empty bucket, for whoever builds the sandbox. A bucket of that name that is there is an error.
func (s *Service) CreateBucket(_ context.Context, name string) error {
	if !validBucket(name) {
		return fmt.Errorf("create bucket %q: %w", name, invalid("InvalidBucketName", "The specified bucket is not valid."))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.buckets[name]; ok {
		return fmt.Errorf("create bucket %q: %w", name, alreadyOwned())
	}
	s.buckets[name] = &bucket{name: name, created: s.cfg.Now().UTC(), objects: map[string]*object{}, uploads: map[string]*upload{}}
	return nil
}

func alreadyOwned() *failure {
	return fail(http.StatusConflict, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.")
}

type createBucketRequest struct {
	XMLName            xml.Name `xml:"CreateBucketConfiguration"`
	LocationConstraint string
}

func (c *call) createBucket() error {
	text, err := c.document(largestDocument)
	if err != nil {
		return err
	}
	region := "us-east-1"
	if len(text) > 0 {
		var in createBucketRequest
		if err := xml.Unmarshal(text, &in); err != nil {
			return malformedXML()
		}
		if in.LocationConstraint != "" {
			region = in.LocationConstraint
		}
	}
	if region != c.s.cfg.Region {
		return invalid("IllegalLocationConstraintException", "The "+region+" location constraint is incompatible for the region specific endpoint this request was sent to.")
	}
	if err := c.s.CreateBucket(c.r.Context(), c.bucket); err != nil {
		return err
	}
	c.w.Header().Set("Location", "/"+c.bucket)
	return c.done(http.StatusOK)
}

func (c *call) headBucket() error {
	c.w.Header().Set("X-Amz-Bucket-Region", c.s.cfg.Region)
	return c.done(http.StatusOK)
}

func (c *call) deleteBucket() error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	b, ok := c.s.buckets[c.bucket]
	if !ok {
		return noSuchBucket(c.bucket)
	}
	if len(b.objects) > 0 || len(b.uploads) > 0 {
		return &failure{status: http.StatusConflict, code: "BucketNotEmpty", message: "The bucket you tried to delete is not empty", bucket: c.bucket}
	}
	delete(c.s.buckets, c.bucket)
	return c.done(http.StatusNoContent)
}

type listedBucket struct {
	Name         string
	CreationDate string
	BucketRegion string
}

type listBucketsResult struct {
	XMLName xml.Name `xml:"ListAllMyBucketsResult"`
	Xmlns   string   `xml:"xmlns,attr"`
	Owner   *owner
	Buckets struct{ Bucket []listedBucket }
}

func (c *call) listBuckets() error {
	out := listBucketsResult{Xmlns: namespace, Owner: c.s.owner()}
	c.s.mu.RLock()
	for _, b := range c.s.buckets {
		out.Buckets.Bucket = append(out.Buckets.Bucket, listedBucket{b.name, timestamp(b.created), c.s.cfg.Region})
	}
	c.s.mu.RUnlock()
	slices.SortFunc(out.Buckets.Bucket, func(a, b listedBucket) int { return strings.Compare(a.Name, b.Name) })
	return c.answer(out)
}

// owner is the canonical user of the account: any value of 64 hex digits.
func (s *Service) owner() *owner {
	sum := sha256.Sum256([]byte(s.cfg.AccountID))
	return &owner{ID: hex.EncodeToString(sum[:])}
}

type locationResult struct {
	XMLName xml.Name `xml:"LocationConstraint"`
	Xmlns   string   `xml:"xmlns,attr"`
	Region  string   `xml:",chardata"`
}

func (c *call) getBucketLocation() error {
	region := c.s.cfg.Region
	if region == "us-east-1" {
		region = "" // as S3 has it
	}
	return c.answer(locationResult{Xmlns: namespace, Region: region})
}

type versioningResult struct {
	XMLName xml.Name `xml:"VersioningConfiguration"`
	Xmlns   string   `xml:"xmlns,attr"`
}

func (c *call) getBucketVersioning() error {
	return c.answer(versioningResult{Xmlns: namespace})
}

const largestPolicy = 20 << 10 // bytes

func (c *call) putBucketPolicy() error {
	text, err := c.document(largestPolicy)
	if err != nil {
		return err
	}
	if _, err := policy.Parse(string(text), policy.Resource); err != nil {
		return invalid("MalformedPolicy", err.Error())
	}
	return c.setPolicy(string(text))
}

func (c *call) deleteBucketPolicy() error { return c.setPolicy("") }

func (c *call) setPolicy(text string) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	b, ok := c.s.buckets[c.bucket]
	if !ok {
		return noSuchBucket(c.bucket)
	}
	b.policy = text
	return c.done(http.StatusNoContent)
}

func (c *call) getBucketPolicy() error {
	c.s.mu.RLock()
	text := ""
	if b, ok := c.s.buckets[c.bucket]; ok {
		text = b.policy
	}
	c.s.mu.RUnlock()
	if text == "" {
		return &failure{status: http.StatusNotFound, code: "NoSuchBucketPolicy", message: "The bucket policy does not exist", bucket: c.bucket}
	}
	c.w.Header().Set("Content-Type", "application/json")
	_, _ = c.w.Write([]byte(text))
	return nil
}

// missing are the configurations that no bucket here has, and how S3 says so.
var missing = []struct{ parameter, operation, action, code, message string }{
	{"cors", "GetBucketCors", "s3:GetBucketCORS", "NoSuchCORSConfiguration", "The CORS configuration does not exist"},
	{"encryption", "GetBucketEncryption", "s3:GetEncryptionConfiguration", "ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found"},
	{"lifecycle", "GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration", "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"},
	{"object-lock", "GetObjectLockConfiguration", "s3:GetBucketObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"},
	{"ownershipControls", "GetBucketOwnershipControls", "s3:GetBucketOwnershipControls", "OwnershipControlsNotFoundError", "The bucket ownership controls were not found"},
	{"policyStatus", "GetBucketPolicyStatus", "s3:GetBucketPolicyStatus", "NoSuchBucketPolicy", "The bucket policy does not exist"},
	{"publicAccessBlock", "GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"},
	{"replication", "GetBucketReplication", "s3:GetReplicationConfiguration", "ReplicationConfigurationNotFoundError", "The replication configuration was not found"},
	{"tagging", "GetBucketTagging", "s3:GetBucketTagging", "NoSuchTagSet", "The TagSet does not exist"},
	{"website", "GetBucketWebsite", "s3:GetBucketWebsite", "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"},
}

func missingConfiguration(query url.Values) *operation {
	for _, m := range missing {
		if query.Has(m.parameter) {
			return &operation{name: m.operation, action: m.action, run: func(c *call) error {
				return &failure{status: http.StatusNotFound, code: m.code, message: m.message, bucket: c.bucket}
			}}
		}
	}
	return nil
}
