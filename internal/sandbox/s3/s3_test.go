package s3_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	transfertypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/s3"
)

const (
	account = "123456789012"
	region  = "eu-west-1"
	bucket  = "uploads"
	mebi    = 1 << 20
)

type world struct {
	directory *iam.Directory
	engine    *authz.Engine
	service   *s3.Service
	edge      *edge.Edge
	server    *httptest.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{directory: iam.NewDirectory(iam.DirectoryConfig{Now: time.Now, AccountID: account, Partition: "aws"}), edge: edge.New(time.Now)}
	w.engine = authz.New(authz.Config{Now: time.Now, AccountID: account, Region: region, Directory: w.directory})
	var err error
	w.service, err = s3.New(s3.Config{AccountID: account, Region: region, Guard: w.engine, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.service.CreateBucket(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewTLSServer(w.edge.Wrap(w.service))
	t.Cleanup(w.server.Close)
	if _, err := w.directory.CreateUser(t.Context(), iam.UserSpec{Name: "admin", Admin: true, AccessKeyID: "AKIAADMIN", SecretAccessKey: "admin-secret"}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) client(id, secret, token string, options ...func(*awss3.Options)) *awss3.Client {
	return awss3.NewFromConfig(aws.Config{
		Region: region, BaseEndpoint: aws.String(w.server.URL), HTTPClient: w.server.Client(),
		APIOptions:  awsanswer.Options(),
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, token), RetryMaxAttempts: 1,
		// as config.LoadDefaultConfig sets it: a checksum with every body, over TLS in a trailer
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	}, append([]func(*awss3.Options){func(o *awss3.Options) { o.UsePathStyle = true }}, options...)...)
}

func (w *world) admin(options ...func(*awss3.Options)) *awss3.Client {
	return w.client("AKIAADMIN", "admin-secret", "", options...)
}

// limited is a client of a user with the policy statements.
func (w *world) limited(t *testing.T, name, statements string) *awss3.Client {
	t.Helper()
	spec := iam.UserSpec{Name: name, AccessKeyID: "AKIA" + name, SecretAccessKey: name + "-secret"}
	spec.InlinePolicies = map[string]string{"p": `{"Version":"2012-10-17","Statement":` + statements + `}`}
	if _, err := w.directory.CreateUser(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	return w.client(spec.AccessKeyID, spec.SecretAccessKey, "")
}

func wantError(t *testing.T, err error, status int, code string) {
	t.Helper()
	var api smithy.APIError
	var response *smithyhttp.ResponseError
	if !errors.As(err, &api) || !errors.As(err, &response) {
		t.Fatalf("got %v, want %d %s", err, status, code)
	}
	if api.ErrorCode() != code || response.HTTPStatusCode() != status {
		t.Fatalf("got %d %s: %s; want %d %s", response.HTTPStatusCode(), api.ErrorCode(), api.ErrorMessage(), status, code)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func noise(size int) []byte {
	out := make([]byte, size)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(out) // never fails
	return out
}

func put(t *testing.T, c *awss3.Client, key string, data []byte) *awss3.PutObjectOutput {
	t.Helper()
	return must[*awss3.PutObjectOutput](t)(c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: bytes.NewReader(data)}))
}

func get(t *testing.T, c *awss3.Client, in *awss3.GetObjectInput) (*awss3.GetObjectOutput, []byte) {
	t.Helper()
	in.Bucket = aws.String(bucket)
	out := must[*awss3.GetObjectOutput](t)(c.GetObject(t.Context(), in))
	data := must[[]byte](t)(io.ReadAll(out.Body))
	if err := out.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return out, data
}

func TestObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, ctx := w.admin(), t.Context()
	data := noise(3*mebi + 17)
	const key = "a b/ü+c%2F&.bin"
	for _, a := range []types.ChecksumAlgorithm{"", "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} {
		in := &awss3.PutObjectInput{
			Bucket: aws.String(bucket), Key: aws.String(key), Body: bytes.NewReader(data), ChecksumAlgorithm: a,
			ContentType: aws.String("text/x"), Metadata: map[string]string{"owner": "web 01"}, Tagging: aws.String("k=v%20w"), CacheControl: aws.String("no-cache"),
		}
		out := must[*awss3.PutObjectOutput](t)(c.PutObject(ctx, in))
		got, body := get(t, c, &awss3.GetObjectInput{Key: aws.String(key), ChecksumMode: types.ChecksumModeEnabled})
		if !bytes.Equal(body, data) || *got.ETag != *out.ETag || got.ChecksumType != types.ChecksumTypeFullObject {
			t.Errorf("%s: %d bytes, %s, %+v", a, len(body), *got.ETag, got.ChecksumType)
		}
		if *got.ContentType != "text/x" || got.Metadata["owner"] != "web 01" || *got.CacheControl != "no-cache" || aws.ToInt32(got.TagCount) != 1 || got.ContentEncoding != nil {
			t.Errorf("%s: %+v", a, got)
		}
	}
	tags := must[*awss3.GetObjectTaggingOutput](t)(c.GetObjectTagging(ctx, &awss3.GetObjectTaggingInput{Bucket: aws.String(bucket), Key: aws.String(key)}))
	if len(tags.TagSet) != 1 || *tags.TagSet[0].Value != "v w" {
		t.Errorf("tags %+v", tags.TagSet)
	}
	_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: bytes.NewReader(data), IfNoneMatch: aws.String("*")})
	wantError(t, err, http.StatusPreconditionFailed, "PreconditionFailed")
	must[*awss3.DeleteObjectOutput](t)(c.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)}))
	_, err = c.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	wantError(t, err, http.StatusNotFound, "NoSuchKey")
	_, err = c.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	wantError(t, err, http.StatusNotFound, "NotFound")
}

func TestTransferManager(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	data := noise(17*mebi + 3)
	for _, a := range []transfertypes.ChecksumAlgorithm{"", "CRC32C", "CRC64NVME", "SHA256"} {
		c := w.admin()
		manager := transfermanager.New(c, func(o *transfermanager.Options) {
			o.PartSizeBytes, o.MultipartUploadThreshold = 5*mebi, 5*mebi
		})
		key := "big" + string(a)
		in := &transfermanager.UploadObjectInput{Bucket: aws.String(bucket), Key: &key, Body: bytes.NewReader(data), ChecksumAlgorithm: a}
		must[*transfermanager.UploadObjectOutput](t)(manager.UploadObject(t.Context(), in))
		out, body := get(t, c, &awss3.GetObjectInput{Key: &key, ChecksumMode: types.ChecksumModeEnabled})
		if !bytes.Equal(body, data) || !strings.HasSuffix(*out.ETag, `-4"`) {
			t.Errorf("%s: %d bytes, %s", a, len(body), *out.ETag)
		}
		part, body := get(t, c, &awss3.GetObjectInput{Key: &key, PartNumber: aws.Int32(4), ChecksumMode: types.ChecksumModeEnabled})
		if !bytes.Equal(body, data[15*mebi:]) || aws.ToInt32(part.PartsCount) != 4 {
			t.Errorf("%s: part of %d bytes, %+v", a, len(body), part)
		}
	}
}
