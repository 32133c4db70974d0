// Command transfermanager is a peer of bench/transfer: one file up or down with the transfer manager of the AWS SDK for Go, as
// its documentation uses it, with parts of the size and number at once that oidcs3-upload has.
//
//	transfermanager up|down FILE BUCKET KEY
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: transfermanager up|down FILE BUCKET KEY")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, way, name, bucket, key string) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	manager := transfermanager.New(s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }), func(o *transfermanager.Options) {
		o.PartSizeBytes = 16 << 20
		o.Concurrency = 8
	})
	if way == "up" {
		f, err := os.Open(name) // #nosec G304 -- the file to upload
		if err != nil {
			return err
		}
		_, err = manager.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: &bucket, Key: &key, Body: f})
		return errors.Join(err, f.Close())
	}
	f, err := os.Create(name) // #nosec G304 -- the file to download to
	if err != nil {
		return err
	}
	_, err = manager.DownloadObject(ctx, &transfermanager.DownloadObjectInput{Bucket: &bucket, Key: &key, WriterAt: f})
	return errors.Join(err, f.Close())
}
