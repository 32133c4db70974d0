package transfer

import (
	"context"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// s3Store is Store over the SDK's client.
type s3Store struct {
	client *s3.Client // repeats its requests
	data   *s3.Client // for bytes: one attempt, checksums are ours
	bucket string
}

// NewS3 returns the store for one bucket.
func NewS3(client *s3.Client, bucket string) Store {
	data := s3.New(client.Options(), func(o *s3.Options) {
		o.Retryer = aws.NopRetryer{}
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.APIOptions = append(o.APIOptions[:len(o.APIOptions):len(o.APIOptions)], addTrailer)
	})
	return &s3Store{client: client, data: data, bucket: bucket}
}

// failed wraps the SDK's error with what was being done, and the permission that it takes.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html has them per operation.
func failed(doing, permission, key string, err error) error {
	if err == nil {
		return nil
	}
	return &S3Error{Doing: doing, Key: key, Permission: permission, Err: err}
}

func (s *s3Store) Put(ctx context.Context, key string, body Body, o ObjectOptions) (Object, error) {
	in := &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &key, Body: body, ContentLength: &body.Size,
		ContentType: optional(o.ContentType), Metadata: o.Metadata, StorageClass: types.StorageClass(o.StorageClass),
		Tagging: tagging(o.Tags), ServerSideEncryption: types.ServerSideEncryption(o.Encryption), SSEKMSKeyId: optional(o.KMSKeyID),
	}
	if o.IfNoneMatch {
		in.IfNoneMatch = aws.String("*")
	}
	out, err := s.data.PutObject(ctx, in)
	if err != nil {
		return Object{}, failed("put object", "s3:PutObject", key, err)
	}
	return Object{Key: key, ETag: aws.ToString(out.ETag), VersionID: aws.ToString(out.VersionId),
		Checksum: reported(o.Algorithm, out.ChecksumType, sums{out.ChecksumCRC64NVME, out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumSHA256})}, nil
}

func (s *s3Store) Begin(ctx context.Context, key string, o ObjectOptions) (string, error) {
	out, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &s.bucket, Key: &key, ContentType: optional(o.ContentType), Metadata: o.Metadata,
		StorageClass: types.StorageClass(o.StorageClass), ChecksumAlgorithm: o.Algorithm.sdk(), ChecksumType: o.Algorithm.sdkType(),
		Tagging: tagging(o.Tags), ServerSideEncryption: types.ServerSideEncryption(o.Encryption), SSEKMSKeyId: optional(o.KMSKeyID),
	})
	if err != nil {
		return "", failed("begin multipart upload of", "s3:PutObject", key, err)
	}
	return aws.ToString(out.UploadId), nil
}

func (s *s3Store) PutPart(ctx context.Context, key, uploadID string, number int32, body Body, a Algorithm) (Part, error) {
	out, err := s.data.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &s.bucket, Key: &key, UploadId: &uploadID, PartNumber: &number, Body: body, ContentLength: &body.Size,
	})
	if err != nil {
		return Part{}, failed(fmt.Sprintf("upload part %d of", number), "s3:PutObject", key, err)
	}
	return Part{Number: number, Size: body.Size, ETag: aws.ToString(out.ETag),
		Checksum: reported(a, "", sums{out.ChecksumCRC64NVME, out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumSHA256})}, nil
}

func (s *s3Store) Complete(ctx context.Context, key, uploadID string, parts []Part, size int64, whole Checksum, o ObjectOptions) (Object, error) {
	list := make([]types.CompletedPart, len(parts))
	for i, p := range parts {
		list[i] = types.CompletedPart{PartNumber: aws.Int32(p.Number), ETag: aws.String(p.ETag)}
		value := optional(p.Checksum.Value)
		switch p.Checksum.Algorithm {
		case CRC64NVME:
			list[i].ChecksumCRC64NVME = value
		case CRC32:
			list[i].ChecksumCRC32 = value
		case CRC32C:
			list[i].ChecksumCRC32C = value
		case SHA256:
			list[i].ChecksumSHA256 = value
		}
	}
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &s.bucket, Key: &key, UploadId: &uploadID, MpuObjectSize: &size, ChecksumType: o.Algorithm.sdkType(),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: list},
	}
	switch {
	case whole.Composite:
	case whole.Algorithm == CRC64NVME:
		in.ChecksumCRC64NVME = &whole.Value
	case whole.Algorithm == CRC32:
		in.ChecksumCRC32 = &whole.Value
	case whole.Algorithm == CRC32C:
		in.ChecksumCRC32C = &whole.Value
	}
	if o.IfNoneMatch {
		in.IfNoneMatch = aws.String("*")
	}
	out, err := s.client.CompleteMultipartUpload(ctx, in)
	if err != nil {
		return Object{}, failed("complete multipart upload of", "s3:PutObject", key, err)
	}
	return Object{Key: key, Size: size, ETag: aws.ToString(out.ETag), VersionID: aws.ToString(out.VersionId),
		Checksum: reported(o.Algorithm, out.ChecksumType, sums{out.ChecksumCRC64NVME, out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumSHA256})}, nil
}

func (s *s3Store) Abort(ctx context.Context, key, uploadID string) error {
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &key, UploadId: &uploadID})
	return failed("abort multipart upload of", "s3:AbortMultipartUpload", key, err)
}

// sums are the checksum members of an answer: CRC64NVME, CRC32, CRC32C, SHA256.
type sums [4]*string

func reported(a Algorithm, kind types.ChecksumType, s sums) Checksum {
	index := map[Algorithm]int{CRC64NVME: 0, CRC32: 1, CRC32C: 2, SHA256: 3}
	i, known := index[a]
	if !known || s[i] == nil {
		return Checksum{}
	}
	return Checksum{Algorithm: a, Value: *s[i], Composite: kind == types.ChecksumTypeComposite}
}

func (a Algorithm) sdk() types.ChecksumAlgorithm {
	return map[Algorithm]types.ChecksumAlgorithm{CRC64NVME: types.ChecksumAlgorithmCrc64nvme, CRC32: types.ChecksumAlgorithmCrc32,
		CRC32C: types.ChecksumAlgorithmCrc32c, SHA256: types.ChecksumAlgorithmSha256}[a]
}

func (a Algorithm) sdkType() types.ChecksumType {
	switch {
	case a == None:
		return ""
	case a.fullObject():
		return types.ChecksumTypeFullObject
	}
	return types.ChecksumTypeComposite
}

// tagging is the form of tags that S3's header takes; nil for none.
func tagging(tags map[string]string) *string {
	if len(tags) == 0 {
		return nil
	}
	values := url.Values{}
	for k, v := range tags {
		values.Set(k, v)
	}
	return aws.String(values.Encode())
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
