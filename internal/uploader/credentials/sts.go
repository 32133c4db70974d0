package credentials

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
)

// Codes of AssumeRoleWithWebIdentity's errors.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html#API_AssumeRoleWithWebIdentity_Errors
const (
	CodeAccessDenied         = "AccessDenied"
	CodeExpiredToken         = "ExpiredTokenException"
	CodeInvalidIdentityToken = "InvalidIdentityToken"
	CodeIDPCommunication     = "IDPCommunicationError"
	CodeIDPRejectedClaim     = "IDPRejectedClaim"
)

// AssumeRole is the one call to STS that is made; *sts.Client has it.
type AssumeRole interface {
	AssumeRoleWithWebIdentity(context.Context, *sts.AssumeRoleWithWebIdentityInput, ...func(*sts.Options)) (*sts.AssumeRoleWithWebIdentityOutput, error)
}

// STS assumes the server's role with its token. It implements aws.CredentialsProvider; errors are those of the tokens,
// *Refused, *Unavailable or the context's.
type STS struct {
	Client  AssumeRole
	Tokens  Tokens
	Role    string // ARN
	Session string // RoleSessionName: the server's name, as CloudTrail shows it
	Policy  retry.Policy
	Log     *slog.Logger
}

// Retrieve implements aws.CredentialsProvider. STS fetches the provider's keys by itself, so its word that it could
// not (IDPCommunicationError, and InvalidIdentityToken with noKey in its text) or that it does not know the key yet
// (IDPRejectedClaim) is worth a bounded retry; an expired token is replaced once; a denial stands.
func (s *STS) Retrieve(ctx context.Context) (aws.Credentials, error) {
	t, err := s.Tokens.Token(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	c, err := s.assume(ctx, t)
	if hasCode(err, CodeExpiredToken, "ExpiredToken") {
		if t, err = s.Tokens.Replace(ctx, t); err != nil {
			return aws.Credentials{}, err
		}
		c, err = s.assume(ctx, t)
	}
	if err != nil {
		return aws.Credentials{}, s.classify(ctx, t, err)
	}
	return logged(s.Log, ServiceSTS, c), nil
}

func (s *STS) assume(ctx context.Context, t token.Token) (aws.Credentials, error) {
	var out *sts.AssumeRoleWithWebIdentityOutput
	err := s.Policy.Do(ctx, func(ctx context.Context) (err error) {
		out, err = s.Client.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
			RoleArn:          aws.String(s.Role),
			RoleSessionName:  aws.String(s.Session),
			WebIdentityToken: aws.String(t.Value.Reveal()),
		})
		if keysMissing(err) || hasCode(err, CodeIDPRejectedClaim) {
			return &retry.Again{Err: err}
		}
		return err
	})
	if err != nil {
		return aws.Credentials{}, err
	}
	if out.Credentials == nil || out.Credentials.AccessKeyId == nil {
		return aws.Credentials{}, errors.New("the answer holds no credentials")
	}
	c := out.Credentials
	return aws.Credentials{
		AccessKeyID: aws.ToString(c.AccessKeyId), SecretAccessKey: aws.ToString(c.SecretAccessKey), SessionToken: aws.ToString(c.SessionToken),
		Source: ServiceSTS, CanExpire: true, Expires: aws.ToTime(c.Expiration).UTC().Truncate(time.Second),
	}, nil
}

func (s *STS) classify(ctx context.Context, t token.Token, err error) error {
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	var api smithy.APIError
	var resp *awshttp.ResponseError
	if !errors.As(err, &api) || !errors.As(err, &resp) || retry.Transient(resp.HTTPStatusCode()) || passing(err) {
		return &Unavailable{Service: ServiceSTS, Err: err}
	}
	return &Refused{Service: ServiceSTS, Role: s.Role, Status: resp.HTTPStatusCode(), Code: api.ErrorCode(), Message: api.ErrorMessage(),
		RequestID: resp.ServiceRequestID(), Claims: peek(t)}
}

// noKey is in the text of an InvalidIdentityToken that says nothing of the token: STS could not get at the provider's keys
// at that moment. Other texts of that code are refusals.
// https://github.com/aws/aws-cli/issues/7194
const noKey = "retrieve verification key"

// keysMissing reports whether STS could not fetch the identity provider's keys.
func keysMissing(err error) bool {
	var api smithy.APIError
	return hasCode(err, CodeIDPCommunication) ||
		hasCode(err, CodeInvalidIdentityToken) && errors.As(err, &api) && strings.Contains(strings.ToLower(api.ErrorMessage()), noKey)
}

// passing reports answers that say nothing of the request, although their status is that of a refusal: STS has too much to
// do (400 Throttling), or the provider's keys are out of its reach. The SDK has repeated the former by itself already.
// https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
func passing(err error) bool {
	throttled := awsretry.ThrottleErrorCode{Codes: awsretry.DefaultThrottleErrorCodes}
	late := awsretry.RetryableErrorCode{Codes: awsretry.DefaultRetryableErrorCodes}
	return keysMissing(err) || throttled.IsErrorThrottle(err) == aws.TrueTernary || late.IsErrorRetryable(err) == aws.TrueTernary
}

func hasCode(err error, codes ...string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains(codes, api.ErrorCode())
}
