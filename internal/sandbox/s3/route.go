package s3

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// level says what an operation is about.
type level int

const (
	onService level = iota
	onBucket
	onObject
)

// operation is one operation of the API. Each goes through its action: none runs before the guard allowed it.
type operation struct {
	name   string
	method string
	level  level
	query  []string // parameters that must be there; the first match in the table wins
	header string   // header that must be there

	action string // IAM action on the bucket or object; "" where run asks the guard itself
	run    func(*call) error
}

// operations is the table of what is implemented, the most specific first.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
func operations() []operation {
	const get, put, post, del, head = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodHead
	const copySource = "X-Amz-Copy-Source"
	return []operation{
		{"ListBuckets", get, onService, nil, "", "s3:ListAllMyBuckets", (*call).listBuckets},

		{"PutBucketPolicy", put, onBucket, []string{"policy"}, "", "s3:PutBucketPolicy", (*call).putBucketPolicy},
		{"GetBucketPolicy", get, onBucket, []string{"policy"}, "", "s3:GetBucketPolicy", (*call).getBucketPolicy},
		{"DeleteBucketPolicy", del, onBucket, []string{"policy"}, "", "s3:DeleteBucketPolicy", (*call).deleteBucketPolicy},
		{"GetBucketLocation", get, onBucket, []string{"location"}, "", "s3:GetBucketLocation", (*call).getBucketLocation},
		{"GetBucketVersioning", get, onBucket, []string{"versioning"}, "", "s3:GetBucketVersioning", (*call).getBucketVersioning},
		{"ListMultipartUploads", get, onBucket, []string{"uploads"}, "", "s3:ListBucketMultipartUploads", (*call).listUploads},
		{"ListObjectsV2", get, onBucket, []string{"list-type"}, "", "s3:ListBucket", (*call).listObjectsV2},
		{"DeleteObjects", post, onBucket, []string{"delete"}, "", "", (*call).deleteObjects},
		{"CreateBucket", put, onBucket, nil, "", "s3:CreateBucket", (*call).createBucket},
		{"HeadBucket", head, onBucket, nil, "", "s3:ListBucket", (*call).headBucket},
		{"DeleteBucket", del, onBucket, nil, "", "s3:DeleteBucket", (*call).deleteBucket},
		{"ListObjects", get, onBucket, nil, "", "s3:ListBucket", (*call).listObjects},

		{"UploadPartCopy", put, onObject, []string{"partNumber", "uploadId"}, copySource, "s3:PutObject", (*call).uploadPartCopy},
		{"UploadPart", put, onObject, []string{"partNumber", "uploadId"}, "", "s3:PutObject", (*call).uploadPart},
		{"ListParts", get, onObject, []string{"uploadId"}, "", "s3:ListMultipartUploadParts", (*call).listParts},
		{"AbortMultipartUpload", del, onObject, []string{"uploadId"}, "", "s3:AbortMultipartUpload", (*call).abortUpload},
		{"CompleteMultipartUpload", post, onObject, []string{"uploadId"}, "", "s3:PutObject", (*call).completeUpload},
		{"CreateMultipartUpload", post, onObject, []string{"uploads"}, "", "s3:PutObject", (*call).createUpload},
		{"PutObjectTagging", put, onObject, []string{"tagging"}, "", "s3:PutObjectTagging", (*call).putTagging},
		{"GetObjectTagging", get, onObject, []string{"tagging"}, "", "s3:GetObjectTagging", (*call).getTagging},
		{"DeleteObjectTagging", del, onObject, []string{"tagging"}, "", "s3:DeleteObjectTagging", (*call).deleteTagging},
		{"CopyObject", put, onObject, nil, copySource, "s3:PutObject", (*call).copyObject},
		{"PutObject", put, onObject, nil, "", "s3:PutObject", (*call).putObject},
		{"GetObject", get, onObject, nil, "", "s3:GetObject", (*call).getObject},
		{"HeadObject", head, onObject, nil, "", "s3:GetObject", (*call).getObject},
		{"DeleteObject", del, onObject, nil, "", "s3:DeleteObject", (*call).deleteObject},
	}
}

// subresources name, in the query string, what an operation is about. One that no row of the table asks for must not
// fall through to a plain read or write.
var subresources = []string{
	"accelerate", "acl", "analytics", "attributes", "cors", "delete", "encryption", "intelligent-tiering", "inventory",
	"legal-hold", "lifecycle", "location", "logging", "metadataConfiguration", "metadataTable", "metrics", "notification",
	"object-lock", "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "replication", "requestPayment",
	"restore", "retention", "select", "session", "tagging", "torrent", "uploadId", "uploads", "versioning", "versions",
	"versionId", "website", "partNumber",
}

// find names the operation of a request; one without run is not implemented.
func find(r *http.Request, bucket, key string) *operation {
	query := r.URL.Query()
	at := onService
	switch {
	case key != "":
		at = onObject
	case bucket != "":
		at = onBucket
	}
	if at == onBucket && r.Method == http.MethodGet {
		if op := missingConfiguration(query); op != nil {
			return op
		}
	}
	for _, op := range operations() {
		if op.method == r.Method && op.level == at && op.matches(r, query) {
			return &op
		}
	}
	return &operation{name: "Unknown"}
}

func (op *operation) matches(r *http.Request, query url.Values) bool {
	if op.header != "" && r.Header.Get(op.header) == "" {
		return false
	}
	for _, name := range op.query {
		if !query.Has(name) {
			return false
		}
	}
	if len(op.query) > 0 {
		return true
	}
	for _, name := range subresources {
		// a part of an object may be read by its number
		if query.Has(name) && (name != "partNumber" || op.action != "s3:GetObject") && (name != "versionId" || query.Get(name) != "null") {
			return false
		}
	}
	return true
}

// address takes bucket and key from the host (bucket.domain/key) or from the path (/bucket/key).
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
func (s *Service) address(r *http.Request) (bucket, key string) {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(host)
	path := strings.TrimPrefix(r.URL.Path, "/")
	for _, domain := range s.cfg.Domains {
		if name, ok := strings.CutSuffix(host, "."+domain); ok && name != "" {
			return name, path
		}
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}
