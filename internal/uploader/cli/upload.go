package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/objectkey"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/progress"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/tree"
)

// uploadFlags are the flags of upload.
type uploadFlags struct {
	moveFlags
	recursive, ifNoneMatch, resume                    bool
	checksum, checksumMode, contentType, storageClass string
	encryption, kmsKeyID, symlinks                    string
	include, exclude                                  []string
	metadata, tags                                    []string
}

func (a *app) uploadCommand() *cobra.Command {
	u := &uploadFlags{}
	cmd := &cobra.Command{
		Use:   "upload PATH|- [KEY]",
		Short: "Upload a file, a tree or standard input",
		Long: "Upload PATH, or standard input where it is -, as KEY below the server's prefix. KEY defaults to the base name of\n" +
			"PATH. With --recursive PATH is a directory, its files keep their relative paths, and KEY is put before them.",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return a.upload(cmd.Context(), u, args) },
	}
	u.add(cmd)
	u.addObject(cmd)
	f := cmd.Flags()
	f.BoolVarP(&u.recursive, "recursive", "r", false, "upload a directory and all below it")
	f.StringArrayVar(&u.include, "include", nil, "with --recursive: only files that match, such as *.log or logs/**; may be repeated")
	f.StringArrayVar(&u.exclude, "exclude", nil, "with --recursive: no file or directory that matches; may be repeated, and beats --include")
	f.StringVar(&u.symlinks, "symlinks", string(tree.Skip), "with --recursive: skip symbolic links, follow them, or make them an error")
	f.BoolVar(&u.ifNoneMatch, "if-none-match", false, "fail where an object has the key already")
	f.BoolVar(&u.resume, "resume", false, "go on with an upload that was cut off, and keep what was sent if this one is cut off")
	return cmd
}

// addObject adds the flags that say how objects are stored.
func (u *uploadFlags) addObject(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&u.checksum, "checksum", string(transfer.CRC64NVME), "crc64nvme, crc32, crc32c or sha256")
	f.StringVar(&u.checksumMode, "checksum-mode", "", "when_supported, or when_required for servers that refuse trailing checksums ($AWS_REQUEST_CHECKSUM_CALCULATION)")
	f.StringVar(&u.contentType, "content-type", "", "media type (default: from the file's extension)")
	f.StringVar(&u.storageClass, "storage-class", "", "S3 storage class")
	f.StringVar(&u.encryption, "sse", "", "server-side encryption: AES256 or aws:kms (default: the bucket's)")
	f.StringVar(&u.kmsKeyID, "sse-kms-key-id", "", "KMS key for --sse aws:kms")
	f.StringArrayVar(&u.tags, "tag", nil, "key=value, an object tag; may be repeated")
	f.StringArrayVar(&u.metadata, "metadata", nil, "name=value, stored beside the object; may be repeated")
}

// uploaded is the result of one upload.
type uploaded struct {
	Path      string `json:"path"`
	Key       string `json:"key"` // relative to the prefix
	Bucket    string `json:"bucket"`
	ObjectKey string `json:"object_key"`
	Size      int64  `json:"size"`
	ETag      string `json:"etag"`
	VersionID string `json:"version_id,omitempty"`
	Checksum  string `json:"checksum,omitempty"`
	Algorithm string `json:"checksum_algorithm,omitempty"`
	Kept      int64  `json:"kept,omitempty"` // bytes that an earlier run had sent
}

func (a *app) upload(ctx context.Context, u *uploadFlags, args []string) error {
	options, object, err := u.parse()
	if err != nil {
		return err
	}
	choice, err := u.choice()
	if err != nil {
		return err
	}
	if u.resume {
		if args[0] == "-" {
			return &usageError{err: errors.New("--resume: standard input cannot be read again")}
		}
		if options.Journal, err = a.journal(); err != nil {
			return err
		}
	}
	s, err := a.session(options, u.checksumMode)
	if err != nil {
		return err
	}
	job := &uploadJob{app: a, session: s, object: object, choice: choice, atOnce: options.Concurrency}
	source := args[0]
	key := ""
	if len(args) == 2 {
		key = args[1]
	}
	if source == "-" {
		return job.stdin(ctx, key, u.recursive)
	}
	info, err := os.Stat(source)
	switch {
	case err != nil:
		return &transfer.LocalError{Doing: "upload " + source, Err: pathCause(err)}
	case u.recursive && !info.IsDir():
		return &usageError{err: fmt.Errorf("%s is not a directory", source)}
	case u.recursive:
		return job.tree(ctx, source, key)
	case info.IsDir():
		return &usageError{err: fmt.Errorf("%s is a directory: upload it with --recursive", source)}
	case !info.Mode().IsRegular():
		return &usageError{err: fmt.Errorf("%s is not a regular file: upload its content through standard input (-)", source)}
	}
	if key == "" {
		key = filepath.Base(source)
	}
	return job.file(ctx, source, key, info.Size())
}

func (u *uploadFlags) parse() (transfer.Options, transfer.ObjectOptions, error) {
	options, err := u.options()
	if err != nil {
		return options, transfer.ObjectOptions{}, err
	}
	if options.Algorithm, err = transfer.ParseAlgorithm(u.checksum); err != nil {
		return options, transfer.ObjectOptions{}, &usageError{err: fmt.Errorf("--checksum: %w", err)}
	}
	if u.checksumMode != "" && u.checksumMode != whenSupported && u.checksumMode != whenRequired {
		return options, transfer.ObjectOptions{}, &usageError{err: fmt.Errorf("--checksum-mode: %q is not %s or %s", u.checksumMode, whenSupported, whenRequired)}
	}
	if u.encryption != "" && u.encryption != "AES256" && u.encryption != "aws:kms" {
		return options, transfer.ObjectOptions{}, &usageError{err: fmt.Errorf("--sse: %q is not AES256 or aws:kms", u.encryption)}
	}
	if u.kmsKeyID != "" && u.encryption != "aws:kms" {
		return options, transfer.ObjectOptions{}, &usageError{err: errors.New("--sse-kms-key-id is for --sse aws:kms")}
	}
	m, err := metadata(u.metadata)
	if err != nil {
		return options, transfer.ObjectOptions{}, err
	}
	t, err := tags(u.tags)
	return options, transfer.ObjectOptions{ContentType: u.contentType, Metadata: m, Tags: t, StorageClass: u.storageClass,
		Encryption: u.encryption, KMSKeyID: u.kmsKeyID, IfNoneMatch: u.ifNoneMatch}, err
}

// choice is which files of a tree are uploaded.
func (u *uploadFlags) choice() (o tree.Options, err error) {
	if !u.recursive && len(u.include)+len(u.exclude) > 0 {
		return o, &usageError{err: errors.New("--include and --exclude are for --recursive")}
	}
	if o.Symlinks, err = tree.ParseSymlinks(u.symlinks); err != nil {
		return o, &usageError{err: fmt.Errorf("--symlinks: %w", err)}
	}
	if o.Include, err = compile("--include", u.include); err != nil {
		return o, err
	}
	o.Exclude, err = compile("--exclude", u.exclude)
	return o, err
}

func compile(flag string, texts []string) (patterns []tree.Pattern, err error) {
	for _, text := range texts {
		p, err := tree.Compile(text)
		if err != nil {
			return nil, &usageError{err: fmt.Errorf("%s: %w", flag, err)}
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

// uploadJob is one run of upload.
type uploadJob struct {
	*app
	session session
	object  transfer.ObjectOptions
	choice  tree.Options
	atOnce  int // files of a tree; the engine bounds the requests
}

func (j *uploadJob) stdin(ctx context.Context, key string, recursive bool) error {
	if recursive || key == "" {
		return &usageError{err: errors.New("standard input is one object: give it a KEY, and no --recursive")}
	}
	full, err := objectkey.Join(j.session.config.S3PathPrefix, key)
	if err != nil {
		return err
	}
	bar := j.bar(key, 0)
	obj, err := j.session.engine.UploadStream(ctx, j.Stdin, full, j.typed(key), bar)
	bar.Done()
	if err != nil {
		return err
	}
	return j.report("-", key, obj)
}

func (j *uploadJob) file(ctx context.Context, name, key string, size int64) error {
	full, err := objectkey.Join(j.session.config.S3PathPrefix, key)
	if err != nil {
		return err
	}
	bar := j.bar(key, size)
	obj, err := j.session.engine.UploadFile(ctx, name, full, j.typed(key), bar)
	bar.Done()
	if err != nil {
		return err
	}
	return j.report(name, key, obj)
}

func (j *uploadJob) report(name, key string, obj transfer.Object) error {
	return j.result(uploaded{Path: name, Key: key, Bucket: j.session.config.S3Bucket, ObjectKey: obj.Key, Size: obj.Size, ETag: obj.ETag,
		VersionID: obj.VersionID, Checksum: obj.Checksum.Value, Algorithm: string(obj.Checksum.Algorithm), Kept: obj.Kept},
		fmt.Sprintf("s3://%s/%s", j.session.config.S3Bucket, obj.Key))
}

// typed adds a media type guessed from the key's extension, where none is given.
func (j *uploadJob) typed(key string) transfer.ObjectOptions {
	o := j.object
	if o.ContentType == "" {
		o.ContentType = mime.TypeByExtension(filepath.Ext(key))
	}
	if o.ContentType == "" {
		o.ContentType = "application/octet-stream"
	}
	return o
}

func (a *app) bar(name string, total int64) *progress.Bar {
	if !a.interactive() {
		return nil
	}
	return progress.New(a.Stderr, name, total)
}

func pathCause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
