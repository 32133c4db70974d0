// Package cli is the command line of oidcs3-access.
package cli

// The rules of the terminal are those of oidcs3-upload: the report goes to standard output and everything else to standard
// error; an error is one line "error: …", a warning one line "warning: …".

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/audit"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/audit/show"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/buildinfo"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// Exit codes.
const (
	Clean    = 0 // everything was read, and nothing that --fail-on names was found
	Unread   = 1 // something could not be read
	Usage    = 2 // usage or configuration
	Findings = 3 // everything was read, and something was found

	Interrupted = 130
)

// Process is what the command has of the process it runs in.
type Process struct {
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Now            func() time.Time
	Version        string
	Transport      http.RoundTripper // to identity providers; nil: the default one
}

type options struct {
	project, environment, region, profile, table string
	ignore, failOn                               []string
	ignored                                      []idp.Kind
	kinds                                        []audit.Kind // that fail
	html                                         string
	json, version                                bool
	unusedDays, expiryDays                       int
}

type app struct {
	Process
	options options
	code    int
}

// usageError is a mistake on the command line or in the configuration.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// Main runs a command line, without the program's name, and returns the exit code.
func Main(p Process, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return Run(ctx, p, args)
}

// Run is Main for those who have a context.
func Run(ctx context.Context, p Process, args []string) int {
	a := &app{Process: p}
	command := a.command()
	command.SetArgs(args)
	command.SetOut(p.Stdout)
	command.SetErr(p.Stderr)
	err := command.ExecuteContext(ctx)
	if err == nil {
		return a.code
	}
	if ctx.Err() != nil {
		_, _ = fmt.Fprintln(p.Stderr, "error: interrupted")
		return Interrupted
	}
	_, _ = fmt.Fprintln(p.Stderr, "error: "+strings.Join(strings.Fields(err.Error()), " "))
	if usage := (*usageError)(nil); errors.As(err, &usage) {
		_, _ = fmt.Fprintln(p.Stderr, "hint: see oidcs3-access --help")
		return Usage
	}
	return Unread
}

func (a *app) command() *cobra.Command {
	command := &cobra.Command{
		Use:   "oidcs3-access",
		Short: "Report who may do what where, and what about it needs a person",
		Long: "oidcs3-access reads the roles, clients and mapping rows of an environment's servers, and reports who may do what\n" +
			"where, and what is unfinished, orphaned, overlapping, changed, unused or about to expire. It changes nothing.\n\n" +
			"Clouds are found by the environment variables of the provider: AWS_*, AUTH0_*, ARM_* and OIDCS3_*.\n\n" +
			"Exit codes: 0 clean; 1 something could not be read; 2 usage or configuration; 3 findings; 130 interrupted.",
		Args:          noArguments,
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context()) },
	}
	command.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	f := command.Flags()
	f.SortFlags = false
	f.StringVar(&a.options.project, "project", "oidc-s3", "first part of the names of roles and clients")
	f.StringVar(&a.options.environment, "environment", "", "environment to report on (default all of the project)")
	f.BoolVar(&a.options.json, "json", false, "print the report as one JSON object")
	f.StringVar(&a.options.html, "html", "", "also write the report to this `file`, as one HTML page")
	f.StringSliceVar(&a.options.failOn, "fail-on", nil, "`kinds` of findings that make the exit code 3, or none (default all)")
	f.IntVar(&a.options.unusedDays, "unused-days", 90, "report access that nobody has used for so many days; 0 for none")
	f.IntVar(&a.options.expiryDays, "expiry-days", 30, "report secrets and keys that expire within so many days")
	f.StringSliceVar(&a.options.ignore, "ignore", nil, "`identity providers` whose clients are not to be read: auth0, entra, cognito")
	f.StringVar(&a.options.table, "client-roles-table", "", "`name` of the mapping table ($OIDCS3_CLIENT_ROLES_TABLE)")
	f.StringVar(&a.options.region, "region", "", "AWS region ($AWS_REGION)")
	f.StringVar(&a.options.profile, "profile", "", "AWS profile ($AWS_PROFILE)")
	f.BoolVar(&a.options.version, "version", false, "print the version and exit")
	return command
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("unexpected argument %q", args[0])}
	}
	return nil
}

func (a *app) run(ctx context.Context) error {
	if a.options.version {
		_, err := fmt.Fprintln(a.Stdout, buildinfo.Line("oidcs3-access", a.Version))
		return err
	}
	if err := a.options.check(); err != nil {
		return &usageError{err}
	}
	config, err := a.configure(ctx)
	if err != nil {
		return err
	}
	report, err := audit.Run(ctx, config)
	if err != nil {
		return err
	}
	if err := a.show(report); err != nil {
		return err
	}
	a.code = a.judge(report)
	return nil
}

// check reads the values of flags.
func (o *options) check() error {
	if err := access.ValidateProject(o.project); err != nil {
		return err
	}
	if o.environment != "" {
		if err := access.ValidateEnvironment(o.environment); err != nil {
			return err
		}
	}
	if o.unusedDays < 0 || o.expiryDays < 0 {
		return errors.New("--unused-days and --expiry-days must not be negative")
	}
	for _, name := range o.ignore {
		kind := idp.Kind(name)
		if !slices.Contains([]idp.Kind{idp.Auth0, idp.Entra, idp.Cognito}, kind) {
			return fmt.Errorf("--ignore: %q is none of auth0, entra and cognito", name)
		}
		o.ignored = append(o.ignored, kind)
	}
	switch {
	case o.failOn == nil:
		o.kinds = audit.Kinds()
	case !slices.Equal(o.failOn, []string{"none"}):
		for _, name := range o.failOn {
			kind, err := audit.ParseKind(name)
			if err != nil {
				return fmt.Errorf("--fail-on: %w", err)
			}
			o.kinds = append(o.kinds, kind)
		}
	}
	return nil
}

// show writes the page first, so that who sees the report on the terminal can rely on the file.
func (a *app) show(report audit.Report) error {
	if a.options.html != "" {
		if err := a.writePage(report); err != nil {
			return fmt.Errorf("write the page: %w", err)
		}
	}
	write := show.Text
	if a.options.json {
		write = show.JSON
	}
	if err := write(a.Stdout, report); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

// writePage replaces the file in one step. It names roles and clients, so that only its owner may read it.
func (a *app) writePage(report audit.Report) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(a.options.html), ".oidcs3-access-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary.Name())
		}
	}()
	err = show.Page(temporary, report)
	if err == nil {
		err = temporary.Sync()
	}
	if err = errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), a.options.html)
}

// judge is the exit code. What could not be read counts most: nobody knows what would have been found there.
func (a *app) judge(report audit.Report) int {
	if len(report.Unread) > 0 {
		for _, u := range report.Unread {
			_, _ = fmt.Fprintln(a.Stderr, "error: not read: "+strings.Join(strings.Fields(u.What+": "+u.Why), " "))
		}
		return Unread
	}
	for _, f := range report.Findings {
		if slices.Contains(a.options.kinds, f.Kind) {
			return Findings
		}
	}
	return Clean
}

func (a *app) warn(message string) {
	_, _ = fmt.Fprintln(a.Stderr, "warning: "+strings.Join(strings.Fields(message), " "))
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }
