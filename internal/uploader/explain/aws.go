package explain

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/credentials"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

// credentialsHint says what a refused token's own claims mean for whoever refused it.
func credentialsHint(e *credentials.Refused) string {
	if e.Service == credentials.ServiceVending {
		return vendingHint(e)
	}
	switch e.Code {
	case credentials.CodeAccessDenied:
		return "the role's trust policy does not let this token in" + audienceRule(e.Claims)
	case credentials.CodeInvalidIdentityToken:
		return identityTokenHint(e.Claims)
	case credentials.CodeExpiredToken:
		return "STS finds a fresh token expired: check this host's clock"
	case "RegionDisabledException":
		return "STS is not active in aws_region for that account"
	case "ValidationError":
		return "check aws_role_arn and server_name"
	}
	return ""
}

func identityTokenHint(c *token.Claims) string {
	if c == nil {
		return "the identity provider gave an opaque token, and STS wants a JWT: check the audience"
	}
	hint := fmt.Sprintf("the account needs an IAM OIDC provider for %s that lists the audience", c.Issuer)
	hint += audienceRule(c)
	if strings.EqualFold(c.Type, "at+jwt") {
		hint += "; the token's header says typ at+jwt, which STS is not known to accept: set the API's token profile to access_token, or federation to vending"
	}
	return hint
}

// audienceRule is the trap that most trust policies fall into: STS takes azp, where it is present, for the audience.
func audienceRule(c *token.Claims) string {
	switch {
	case c == nil:
		return ""
	case c.AZP != "":
		return fmt.Sprintf("; the token carries azp %s, which STS takes for the audience: the OIDC provider must list it, and the trust policy must have :aud = %s and :oaud = %s, with :sub = %s",
			c.AZP, c.AZP, strings.Join(c.Audience, ","), c.Subject)
	}
	return fmt.Sprintf("; the token says iss %s, aud %s, sub %s", c.Issuer, strings.Join(c.Audience, ","), c.Subject)
}

func vendingHint(e *credentials.Refused) string {
	switch e.Status {
	case http.StatusUnauthorized:
		return "the API does not accept the token: check issuer, scopes and this host's clock"
	case http.StatusForbidden:
		if e.Claims != nil && e.Claims.ClientID != "" {
			return "no role is mapped to client " + e.Claims.ClientID + ", or its role may not be assumed"
		}
		return "no role is mapped to this client, or its role may not be assumed"
	case http.StatusNotFound:
		return "no such path: credential_vending_url is the base that /credentials is put behind"
	}
	return ""
}

func ofS3(err error) (Explanation, bool) {
	var failed *transfer.S3Error
	if !errors.As(err, &failed) {
		return Explanation{}, false
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		e := Explanation{S3, failed.Error(), Network(err)}
		if e.Hint != "" {
			e.Message = failed.Doing + " " + failed.Key + ": " + Cause(failed)
		}
		return e, true
	}
	var resp *awshttp.ResponseError
	status, region := 0, ""
	if errors.As(err, &resp) {
		status = resp.HTTPStatusCode()
		region = resp.Response.Header.Get("X-Amz-Bucket-Region")
	}
	return Explanation{S3, failed.Error(), s3Hint(api, status, region, failed.Permission)}, true
}

func s3Hint(api smithy.APIError, status int, region, permission string) string {
	if trailerRefused(api) {
		return "the server seems to refuse trailing checksums: use --checksum-mode when_required or AWS_REQUEST_CHECKSUM_CALCULATION=when_required"
	}
	switch code := api.ErrorCode(); code {
	case "NoSuchBucket":
		return "check s3_bucket"
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "MovedPermanently":
		if region != "" {
			return "the bucket lies in " + region + ": set aws_region"
		}
		return "the bucket lies in another region: check aws_region"
	case "RequestTimeTooSkewed":
		return "this host's clock is off by more than 15 minutes: set it (chronyc makestep, timedatectl)"
	case "NoSuchKey", "NotFound":
		return "there is no such object; oidcs3-upload list shows what there is"
	case "PreconditionFailed", "ConditionalRequestConflict":
		return "an object has this key already, or somebody is writing it at this moment"
	case "SlowDown", "ServiceUnavailable", "RequestTimeout":
		return "S3 is busy: try again later, or with a smaller --concurrency"
	case "BadDigest":
		return "the bytes were damaged on their way; try again"
	case "InvalidStorageClass":
		return "check --storage-class"
	case "EntityTooLarge":
		return "use a smaller --part-size"
	case "InvalidAccessKeyId", "InvalidToken", "ExpiredToken", "SignatureDoesNotMatch":
		return "S3 does not take the temporary credentials: check aws_region and AWS_ENDPOINT_URL"
	}
	switch {
	case status == http.StatusForbidden && strings.Contains(api.ErrorMessage(), "kms:"):
		return "the bucket's key refuses the role: kms_key_arn of oidcs3_server_access must name it, and the key's policy must let the account's roles in"
	case status == http.StatusForbidden:
		return takes(permission) + "the role may work below its own prefix of its own bucket only, and only as s3_permissions says: check s3_bucket and s3_path_prefix"
	}
	return ""
}

// takes says which permission a call needs and which levels of s3_permissions grant it.
func takes(permission string) string {
	switch permission {
	case "":
		return ""
	case "s3:GetObject":
		return "it takes s3:GetObject, which s3_permissions read-write and full grant (without s3:ListBucket, S3 says the same of an object that does not exist); "
	case "s3:ListBucketMultipartUploads":
		return "it takes " + permission + ", which no level of s3_permissions grants, for it shows the whole bucket's uploads; "
	case "s3:ListBucket", "s3:DeleteObject":
		return "it takes " + permission + ", which s3_permissions full grants; "
	}
	return "it takes " + permission + ", which every level of s3_permissions grants; "
}

// trailerRefused recognizes servers that do not know aws-chunked bodies with a checksum behind them.
func trailerRefused(api smithy.APIError) bool {
	text := strings.ToLower(api.ErrorMessage())
	for _, sign := range []string{"trailer", "aws-chunked", "streaming-unsigned-payload"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	switch api.ErrorCode() {
	case "XAmzContentSHA256Mismatch", "NotImplemented":
		return true
	}
	return false
}
