package s3_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, name, key := w.admin(), aws.String(bucket), aws.String("x")
	etag := put(t, c, "x", []byte("0123456789")).ETag
	past, future := aws.Time(time.Now().Add(-time.Hour)), aws.Time(time.Now().Add(time.Hour))
	for about, test := range map[string]struct {
		in     awss3.GetObjectInput
		want   string
		status int
		code   string
	}{
		"range":                    {in: awss3.GetObjectInput{Range: aws.String("bytes=2-4")}, want: "234"},
		"suffix":                   {in: awss3.GetObjectInput{Range: aws.String("bytes=-2")}, want: "89"},
		"range with checksum mode": {in: awss3.GetObjectInput{Range: aws.String("bytes=2-"), ChecksumMode: types.ChecksumModeEnabled}, want: "23456789"},
		"beyond":                   {in: awss3.GetObjectInput{Range: aws.String("bytes=10-")}, status: 416, code: "InvalidRange"},
		"part 1":                   {in: awss3.GetObjectInput{PartNumber: aws.Int32(1)}, want: "0123456789"},
		"part 2":                   {in: awss3.GetObjectInput{PartNumber: aws.Int32(2)}, status: 416, code: "InvalidPartNumber"},
		"match":                    {in: awss3.GetObjectInput{IfMatch: etag}, want: "0123456789"},
		"no match":                 {in: awss3.GetObjectInput{IfMatch: aws.String(`"x"`)}, status: 412, code: "PreconditionFailed"},
		"unmodified":               {in: awss3.GetObjectInput{IfUnmodifiedSince: future}, want: "0123456789"},
		"modified":                 {in: awss3.GetObjectInput{IfUnmodifiedSince: past}, status: 412, code: "PreconditionFailed"},
		"known":                    {in: awss3.GetObjectInput{IfNoneMatch: etag}, status: 304, code: "NotModified"},
		"known by time":            {in: awss3.GetObjectInput{IfModifiedSince: future}, status: 304, code: "NotModified"},
		"tag wins over time":       {in: awss3.GetObjectInput{IfNoneMatch: aws.String(`"x"`), IfModifiedSince: future}, want: "0123456789"},
	} {
		t.Run(about, func(t *testing.T) {
			in := test.in
			if test.status != 0 {
				in.Bucket, in.Key = name, key
				_, err := c.GetObject(t.Context(), &in)
				wantError(t, err, test.status, test.code)
				return
			}
			in.Key = key
			if _, data := get(t, c, &in); string(data) != test.want {
				t.Errorf("got %q", data)
			}
		})
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, name := w.admin(), aws.String(bucket)
	for _, key := range []string{"a/1", "a/2", "a/b/1", "a b+ü", "b", "c/1", "c/2", "d"} {
		put(t, c, key, []byte("x"))
	}
	for _, limit := range []int32{1, 2, 3, 1000} {
		var keys, prefixes []string
		pages := awss3.NewListObjectsV2Paginator(c, &awss3.ListObjectsV2Input{Bucket: name, Delimiter: aws.String("/"), MaxKeys: aws.Int32(limit)})
		for pages.HasMorePages() {
			page := must[*awss3.ListObjectsV2Output](t)(pages.NextPage(t.Context()))
			for _, o := range page.Contents {
				keys = append(keys, *o.Key)
			}
			for _, p := range page.CommonPrefixes {
				prefixes = append(prefixes, *p.Prefix)
			}
		}
		if fmt.Sprint(keys) != "[a b+ü b d]" || fmt.Sprint(prefixes) != "[a/ c/]" {
			t.Errorf("pages of %d: %v, %v", limit, keys, prefixes)
		}
	}
	v1 := must[*awss3.ListObjectsOutput](t)(c.ListObjects(t.Context(), &awss3.ListObjectsInput{Bucket: name, Prefix: aws.String("a/"), Delimiter: aws.String("/"), MaxKeys: aws.Int32(2)}))
	if len(v1.Contents) != 2 || !*v1.IsTruncated || aws.ToString(v1.NextMarker) != "a/2" {
		t.Errorf("version 1: %+v", v1)
	}
	after := must[*awss3.ListObjectsV2Output](t)(c.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: name, StartAfter: aws.String("b"), EncodingType: types.EncodingTypeUrl}))
	if len(after.Contents) != 3 || *after.Contents[0].Key != "c/1" {
		t.Errorf("after b: %+v", after.Contents)
	}
	encoded := must[*awss3.ListObjectsV2Output](t)(c.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: name, Prefix: aws.String("a b"), EncodingType: types.EncodingTypeUrl}))
	if len(encoded.Contents) != 1 || *encoded.Contents[0].Key != "a%20b%2B%C3%BC" {
		t.Errorf("encoded: %+v", encoded.Contents)
	}
	first, second := create(t, c, "a/up", ""), create(t, c, "b/up", "")
	uploads := must[*awss3.ListMultipartUploadsOutput](t)(c.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: name, Prefix: aws.String("a/")}))
	if len(uploads.Uploads) != 1 || *uploads.Uploads[0].UploadId != first {
		t.Errorf("uploads %+v", uploads.Uploads)
	}
	uploads = must[*awss3.ListMultipartUploadsOutput](t)(c.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: name, KeyMarker: aws.String("a/up")}))
	if len(uploads.Uploads) != 1 || *uploads.Uploads[0].UploadId != second {
		t.Errorf("uploads after a/up: %+v", uploads.Uploads)
	}
}

func TestCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, name, ctx := w.admin(), aws.String(bucket), t.Context()
	data := noise(6 * mebi)
	must[*awss3.PutObjectOutput](t)(c.PutObject(ctx, &awss3.PutObjectInput{Bucket: name, Key: aws.String("a"), Body: bytes.NewReader(data), Metadata: map[string]string{"m": "1"}}))
	must[*awss3.CopyObjectOutput](t)(c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: name, Key: aws.String("b"), CopySource: aws.String("uploads/a")}))
	if out, body := get(t, c, &awss3.GetObjectInput{Key: aws.String("b")}); !bytes.Equal(body, data) || out.Metadata["m"] != "1" {
		t.Errorf("copy of %d bytes, %v", len(body), out.Metadata)
	}
	_, err := c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: name, Key: aws.String("a"), CopySource: aws.String("uploads/a")})
	wantError(t, err, http.StatusBadRequest, "InvalidRequest")

	id := create(t, c, "c", types.ChecksumAlgorithmCrc64nvme)
	var parts []types.CompletedPart
	for number, stretch := range []string{"bytes=0-5242879", "bytes=5242880-6291455"} {
		out := must[*awss3.UploadPartCopyOutput](t)(c.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{
			Bucket: name, Key: aws.String("c"), UploadId: &id, PartNumber: aws.Int32(int32(number + 1)), CopySource: aws.String("uploads/a"), CopySourceRange: &stretch, //nolint:gosec // 1 or 2
		}))
		parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(int32(number + 1)), ETag: out.CopyPartResult.ETag}) //nolint:gosec // 1 or 2
	}
	_, err = c.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{Bucket: name, Key: aws.String("c"), UploadId: &id, PartNumber: aws.Int32(3), CopySource: aws.String("uploads/a"), CopySourceRange: aws.String("bytes=0-6291456")})
	wantError(t, err, http.StatusBadRequest, "InvalidArgument")
	// The checksum of the whole is combined from those of the parts; the one of "a" was computed in one piece.
	whole := must[*awss3.HeadObjectOutput](t)(c.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: name, Key: aws.String("a"), ChecksumMode: types.ChecksumModeEnabled}))
	put64 := must[*awss3.PutObjectOutput](t)(c.PutObject(ctx, &awss3.PutObjectInput{Bucket: name, Key: aws.String("d"), Body: bytes.NewReader(data), ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme}))
	done := must[*awss3.CompleteMultipartUploadOutput](t)(c.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{
		Bucket: name, Key: aws.String("c"), UploadId: &id, ChecksumCRC64NVME: put64.ChecksumCRC64NVME, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	}))
	if aws.ToString(done.ChecksumCRC64NVME) != *put64.ChecksumCRC64NVME || whole.ChecksumCRC32 == nil {
		t.Errorf("checksums %v %v", aws.ToString(done.ChecksumCRC64NVME), whole.ChecksumCRC32)
	}
	if _, body := get(t, c, &awss3.GetObjectInput{Key: aws.String("c"), Range: aws.String("bytes=5242870-5242889")}); !bytes.Equal(body, data[5242870:5242890]) {
		t.Error("a range across two parts differs")
	}
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	virtual := w.admin(func(o *awss3.Options) {
		o.UsePathStyle = false
		_, port, _ := net.SplitHostPort(w.server.Listener.Addr().String())
		o.BaseEndpoint = aws.String("https://localhost:" + port)
		transport := w.server.Client().Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.ServerName = "example.com" // whom the test server's certificate is for
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, w.server.Listener.Addr().String())
		}
		t.Cleanup(transport.CloseIdleConnections)
		o.HTTPClient = &http.Client{Transport: transport}
	})
	name := aws.String("second-bucket")
	in := &awss3.CreateBucketInput{Bucket: name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: region}}
	must[*awss3.CreateBucketOutput](t)(virtual.CreateBucket(ctx, in))
	_, err := virtual.CreateBucket(ctx, in)
	wantError(t, err, http.StatusConflict, "BucketAlreadyOwnedByYou")
	must[*awss3.PutObjectOutput](t)(virtual.PutObject(ctx, &awss3.PutObjectInput{Bucket: name, Key: aws.String("a/b"), Body: strings.NewReader("x")}))
	out := must[*awss3.GetObjectOutput](t)(w.admin().GetObject(ctx, &awss3.GetObjectInput{Bucket: name, Key: aws.String("a/b")}))
	if data := must[[]byte](t)(io.ReadAll(out.Body)); string(data) != "x" {
		t.Errorf("got %q", data)
	}
	list := must[*awss3.ListBucketsOutput](t)(virtual.ListBuckets(ctx, &awss3.ListBucketsInput{}))
	if !slices.ContainsFunc(list.Buckets, func(b types.Bucket) bool { return *b.Name == *name }) || len(list.Buckets) != 2 {
		t.Errorf("buckets %+v", list.Buckets)
	}
	if at := must[*awss3.GetBucketLocationOutput](t)(virtual.GetBucketLocation(ctx, &awss3.GetBucketLocationInput{Bucket: name})); at.LocationConstraint != region {
		t.Errorf("location %s", at.LocationConstraint)
	}
	_, err = virtual.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: name})
	wantError(t, err, http.StatusConflict, "BucketNotEmpty")
	must[*awss3.DeleteObjectOutput](t)(virtual.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: name, Key: aws.String("a/b")}))
	must[*awss3.DeleteBucketOutput](t)(virtual.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: name}))
	_, err = virtual.HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: name})
	wantError(t, err, http.StatusNotFound, "NotFound")
	_, err = w.admin().GetBucketTagging(ctx, &awss3.GetBucketTaggingInput{Bucket: aws.String(bucket)})
	wantError(t, err, http.StatusNotFound, "NoSuchTagSet")
	_, err = w.admin().GetBucketAcl(ctx, &awss3.GetBucketAclInput{Bucket: aws.String(bucket)})
	wantError(t, err, http.StatusNotImplemented, "NotImplemented")
}

func TestSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, in := w.admin(), &awss3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("x"), ChecksumMode: types.ChecksumModeEnabled}
	data := noise(mebi)
	put(t, c, "x", data)
	for about, spoil := range map[string]func(){"corrupt": w.service.CorruptNextGet, "truncate": w.service.TruncateNextGet} {
		spoil()
		out := must[*awss3.GetObjectOutput](t)(c.GetObject(t.Context(), in))
		if _, err := io.ReadAll(out.Body); err == nil {
			t.Errorf("%s: the client saw nothing", about)
		}
		if _, body := get(t, c, &awss3.GetObjectInput{Key: aws.String("x")}); !bytes.Equal(body, data) {
			t.Errorf("%s: still in force", about)
		}
	}
	w.service.RefuseTrailers(true)
	_, err := c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("y"), Body: bytes.NewReader(data)})
	wantError(t, err, http.StatusNotImplemented, "NotImplemented")
	w.service.RefuseTrailers(false)
	put(t, c, "y", data)
}
