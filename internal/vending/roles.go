package vending

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

const (
	assumeTimeout = 6 * time.Second
	// maxSessionPolicy is in characters: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
	maxSessionPolicy = 2048
)

// roleAssumer gets a session of a row's role. The session bears the server's name and is confined to the row's prefix,
// whatever the role allows.
type roleAssumer struct {
	cfg Config
	api AssumeRoleAPI
}

// assume returns credentials. The error is a *refusal.
func (a roleAssumer) assume(ctx context.Context, row rolemap.Row) (credentials, error) {
	policy, err := sessionPolicy(a.cfg.Buckets, row)
	if err != nil {
		return credentials{}, badRow(err)
	}
	ctx, cancel := context.WithTimeout(ctx, assumeTimeout)
	defer cancel()
	in := &sts.AssumeRoleInput{
		RoleArn: &row.RoleARN, RoleSessionName: &row.ServerName, Policy: &policy,
		DurationSeconds: aws.Int32(int32(a.cfg.SessionDuration)), //nolint:gosec // at most 3600, see Validate
	}
	if a.cfg.SourceIdentity {
		in.SourceIdentity = &row.ServerName
	}
	out, err := a.api.AssumeRole(ctx, in)
	if err != nil {
		return credentials{}, assumeRefusal(err)
	}
	c := out.Credentials
	if c == nil || aws.ToString(c.AccessKeyId) == "" || c.SecretAccessKey == nil || c.SessionToken == nil || c.Expiration == nil {
		return credentials{}, internal(errors.New("STS answered without credentials"))
	}
	return credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, Token: *c.SessionToken,
		Expiration: c.Expiration.UTC().Truncate(time.Second), RoleARN: row.RoleARN}, nil
}

// assumeRefusal tells a role that does not let the service in from an STS that is in trouble. The client learns no
// more than that; the operator reads STS's own words in the audit line.
func assumeRefusal(err error) *refusal {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return unavailable("sts", "STS did not answer", err)
	}
	switch api.ErrorCode() {
	case "AccessDenied":
		return &refusal{status: http.StatusForbidden, code: "AccessDenied", reason: "role_denied", err: err,
			message: "the server's role does not let the vending service in"}
	case "ValidationError", "MalformedPolicyDocument", "PackedPolicyTooLarge":
		return internal(err)
	}
	return unavailable("sts", "STS cannot assume the server's role now", err)
}

// sessionPolicy allows all that any permission level does, on the row's prefix of the buckets alone: the role decides
// how much of that a server has.
func sessionPolicy(buckets []Bucket, row rolemap.Row) (string, error) {
	role, err := access.ParseARN(row.RoleARN)
	if err != nil {
		return "", err
	}
	type document struct {
		Version   string
		Statement []json.RawMessage
	}
	var all document
	for _, b := range buckets {
		p := access.Permissions{Partition: role.Partition, Bucket: b.Name, Prefix: row.Prefix, Permission: access.Full, KMSKeyARN: b.KMSKeyARN}
		if err := p.Validate(); err != nil {
			return "", fmt.Errorf("session policy for bucket %s: %w", b.Name, err)
		}
		var one document
		if err := json.Unmarshal([]byte(p.Document()), &one); err != nil {
			return "", fmt.Errorf("session policy for bucket %s: %w", b.Name, err)
		}
		all.Version, all.Statement = one.Version, append(all.Statement, one.Statement...)
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(all); err != nil {
		return "", err
	}
	policy := string(bytes.TrimSpace(text.Bytes()))
	if n := utf8.RuneCountInString(policy); n > maxSessionPolicy {
		return "", fmt.Errorf("the session policy has %d characters, and STS takes %d: shorten s3_path_prefix or configure fewer buckets", n, maxSessionPolicy)
	}
	return policy, nil
}
