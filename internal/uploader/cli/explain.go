package cli

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"syscall"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/credentials"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/objectkey"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

// explanation is what a user learns of an error.
type explanation struct {
	code          int
	message, hint string
}

// explain finds the cause of an error in its chain: whoever refused decides on the exit code, however deep in a
// transfer it was met.
func explain(ctx context.Context, err error) explanation {
	var left *transfer.AbortError
	if errors.As(err, &left) {
		e := explain(ctx, left.Err)
		return explanation{e.code, e.message + "; parts of upload " + left.UploadID + " are still stored, aborting it failed: " + left.Abort.Error(),
			"oidcs3-upload clean aborts it, where listing uploads is permitted; so does a lifecycle rule for incomplete multipart uploads"}
	}
	var resumable *transfer.ResumableError
	if errors.As(err, &resumable) {
		return resumeHint(explain(ctx, resumable.Err))
	}
	if ctx.Err() != nil {
		return explanation{code: exitInterrupted, message: "interrupted"}
	}
	for _, known := range []func(error) (explanation, bool){ofUsage, ofToken, ofCredentials, ofS3, ofTransfer} {
		if e, ok := known(err); ok {
			return e
		}
	}
	return explanation{code: exitOther, message: err.Error(), hint: networkHint(err)}
}

// resumeHint adds that what was sent is not lost.
func resumeHint(e explanation) explanation {
	if e.hint != "" {
		e.hint += "; "
	}
	e.hint += "the parts that were sent are kept: the same command with --resume goes on from there"
	return e
}

func ofUsage(err error) (explanation, bool) {
	var usage *usageError
	var configuration *config.Error
	var key *objectkey.Error
	switch {
	case errors.As(err, &configuration):
		return explanation{exitUsage, configuration.Error(), configuration.Hint}, true
	case errors.As(err, &usage):
		return explanation{exitUsage, usage.Error(), "see oidcs3-upload --help"}, true
	case errors.As(err, &key):
		return explanation{exitUsage, key.Error(), "keys are relative to s3_path_prefix and stay inside it"}, true
	}
	return explanation{}, false
}

func ofTransfer(err error) (explanation, bool) {
	var some *someFailed
	var mismatch *transfer.MismatchError
	var changed *transfer.ChangedError
	var local *transfer.LocalError
	var locked *journal.LockedError
	switch {
	case errors.As(err, &locked):
		return explanation{exitOther, locked.Error(), "wait until it is done"}, true
	case errors.As(err, &some):
		return explanation{exitSome, some.Error(), ""}, true
	case errors.As(err, &mismatch):
		return explanation{exitS3, mismatch.Error(), "the bytes were damaged on their way; try again, and suspect memory or network hardware if it lasts"}, true
	case errors.As(err, &changed) && changed.Err != nil:
		return explanation{exitS3, changed.Error(), "somebody replaced the object; download it again"}, true
	case errors.As(err, &changed):
		return explanation{exitOther, changed.Error(), "upload it when nobody writes to it, or a copy of it"}, true
	case errors.As(err, &local):
		return explanation{exitOther, local.Error(), localHint(local)}, true
	}
	return explanation{}, false
}

func localHint(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return "the disk is full or a quota is reached; an existing file was left as it was"
	case errors.Is(err, fs.ErrPermission):
		return "the user who runs this lacks the permission for that file or directory"
	case errors.Is(err, fs.ErrNotExist):
		return "check the path"
	case errors.Is(err, syscall.EROFS):
		return "the file system is read-only (ProtectSystem= in a systemd unit makes it so)"
	}
	return ""
}

func ofToken(err error) (explanation, bool) {
	var refused *token.Refused
	var away *token.Unavailable
	switch {
	case errors.As(err, &refused):
		return explanation{exitIDP, refused.Error(), tokenHint(refused)}, true
	case errors.As(err, &away):
		return explanation{exitOther, away.Error(), networkHint(away)}, true
	}
	return explanation{}, false
}

func tokenHint(e *token.Refused) string {
	switch e.Code {
	case "invalid_client", "unauthorized":
		return "the client ID and its secret or key do not match: was the secret rotated? compare with terraform output"
	case "access_denied":
		if e.Provider == config.Auth0 {
			return "the client has no grant for this audience: check auth0_audience and the client grant"
		}
	case "invalid_scope":
		return "ask for scopes that the client was granted: cognito_scopes, or entra_audience"
	case "unauthorized_client":
		return "the client must be allowed the client credentials grant in this tenant; check the client ID"
	case "invalid_grant":
		return "the client must be allowed the client credentials grant and these scopes"
	}
	switch e.Status {
	case 401, 403:
		return "check the client ID, its secret or key, and the audience"
	case 404:
		return "no token endpoint there: check the identity provider's domain and tenant"
	}
	return ""
}

func ofCredentials(err error) (explanation, bool) {
	var refused *credentials.Refused
	var away *credentials.Unavailable
	switch {
	case errors.As(err, &refused):
		return explanation{exitCredentials, refused.Error(), credentialsHint(refused)}, true
	case errors.As(err, &away):
		return explanation{exitOther, away.Service + " cannot be reached: " + innermost(away), networkHint(away)}, true
	}
	return explanation{}, false
}

// networkHint knows what keeps two machines from talking.
func networkHint(err error) string {
	var dns *net.DNSError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return "the host name " + dns.Name + " does not resolve: check the configured domain and aws_region, and this host's DNS"
	case errors.As(err, &authority):
		return "the server's certificate is signed by an authority that this host does not trust: a proxy may sit between, name its CA file in SSL_CERT_FILE and AWS_CA_BUNDLE"
	case errors.As(err, &name):
		return "the certificate is another host's: check the configured domain"
	case errors.As(err, &invalid):
		return "the certificate is not valid now: check this host's clock"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ECONNRESET):
		return "the host cannot be reached: check firewall and proxy (HTTPS_PROXY)"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time: check firewall and proxy (HTTPS_PROXY), then try again"
	}
	return ""
}

// innermost is the text of the error at the end of the chain, which for the SDK's errors is the one that says something.
func innermost(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		if _, ok := err.(*net.OpError); ok { //nolint:errorlint // this link of the chain, not what it wraps
			break // "dial tcp 192.0.2.1:443: connect: connection refused" says where
		}
		err = next
	}
	return err.Error()
}
