package s3_test

import (
	"bytes"
	"crypto/md5" // #nosec G501 -- S3's ETag
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/iam"
)

const ownPrefix = `[
	{"Effect":"Allow","Action":["s3:PutObject","s3:GetObject","s3:DeleteObject","s3:AbortMultipartUpload","s3:ListMultipartUploadParts"],"Resource":"arn:aws:s3:::uploads/web-01/*"},
	{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::uploads","Condition":{"StringLike":{"s3:prefix":["web-01/*"]}}}]`

func TestPrefixIsAWall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin, c, ctx := w.admin(), w.limited(t, "web", ownPrefix), t.Context()
	for _, key := range []string{"web-01/mine", "web-010/theirs", "web-02/theirs"} {
		put(t, admin, key, []byte("data"))
	}
	theirs := create(t, admin, "web-02/big", "")
	put(t, c, "web-01/mine", []byte("data"))
	get(t, c, &awss3.GetObjectInput{Key: aws.String("web-01/mine")})
	own := create(t, c, "web-01/big", "")

	name := aws.String(bucket)
	for about, run := range map[string]func() error{
		"put beside": func() error {
			_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: name, Key: aws.String("web-010/x"), Body: strings.NewReader("x")})
			return err
		},
		"get beside": func() error {
			_, err := c.GetObject(ctx, &awss3.GetObjectInput{Bucket: name, Key: aws.String("web-010/theirs")})
			return err
		},
		"get what is not there": func() error {
			_, err := c.GetObject(ctx, &awss3.GetObjectInput{Bucket: name, Key: aws.String("web-01/none")})
			return err
		},
		"delete beside": func() error {
			_, err := c.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: name, Key: aws.String("web-02/theirs")})
			return err
		},
		"copy from beside": func() error {
			_, err := c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: name, Key: aws.String("web-01/stolen"), CopySource: aws.String("uploads/web-02/theirs")})
			return err
		},
		"part copied from beside": func() error {
			_, err := c.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{Bucket: name, Key: aws.String("web-01/big"), UploadId: &own, PartNumber: aws.Int32(1), CopySource: aws.String("uploads/web-02/theirs")})
			return err
		},
		"list all": func() error {
			_, err := c.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: name})
			return err
		},
		"list beside": func() error {
			_, err := c.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: name, Prefix: aws.String("web-010/")})
			return err
		},
		"list, version 1": func() error {
			_, err := c.ListObjects(ctx, &awss3.ListObjectsInput{Bucket: name, Prefix: aws.String("web-0")})
			return err
		},
		"list uploads": func() error {
			_, err := c.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: name, Prefix: aws.String("web-01/")})
			return err
		},
		"list buckets": func() error { _, err := c.ListBuckets(ctx, &awss3.ListBucketsInput{}); return err },
		"abort theirs": func() error {
			_, err := c.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: name, Key: aws.String("web-02/big"), UploadId: &theirs})
			return err
		},
		"tag": func() error {
			_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: name, Key: aws.String("web-01/x"), Body: strings.NewReader("x"), Tagging: aws.String("a=b")})
			return err
		},
		"policy": func() error {
			_, err := c.GetBucketPolicy(ctx, &awss3.GetBucketPolicyInput{Bucket: name})
			return err
		},
	} {
		err := run()
		if err == nil {
			t.Errorf("%s: allowed", about)
			continue
		}
		t.Run(about, func(t *testing.T) { wantError(t, err, http.StatusForbidden, "AccessDenied") })
	}
	list := must[*awss3.ListObjectsV2Output](t)(c.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: name, Prefix: aws.String("web-01/")}))
	if len(list.Contents) != 1 || *list.Contents[0].Key != "web-01/mine" {
		t.Errorf("listed %+v", list.Contents)
	}
	deleted := must[*awss3.DeleteObjectsOutput](t)(c.DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: name, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("web-01/mine")}, {Key: aws.String("web-02/theirs")},
	}}}))
	if len(deleted.Deleted) != 1 || len(deleted.Errors) != 1 || *deleted.Errors[0].Key != "web-02/theirs" || *deleted.Errors[0].Code != "AccessDenied" {
		t.Errorf("deleted %+v", deleted)
	}
	// The id of somebody else's upload opens nothing under a key of one's own.
	for _, err := range []error{
		second(c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: name, Key: aws.String("web-01/big"), UploadId: &theirs, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})),
		second(c.ListParts(ctx, &awss3.ListPartsInput{Bucket: name, Key: aws.String("web-01/big"), UploadId: &theirs})),
		second(c.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: name, Key: aws.String("web-01/big"), UploadId: &theirs})),
	} {
		wantError(t, err, http.StatusNotFound, "NoSuchUpload")
	}
}

func second[T any](_ T, err error) error { return err }

func create(t *testing.T, c *awss3.Client, key string, a types.ChecksumAlgorithm) string {
	t.Helper()
	out := must[*awss3.CreateMultipartUploadOutput](t)(c.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: &key, ChecksumAlgorithm: a}))
	return *out.UploadId
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.directory.CreateRole(t.Context(), iam.RoleSpec{Name: "web", TrustPolicy: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}}`, InlinePolicies: map[string]string{"s3": `{"Version":"2012-10-17","Statement":` + ownPrefix + `}`}})
	if err != nil {
		t.Fatal(err)
	}
	role, _ := w.directory.Role(t.Context(), "web")
	w.engine.AddSession(authz.Session{
		AccessKeyID: "ASIASESSION", Secret: "secret", Token: "token", RoleName: "web", RoleARN: role.ARN, RoleID: role.ID, Name: "s",
		ARN: "arn:aws:sts::123456789012:assumed-role/web/s", Issued: time.Now(), Expires: time.Now().Add(time.Hour),
	})
	put(t, w.client("ASIASESSION", "secret", "token"), "web-01/x", []byte("x"))
	for about, test := range map[string]struct {
		client *awss3.Client
		status int
		code   string
	}{
		"no token":     {w.client("ASIASESSION", "secret", ""), 403, "InvalidAccessKeyId"},
		"wrong token":  {w.client("ASIASESSION", "secret", "other"), 400, "InvalidToken"},
		"wrong secret": {w.client("ASIASESSION", "other", "token"), 403, "SignatureDoesNotMatch"},
		"unknown key":  {w.client("AKIAOTHER", "secret", ""), 403, "InvalidAccessKeyId"},
	} {
		_, err := test.client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("web-01/y"), Body: strings.NewReader("x")})
		t.Run(about, func(t *testing.T) { wantError(t, err, test.status, test.code) })
	}
	anonymous := w.admin(func(o *awss3.Options) { o.Credentials = aws.AnonymousCredentials{} })
	_, err = anonymous.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("web-01/x")})
	wantError(t, err, http.StatusForbidden, "AccessDenied")

	public := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::uploads/web-01/x"}}`
	must[*awss3.PutBucketPolicyOutput](t)(w.admin().PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: &public}))
	if _, data := get(t, anonymous, &awss3.GetObjectInput{Key: aws.String("web-01/x")}); string(data) != "x" {
		t.Errorf("got %q", data)
	}
	_, err = anonymous.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("web-01/none")})
	wantError(t, err, http.StatusForbidden, "AccessDenied")
}

func TestMultipartRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx, name, key := w.admin(), t.Context(), aws.String(bucket), aws.String("big")
	large, small := noise(5*mebi), []byte("small")
	upload := func(id string, number int32, data []byte) types.CompletedPart {
		out := must[*awss3.UploadPartOutput](t)(c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: name, Key: key, UploadId: &id, PartNumber: &number, Body: bytes.NewReader(data), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32}))
		return types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32}
	}
	id := create(t, c, "big", types.ChecksumAlgorithmCrc32)
	one, two, three := upload(id, 1, large), upload(id, 2, small), upload(id, 3, small)
	wrongSum, wrongTag, noSum, unknown := two, two, two, two
	wrongSum.ChecksumCRC32, wrongTag.ETag, noSum.ChecksumCRC32, unknown.PartNumber = one.ChecksumCRC32, one.ETag, nil, aws.Int32(4)
	for about, test := range map[string]struct {
		parts  []types.CompletedPart
		change func(*awss3.CompleteMultipartUploadInput)
		status int
		code   string
	}{
		"wrong order":         {[]types.CompletedPart{two, one}, nil, 400, "InvalidPartOrder"},
		"twice":               {[]types.CompletedPart{one, one}, nil, 400, "InvalidPartOrder"},
		"wrong part checksum": {[]types.CompletedPart{one, wrongSum}, nil, 400, "InvalidPart"},
		"wrong etag":          {[]types.CompletedPart{one, wrongTag}, nil, 400, "InvalidPart"},
		"no part checksum":    {[]types.CompletedPart{one, noSum}, nil, 400, "InvalidRequest"},
		"unknown part":        {[]types.CompletedPart{one, unknown}, nil, 400, "InvalidPart"},
		"part missing":        {[]types.CompletedPart{one, three}, nil, 400, "InvalidRequest"},
		"too small":           {[]types.CompletedPart{one, two, three}, nil, 400, "EntityTooSmall"},
		"none":                {nil, nil, 400, "MalformedXML"},
		"wrong size":          {[]types.CompletedPart{one, two}, func(in *awss3.CompleteMultipartUploadInput) { in.MpuObjectSize = aws.Int64(7) }, 400, "InvalidRequest"},
		"wrong checksum":      {[]types.CompletedPart{one, two}, func(in *awss3.CompleteMultipartUploadInput) { in.ChecksumCRC32 = one.ChecksumCRC32 }, 400, "BadDigest"},
		"wrong type":          {[]types.CompletedPart{one, two}, func(in *awss3.CompleteMultipartUploadInput) { in.ChecksumType = types.ChecksumTypeFullObject }, 400, "InvalidRequest"},
	} {
		in := &awss3.CompleteMultipartUploadInput{Bucket: name, Key: key, UploadId: &id, MultipartUpload: &types.CompletedMultipartUpload{Parts: test.parts}}
		if test.change != nil {
			test.change(in)
		}
		_, err := c.CompleteMultipartUpload(ctx, in)
		t.Run(about, func(t *testing.T) { wantError(t, err, test.status, test.code) })
	}
	_, err := c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: name, Key: key, UploadId: &id, PartNumber: aws.Int32(5), Body: bytes.NewReader(small), ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
	wantError(t, err, 400, "InvalidRequest")
	parts := must[*awss3.ListPartsOutput](t)(c.ListParts(ctx, &awss3.ListPartsInput{Bucket: name, Key: key, UploadId: &id, MaxParts: aws.Int32(2)}))
	if len(parts.Parts) != 2 || !*parts.IsTruncated || *parts.NextPartNumberMarker != "2" || *parts.Parts[0].ChecksumCRC32 != *one.ChecksumCRC32 {
		t.Errorf("parts %+v", parts)
	}
	good := &awss3.CompleteMultipartUploadInput{Bucket: name, Key: key, UploadId: &id, MpuObjectSize: aws.Int64(5*mebi + 5), MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{one, two}}}
	put(t, c, "big", small)
	good.IfNoneMatch = aws.String("*")
	_, err = c.CompleteMultipartUpload(ctx, good)
	wantError(t, err, 412, "PreconditionFailed")
	good.IfNoneMatch = nil
	must[*awss3.CompleteMultipartUploadOutput](t)(c.CompleteMultipartUpload(ctx, good))
	_, err = c.CompleteMultipartUpload(ctx, good)
	wantError(t, err, 404, "NoSuchUpload")
}

func TestBodyRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wrong := md5.Sum([]byte("other")) // #nosec G401 -- S3's ETag
	for about, test := range map[string]struct {
		in   awss3.PutObjectInput
		code string
	}{
		"wrong MD5":     {awss3.PutObjectInput{ContentMD5: aws.String(base64.StdEncoding.EncodeToString(wrong[:]))}, "BadDigest"},
		"malformed MD5": {awss3.PutObjectInput{ContentMD5: aws.String("x")}, "InvalidDigest"},
		"wrong CRC":     {awss3.PutObjectInput{ChecksumCRC32: aws.String("AAAAAA==")}, "BadDigest"},
		"malformed CRC": {awss3.PutObjectInput{ChecksumCRC32: aws.String("AA==")}, "InvalidRequest"},
	} {
		in := test.in
		in.Bucket, in.Key, in.Body = aws.String(bucket), aws.String("x"), strings.NewReader("bytes")
		_, err := w.admin().PutObject(t.Context(), &in)
		t.Run(about, func(t *testing.T) { wantError(t, err, 400, test.code) })
	}
	w.wantEmpty(t)
}

func TestFaultsInOwnForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for kind, code := range map[string]string{edge.ServiceUnavailable: "SlowDown", edge.InternalError: "InternalError"} {
		if err := w.edge.Faults().Add(edge.Fault{Service: "s3", Operation: "PutObject", Nth: 1, Kind: kind}); err != nil {
			t.Fatal(err)
		}
		_, err := w.admin().PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("x"), Body: strings.NewReader("x")})
		status := 503
		if kind == edge.InternalError {
			status = 500
		}
		wantError(t, err, status, code)
	}
	request := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/none", nil))
	response := must[*http.Response](t)(w.server.Client().Do(request))
	defer func() { _ = response.Body.Close() }()
	var body struct{ Code, BucketName, RequestId, HostId string } //nolint:revive,staticcheck // S3's names
	if err := xml.NewDecoder(response.Body).Decode(&body); err != nil || body.Code != "NoSuchBucket" || body.BucketName != "none" || body.RequestId == "" || body.HostId == "" || response.Header.Get("X-Amz-Request-Id") != body.RequestId {
		t.Errorf("body %+v, error %v", body, err)
	}
}
