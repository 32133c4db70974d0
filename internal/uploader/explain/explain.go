// Package explain turns errors into what a person can do with them: the exit code that says who refused, one line that
// says what, and a hint where there is a way to mend it. Every command and the doctor explain errors from here.
//
// Nothing here writes or exits.
package explain

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/credentials"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/objectkey"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

// Exit codes of oidcs3-upload.
const (
	Done        = 0
	Other       = 1
	Usage       = 2 // command line or configuration
	IDP         = 3 // the identity provider refused
	Credentials = 4 // STS or the vending API refused
	S3          = 5 // S3 refused or failed
	Some        = 6 // some of several files failed
	Interrupted = 130
)

// Explanation is what a user learns of an error.
type Explanation struct {
	Code    int    // exit code
	Message string // may hold line breaks
	Hint    string // empty where there is nothing to do
}

// Self is an error that brings its own explanation.
type Self interface {
	error
	Explain() Explanation
}

// Error finds the cause of an error in its chain: whoever refused decides on the exit code, however deep in a
// transfer it was met.
func Error(ctx context.Context, err error) Explanation {
	var left *transfer.AbortError
	if errors.As(err, &left) {
		e := Error(ctx, left.Err)
		return Explanation{e.Code, e.Message + "; parts of upload " + left.UploadID + " are still stored, aborting it failed: " + left.Abort.Error(),
			"oidcs3-upload clean aborts it, where listing uploads is permitted; so does a lifecycle rule for incomplete multipart uploads"}
	}
	var resumable *transfer.ResumableError
	if errors.As(err, &resumable) {
		return resumeHint(Error(ctx, resumable.Err))
	}
	if ctx.Err() != nil {
		return Explanation{Code: Interrupted, Message: "interrupted"}
	}
	for _, known := range []func(error) (Explanation, bool){ofUsage, ofToken, ofCredentials, ofS3, ofTransfer} {
		if e, ok := known(err); ok {
			return e
		}
	}
	return Explanation{Code: Other, Message: err.Error(), Hint: Network(err)}
}

// resumeHint adds that what was sent is not lost.
func resumeHint(e Explanation) Explanation {
	if e.Hint != "" {
		e.Hint += "; "
	}
	e.Hint += "the parts that were sent are kept: the same command with --resume goes on from there"
	return e
}

func ofUsage(err error) (Explanation, bool) {
	var self Self
	var configuration *config.Error
	var key *objectkey.Error
	switch {
	case errors.As(err, &configuration):
		return Explanation{Usage, configuration.Error(), configuration.Hint}, true
	case errors.As(err, &self):
		return self.Explain(), true
	case errors.As(err, &key):
		return Explanation{Usage, key.Error(), "keys are relative to s3_path_prefix and stay inside it"}, true
	}
	return Explanation{}, false
}

func ofTransfer(err error) (Explanation, bool) {
	var mismatch *transfer.MismatchError
	var changed *transfer.ChangedError
	var local *transfer.LocalError
	var locked *journal.LockedError
	switch {
	case errors.As(err, &locked):
		return Explanation{Other, locked.Error(), "wait until it is done"}, true
	case errors.As(err, &mismatch):
		return Explanation{S3, mismatch.Error(), "the bytes were damaged on their way; try again, and suspect memory or network hardware if it lasts"}, true
	case errors.As(err, &changed) && changed.Err != nil:
		return Explanation{S3, changed.Error(), "somebody replaced the object; download it again"}, true
	case errors.As(err, &changed):
		return Explanation{Other, changed.Error(), "upload it when nobody writes to it, or a copy of it"}, true
	case errors.As(err, &local):
		return Explanation{Other, local.Error(), localHint(local)}, true
	}
	return Explanation{}, false
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

func ofToken(err error) (Explanation, bool) {
	var refused *token.Refused
	var away *token.Unavailable
	switch {
	case errors.As(err, &refused):
		return Explanation{IDP, refused.Error(), tokenHint(refused)}, true
	case errors.As(err, &away):
		return Explanation{Other, away.Error(), Network(away)}, true
	}
	return Explanation{}, false
}

func tokenHint(e *token.Refused) string {
	switch e.Code {
	case "invalid_client", "unauthorized":
		if strings.Contains(e.Description, "AADSTS7000222") { // https://learn.microsoft.com/entra/identity-platform/reference-error-codes
			return "the client secret has expired: terraform apply -replace or a new rotation trigger makes another"
		}
		return "the client ID and its secret or key do not match: was the secret rotated? compare with terraform output"
	case "access_denied":
		if e.Provider == config.Auth0 && e.Status == 401 { // Auth0 has one code for both
			return "the client ID and its secret or key do not match, or there is no such client: was the secret rotated? compare with terraform output"
		}
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

func ofCredentials(err error) (Explanation, bool) {
	var refused *credentials.Refused
	var away *credentials.Unavailable
	switch {
	case errors.As(err, &refused):
		return Explanation{Credentials, refused.Error(), credentialsHint(refused)}, true
	case errors.As(err, &away):
		return Explanation{Other, away.Service + " cannot be reached: " + Cause(away), Network(away)}, true
	}
	return Explanation{}, false
}

// Network knows what keeps two machines from talking.
func Network(err error) string {
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
	case strings.Contains(err.Error(), http.StatusText(http.StatusProxyAuthRequired)): // net/http has no type for it
		return "the proxy wants a user and a password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT, or an exception in NO_PROXY"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time: check firewall and proxy (HTTPS_PROXY), then try again"
	}
	return ""
}

// Cause is the text of the error at the end of the chain, which for the SDK's errors is the one that says something.
func Cause(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		if _, ok := err.(*net.OpError); ok { //nolint:errorlint // this link of the chain, not what it wraps
			break // "dial tcp 192.0.2.1:443: connect: connection refused" says where
		}
		err = next
	}
	return err.Error()
}
