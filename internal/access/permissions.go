package access

import (
	"fmt"
	"slices"
	"strings"
)

// The inline policies of a server's role.
const (
	ObjectPolicy = "s3-object-access"
	ListPolicy   = "s3-list-access"
)

// Permissions is what a server's role grants: a level of access to one prefix of one bucket.
type Permissions struct {
	Partition  string // "aws", "aws-cn", "aws-us-gov"
	Bucket     string
	Prefix     string // ends in "/"
	Permission Permission
	KMSKeyARN  string // key that the bucket's objects are encrypted with; empty: none of the account's own
}

// The actions, in the order in which policies list them.
//
// A multipart upload needs s3:PutObject to be created, filled and completed, s3:AbortMultipartUpload to be given up, and
// s3:ListMultipartUploadParts to be resumed; all three work on the object.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
const (
	putObject      = "s3:PutObject"
	abortUpload    = "s3:AbortMultipartUpload"
	listParts      = "s3:ListMultipartUploadParts"
	getObject      = "s3:GetObject"
	deleteObject   = "s3:DeleteObject"
	listBucket     = "s3:ListBucket"
	s3Prefix       = "s3:prefix"
	generateKey    = "kms:GenerateDataKey"
	decrypt        = "kms:Decrypt"
	viaService     = "kms:ViaService"
	encryptContext = "kms:EncryptionContext:aws:s3:arn"
)

func objectActions(p Permission) []string {
	actions := []string{putObject, abortUpload, listParts}
	if p == ReadWrite || p == Full {
		actions = append(actions, getObject)
	}
	if p == Full {
		actions = append(actions, deleteObject)
	}
	return actions
}

// listActions are what full access adds on the bucket, within the prefix.
//
// s3:ListBucketMultipartUploads is not among them: AWS names no condition key that would keep it inside a prefix, so it
// would show every server's keys. A host keeps the ids of its own uploads and needs no list to abort them.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
func listActions() []string { return []string{listBucket} }

// Validate fails for permissions that no safe policy expresses.
func (p Permissions) Validate() error {
	if !isPartition(p.Partition) {
		return fmt.Errorf("%q is no partition", p.Partition)
	}
	if err := ValidateBucket(p.Bucket); err != nil {
		return err
	}
	if err := ValidatePrefix(p.Prefix); err != nil {
		return err
	}
	if _, err := ParsePermission(string(p.Permission)); err != nil {
		return err
	}
	if p.KMSKeyARN == "" {
		return nil
	}
	return validateKMSKey(p.Partition, p.KMSKeyARN)
}

// ValidateKMSKey checks the ARN of a KMS key. The ARN of an alias is refused: as a policy's resource it matches no key.
// https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
func ValidateKMSKey(arn string) error {
	a, err := ParseARN(arn)
	if err != nil {
		return err
	}
	id, ok := strings.CutPrefix(a.Resource, "key/")
	if a.Service != "kms" || !ok || a.Account == "" || !isWord(a.Region) || !isWord(id) {
		return fmt.Errorf("%q is not the ARN of a KMS key (arn:%s:kms:REGION:ACCOUNT:key/ID)", arn, a.Partition)
	}
	return nil
}

func validateKMSKey(partition, arn string) error {
	if err := ValidateKMSKey(arn); err != nil {
		return err
	}
	if !strings.HasPrefix(arn, "arn:"+partition+":") {
		return fmt.Errorf("the KMS key %q is not in the partition %s of the bucket", arn, partition)
	}
	return nil
}

func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !isLowerOrDigit(r) && r != '-' })
}

// Policies is the inline policies, name → canonical JSON. Permissions that do not validate get none: a mistake grants
// nothing.
func (p Permissions) Policies() map[string]string {
	if p.Validate() != nil {
		return nil
	}
	policies := map[string]string{ObjectPolicy: encode(p.objectStatements()...)}
	if p.Permission == Full {
		policies[ListPolicy] = encode(p.listStatement())
	}
	return policies
}

// Document is all statements of the policies as one document, for people to read; empty where Policies is.
func (p Permissions) Document() string {
	if p.Validate() != nil {
		return ""
	}
	statements := p.objectStatements()
	if p.Permission == Full {
		statements = append(statements, p.listStatement())
	}
	return encode(statements...)
}

func (p Permissions) bucketARN() string { return BucketARN(p.Partition, p.Bucket) }
func (p Permissions) objects() string   { return p.bucketARN() + "/" + p.Prefix + "*" }

func (p Permissions) objectStatements() []statement {
	statements := []statement{{Effect: "Allow", Action: objectActions(p.Permission), Resource: values{p.objects()}}}
	if p.KMSKeyARN != "" {
		statements = append(statements, p.keyStatement())
	}
	return statements
}

func (p Permissions) listStatement() statement {
	return statement{
		Effect:    "Allow",
		Action:    listActions(),
		Resource:  values{p.bucketARN()},
		Condition: condition{"StringLike": {s3Prefix: {p.Prefix + "*"}}},
	}
}

// keyStatement lets S3, and nobody else, use the key for the server's objects. A multipart upload needs kms:Decrypt
// too, since S3 has to read the parts to put them together.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
//
// The encryption context is the object's ARN, or the bucket's where it has an S3 Bucket Key.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#encryption-context
func (p Permissions) keyStatement() statement {
	return statement{
		Effect:   "Allow",
		Action:   values{generateKey, decrypt},
		Resource: values{p.KMSKeyARN},
		Condition: condition{
			"StringEquals": {viaService: p.viaS3()},
			"StringLike":   {encryptContext: {p.bucketARN(), p.objects()}},
		},
	}
}

// viaS3 is S3's name in the key's region, which is the bucket's. In China services go by two domains.
// https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
func (p Permissions) viaS3() values {
	key, err := ParseARN(p.KMSKeyARN)
	if err != nil {
		return nil // unreachable: Validate has parsed it
	}
	names := values{"s3." + key.Region + ".amazonaws.com"}
	if p.Partition == "aws-cn" {
		names = append(names, names[0]+".cn")
	}
	return names
}

// levelOf is the level whose actions a policy grants; lacks is what today's policies of that level grant besides.
func levelOf(where string, granted []string) (level Permission, lacks []string, err error) {
	has := func(action string) bool { return slices.Contains(granted, action) }
	switch {
	case !has(putObject):
		return "", nil, shape(where, "it grants %s without %s, which is no permission level", quoted(granted), putObject)
	case has(deleteObject) && !has(getObject):
		return "", nil, shape(where, "it grants %s without %s, which is no permission level", deleteObject, getObject)
	case has(deleteObject):
		level = Full
	case has(getObject):
		level = ReadWrite
	default:
		level = Write
	}
	for _, action := range objectActions(level) {
		if !has(action) {
			lacks = append(lacks, action)
		}
	}
	return level, lacks, nil
}
