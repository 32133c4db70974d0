package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (s *s3Store) Head(ctx context.Context, key string) (Object, error) {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return Object{}, failed("look up object", "s3:GetObject", key, err)
	}
	obj := Object{Key: key, Size: aws.ToInt64(out.ContentLength), Modified: aws.ToTime(out.LastModified), ETag: aws.ToString(out.ETag), VersionID: aws.ToString(out.VersionId)}
	for _, a := range []Algorithm{CRC64NVME, CRC32C, CRC32, SHA256} {
		c := reported(a, out.ChecksumType, sums{out.ChecksumCRC64NVME, out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumSHA256})
		if c.Value != "" {
			obj.Checksum = c
			break
		}
	}
	return obj, nil
}

func (s *s3Store) Get(ctx context.Context, key, etag string, offset, length int64) (io.ReadCloser, error) {
	out, err := s.data.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &s.bucket, Key: &key, IfMatch: &etag, Range: aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+length-1)),
	})
	var resp *awshttp.ResponseError
	if errors.As(err, &resp) && resp.HTTPStatusCode() == 412 {
		return nil, &ChangedError{What: "object " + key, Err: err}
	}
	if err != nil {
		return nil, failed("get object", "s3:GetObject", key, err)
	}
	return out.Body, nil
}

func (s *s3Store) List(ctx context.Context, prefix string, yield func(Object) error) error {
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return failed("list objects under", "s3:ListBucket", prefix, err)
		}
		for _, o := range page.Contents {
			obj := Object{Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified).UTC(), ETag: aws.ToString(o.ETag)}
			if err := yield(obj); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *s3Store) Delete(ctx context.Context, key string) error {
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key})
	return failed("delete object", "s3:DeleteObject", key, err)
}

func (s *s3Store) Parts(ctx context.Context, key, uploadID string, a Algorithm, yield func(Part)) error {
	pages := s3.NewListPartsPaginator(s.client, &s3.ListPartsInput{Bucket: &s.bucket, Key: &key, UploadId: &uploadID})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return failed("list the parts of", "s3:ListMultipartUploadParts", key, err)
		}
		for _, p := range page.Parts {
			yield(Part{Number: aws.ToInt32(p.PartNumber), Size: aws.ToInt64(p.Size), ETag: aws.ToString(p.ETag),
				Checksum: reported(a, "", sums{p.ChecksumCRC64NVME, p.ChecksumCRC32, p.ChecksumCRC32C, p.ChecksumSHA256})})
		}
	}
	return nil
}

func (s *s3Store) Pending(ctx context.Context, prefix string, yield func(Pending)) error {
	pages := s3.NewListMultipartUploadsPaginator(s.client, &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return failed("list unfinished uploads under", "s3:ListBucketMultipartUploads", prefix, err)
		}
		for _, u := range page.Uploads {
			yield(Pending{Key: aws.ToString(u.Key), UploadID: aws.ToString(u.UploadId), Began: aws.ToTime(u.Initiated)})
		}
	}
	return nil
}
