package explain

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/credentials"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	refused := &token.Refused{Provider: config.Auth0, Status: 403, Code: "access_denied"}
	s3 := func(code, message string) error {
		return &transfer.S3Error{Doing: "put object", Key: "k", Err: &smithy.GenericAPIError{Code: code, Message: message}}
	}
	for name, tc := range map[string]struct {
		err  error
		code int
		hint string
	}{
		"unreadable file":    {&transfer.LocalError{Doing: "open f", Err: os.ErrPermission}, Other, "lacks the permission"},
		"full disk":          {&transfer.LocalError{Doing: "write f", Err: syscall.ENOSPC}, Other, "disk is full"},
		"read-only disk":     {&transfer.LocalError{Doing: "write f", Err: syscall.EROFS}, Other, "ProtectSystem="},
		"unknown region":     {&credentials.Unavailable{Service: credentials.ServiceSTS, Err: &net.DNSError{Name: "sts.eu-west-9.amazonaws.com", IsNotFound: true}}, Other, "aws_region"},
		"unknown domain":     {&token.Unavailable{Host: "h", Err: &net.DNSError{Name: "h"}}, Other, "host name h does not resolve"},
		"slow identity":      {&token.Unavailable{Host: "h", Err: os.ErrDeadlineExceeded}, Other, "no answer in time"},
		"other certificate":  {&token.Unavailable{Host: "h", Err: x509.HostnameError{Certificate: &x509.Certificate{}}}, Other, "another host's"},
		"expired":            {&token.Unavailable{Host: "h", Err: x509.CertificateInvalidError{Reason: x509.Expired}}, Other, "clock"},
		"no grant":           {refused, IDP, "client grant"},
		"no such client":     {&token.Refused{Provider: config.Auth0, Status: 401, Code: "access_denied"}, IDP, "was the secret rotated?"},
		"secret is over":     {&token.Refused{Provider: config.Entra, Status: 401, Code: "invalid_client", Description: "AADSTS7000222: The provided client secret keys for app 'x' are expired."}, IDP, "has expired"},
		"proxy's password":   {&token.Unavailable{Host: "h", Err: errors.New("Proxy Authentication Required")}, Other, "HTTPS_PROXY=http://USER"},
		"inside a transfer":  {&transfer.S3Error{Doing: "put object", Key: "k", Err: fmt.Errorf("sign: %w", refused)}, IDP, "client grant"},
		"bad scope":          {&token.Refused{Status: 400, Code: "invalid_scope"}, IDP, "cognito_scopes"},
		"wrong tenant":       {&token.Refused{Status: 404}, IDP, "no token endpoint"},
		"fresh, yet expired": {&credentials.Refused{Service: credentials.ServiceSTS, Code: credentials.CodeExpiredToken}, Credentials, "clock"},
		"opaque token":       {&credentials.Refused{Service: credentials.ServiceSTS, Code: credentials.CodeInvalidIdentityToken}, Credentials, "opaque"},
		"vending path":       {&credentials.Refused{Service: credentials.ServiceVending, Status: 404}, Credentials, "credential_vending_url"},
		"vending token":      {&credentials.Refused{Service: credentials.ServiceVending, Status: 401}, Credentials, "scopes"},
		"trailer":            {s3("InvalidRequest", "The value specified in the x-amz-trailer header is not supported"), S3, "when_required"},
		"busy":               {s3("SlowDown", ""), S3, "--concurrency"},
		"damaged":            {&transfer.MismatchError{Key: "k"}, S3, "hardware"},
		"changing file":      {&transfer.ChangedError{What: "file f"}, Other, "nobody writes"},
		"parts left":         {&transfer.AbortError{Key: "k", UploadID: "u", Err: s3("AccessDenied", ""), Abort: errors.New("no")}, S3, "lifecycle rule"},
		"something else":     {errors.New("x"), Other, ""},
	} {
		e := Error(t.Context(), tc.err)
		if e.Code != tc.code || !strings.Contains(e.Hint, tc.hint) || e.Message == "" || (tc.hint == "") != (e.Hint == "") {
			t.Errorf("%s: %+v", name, e)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if e := Error(ctx, context.Canceled); e.Code != Interrupted {
		t.Errorf("interrupted: %+v", e)
	}
	left := &transfer.AbortError{Key: "k", UploadID: "u", Err: context.Canceled, Abort: errors.New("no")}
	if e := Error(ctx, left); e.Code != Interrupted || !strings.Contains(e.Message, "upload u") {
		t.Errorf("interrupted, with parts left: %+v", e)
	}
}
