package access

import (
	"fmt"
	"strings"
)

// ARN is an Amazon Resource Name in its parts.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
type ARN struct {
	Partition string // "aws", "aws-cn", "aws-us-gov"
	Service   string
	Region    string // empty for global services
	Account   string // 12 digits; empty for S3
	Resource  string // may contain ":" and "/"
}

// String puts the parts together again.
func (a ARN) String() string {
	return strings.Join([]string{"arn", a.Partition, a.Service, a.Region, a.Account, a.Resource}, ":")
}

// ParseARN takes an ARN apart. It checks the form, not that service or account exist.
func ParseARN(s string) (ARN, error) {
	parts := strings.SplitN(s, ":", 6)
	if parts[0] != "arn" {
		return ARN{}, fmt.Errorf("%q is no ARN: it does not begin with \"arn:\"", s)
	}
	if len(parts) < 6 {
		return ARN{}, fmt.Errorf("%q is no ARN: it has %d of the 6 parts of arn:partition:service:region:account:resource", s, len(parts))
	}
	a := ARN{Partition: parts[1], Service: parts[2], Region: parts[3], Account: parts[4], Resource: parts[5]}
	switch {
	case !isPartition(a.Partition):
		return ARN{}, fmt.Errorf("%q is no ARN: %q is no partition", s, a.Partition)
	case a.Service == "":
		return ARN{}, fmt.Errorf("%q is no ARN: it names no service", s)
	case a.Resource == "":
		return ARN{}, fmt.Errorf("%q is no ARN: it names no resource", s)
	case a.Account != "" && !isAccount(a.Account):
		return ARN{}, fmt.Errorf("%q is no ARN: the account %q is not 12 digits", s, a.Account)
	}
	return a, nil
}

// RoleARN is the ARN of a role that has no path.
func RoleARN(partition, account, name string) string {
	return ARN{Partition: partition, Service: "iam", Account: account, Resource: "role/" + name}.String()
}

// SameRoleName reports whether two ARNs are of one name in one account, where they can be of one role at different times
// only: a path tells no two roles apart. https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
func SameRoleName(a, b string) bool {
	one, err := ParseARN(a)
	other, otherErr := ParseARN(b)
	if err != nil || otherErr != nil || one.Service != "iam" || other.Service != "iam" || one.Account != other.Account || one.Partition != other.Partition {
		return false
	}
	first, ok := strings.CutPrefix(one.Resource, "role/")
	second, alsoOK := strings.CutPrefix(other.Resource, "role/")
	return ok && alsoOK && first[strings.LastIndex(first, "/")+1:] == second[strings.LastIndex(second, "/")+1:]
}

// BucketARN is the ARN of a bucket.
func BucketARN(partition, bucket string) string {
	return ARN{Partition: partition, Service: "s3", Resource: bucket}.String()
}

// isPartition goes by the form ("aws", "aws-cn", …), so that a partition yet to come is not refused.
func isPartition(s string) bool {
	return s == "aws" || strings.HasPrefix(s, "aws-") && len(s) > len("aws-") && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-") == ""
}

func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

// providerPath is what stands behind "oidc-provider/" in the ARN of an OIDC provider: the prefix of its condition
// keys. It may contain ":" and end in "/".
func providerPath(arn string) (string, error) {
	a, err := ParseARN(arn)
	if err != nil {
		return "", err
	}
	path, ok := strings.CutPrefix(a.Resource, "oidc-provider/")
	if !ok || path == "" || a.Service != "iam" || a.Account == "" {
		return "", fmt.Errorf("%q is not the ARN of an OIDC provider (arn:%s:iam::ACCOUNT:oidc-provider/ISSUER)", arn, a.Partition)
	}
	return path, nil
}

// checkRoleARN fails for what is not the ARN of a role.
func checkRoleARN(arn string) error {
	a, err := ParseARN(arn)
	if err != nil {
		return err
	}
	if name, ok := strings.CutPrefix(a.Resource, "role/"); !ok || name == "" || a.Service != "iam" || a.Account == "" {
		return fmt.Errorf("%q is not the ARN of a role (arn:%s:iam::ACCOUNT:role/NAME)", arn, a.Partition)
	}
	return nil
}
