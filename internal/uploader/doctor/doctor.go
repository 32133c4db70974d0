// Package doctor walks the way of an upload step by step, from the configuration to S3 and one step beyond the server's
// prefix, and says of each what is wrong and how to mend it.
//
// It uses what the commands use, so that it meets what they meet, and it changes nothing but its own probe object. No
// secret, token or credential reaches a finding: of a token only iss, aud, sub, azp, client_id, scope and its times do.
package doctor

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/credentials"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/explain"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

// Status is how a step went.
type Status string

// The statuses.
const (
	OK      Status = "ok"
	Warning Status = "warning" // works, and may not for long, or may not be what was meant
	Failed  Status = "failed"
	Skipped Status = "skipped" // a step that it depends on failed
)

// Finding is what one step found.
type Finding struct {
	Step    string `json:"step"`
	Status  Status `json:"status"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // how to mend it
	Code    int    `json:"code,omitempty"` // exit code of a failure
}

// The steps, in their order.
const (
	StepConfiguration  = "configuration"
	StepFiles          = "files"
	StepAuthentication = "authentication"
	StepNetwork        = "network" // once for each host
	StepClock          = "clock"
	StepToken          = "token"
	StepClaims         = "claims"
	StepCredentials    = "credentials"
	StepPut            = "s3 put"
	StepGet            = "s3 get"
	StepList           = "s3 list"
	StepMultipart      = "s3 multipart"
	StepDelete         = "s3 delete"
	StepPermissions    = "permissions"
	StepNeighbour      = "neighbour"
)

// File is a file that the configuration or the authentication was read from.
type File struct {
	Path   string
	What   string // "configuration", "client secret"
	Secret bool   // nobody else may read it
}

// Host is a service that the host talks to, and how.
type Host struct {
	Name   string       // "the identity provider"
	URL    string       // of the service; only its host is asked
	Client *http.Client // as the commands use it: its proxies and its CAs
	CA     string       // file of the trusted CAs; empty: the system's
	Code   int          // exit code where it cannot be reached
}

// Clouds are the clients of everything that the configuration names.
type Clouds struct {
	Authentication string // what the host proves its identity with, in words, without the secret
	IDP            Host
	Issuer         Host // of credentials: STS or the vending API
	S3             Host
	Tokens         credentials.Tokens
	Credentials    aws.CredentialsProvider
	Store          transfer.Store     // of the bucket, with these credentials
	Algorithm      transfer.Algorithm // of the checksums that uploads send
}

// Doctor is one examination. All fields are required.
type Doctor struct {
	// Configure reads and validates the configuration. Files are named as far as they are known, in a failure too.
	Configure func() (config.Config, []File, error)
	Connect   func(config.Config) (Clouds, error)
	Now       func() time.Time
	Retry     retry.Policy // of calls to S3
	Report    func(Finding)

	config  config.Config
	files   []File
	clouds  Clouds
	failed  map[string]bool // by step, or network and the service's name
	offset  time.Duration   // what the servers' clocks are ahead of ours
	measure []measured
	verdict Verdict
}

// Verdict sums an examination up.
type Verdict struct {
	Failed, Warnings int
	Code             int // exit code of the first failure; 0 without any
}

// Run takes the steps one after the other and reports what each finds. It fails with the context's error alone.
func (d *Doctor) Run(ctx context.Context) (Verdict, error) {
	d.failed = map[string]bool{}
	type step struct {
		name  string
		needs []string
		run   func(context.Context)
	}
	idp, issuer, storage := networkOf(idpName), networkOf(issuerName), networkOf(storageName)
	for _, s := range []step{
		{StepConfiguration, nil, d.configuration},
		{StepFiles, nil, d.permissionsOfFiles},
		{StepAuthentication, []string{StepConfiguration}, d.authentication},
		{StepNetwork, []string{StepConfiguration, StepAuthentication}, d.network},
		{StepClock, []string{StepConfiguration, StepAuthentication}, d.clock},
		{StepToken, []string{StepConfiguration, StepAuthentication, idp}, d.token},
		{StepCredentials, []string{StepToken, issuer}, d.credentials},
		{StepPut, []string{StepCredentials, storage}, d.storage},
	} {
		if ctx.Err() != nil {
			return d.verdict, ctx.Err()
		}
		if cause := d.blocked(s.needs); cause != "" {
			d.skip(s.name, cause)
			continue
		}
		s.run(ctx)
	}
	return d.verdict, ctx.Err()
}

func networkOf(service string) string { return StepNetwork + " of " + service }

// blocked is the first of the steps that failed; empty where none did.
func (d *Doctor) blocked(needs []string) string {
	for _, n := range needs {
		if d.failed[n] {
			return n
		}
	}
	return ""
}

// skip reports a step as skipped, and those that are part of it.
func (d *Doctor) skip(step, cause string) {
	parts := []string{step}
	switch step {
	case StepToken:
		parts = append(parts, StepClaims)
	case StepPut:
		parts = []string{StepPut, StepGet, StepList, StepMultipart, StepDelete, StepPermissions, StepNeighbour}
	}
	for _, p := range parts {
		d.failed[p] = true // so that what depends on it is skipped too
		d.Report(Finding{Step: p, Status: Skipped, Message: "because " + cause + " failed"})
	}
}

func (d *Doctor) ok(step, message string) {
	d.Report(Finding{Step: step, Status: OK, Message: message})
}

func (d *Doctor) warn(step, message, hint string) {
	d.verdict.Warnings++
	d.Report(Finding{Step: step, Status: Warning, Message: message, Hint: hint})
}

func (d *Doctor) fail(step string, e explain.Explanation) {
	d.failed[step] = true
	d.note(step, e)
}

// note reports a failure that no other step depends on.
func (d *Doctor) note(step string, e explain.Explanation) {
	d.verdict.Failed++
	if d.verdict.Code == 0 {
		d.verdict.Code = e.Code
	}
	d.Report(Finding{Step: step, Status: Failed, Message: line(e.Message), Hint: line(e.Hint), Code: e.Code})
}

// because explains an error in the doctor's words where the context has not ended.
func (d *Doctor) because(ctx context.Context, step string, err error) {
	if ctx.Err() == nil {
		d.fail(step, explain.Error(ctx, err))
	}
}

func line(text string) string { return strings.Join(strings.Fields(text), " ") }
