// Package cli is the command line of oidcs3-upload. What the commands do lives in the packages beside it.
package cli

// The rules of the terminal:
//
//   - Results go to standard output, and nothing else does. Everything else goes to standard error.
//   - With --json every result is one object on one line.
//   - An error is one line "error: …", and a line "hint: …" follows where there is something to do. A warning is one
//     line "warning: …". None of them begins with a capital or ends in a full stop.
//   - A progress bar is drawn only where standard error is a terminal, and is gone when the command ends.
//   - Logs are for whoever asks for them with --log-level. They never hold a secret, a token or a body.
//   - Nothing is ever asked: the program runs from cron.
//   - The exit code says what failed, see package explain.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/buildinfo"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/explain"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/service"
)

// Process is what a command has of the process it runs in.
type Process struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Now            func() time.Time
	Version        string
	Service        *service.Control // what runs the program as a service; nil: nothing, or systemd
}

// Main runs a command line, without the program's name, until it is done or SIGINT or SIGTERM arrives, and returns the
// exit code. The first signal lets the command clean up; the second one ends the process at once. Where Windows runs the
// program as a service, the command runs until the service is asked to stop.
func Main(p Process, args []string) int {
	code, ran, err := service.Run(func(ctx context.Context, control service.Control) int {
		p.Service, p.Stderr, p.Stdout = &control, control.Stderr, io.Discard
		return run(ctx, p, args)
	})
	if err != nil {
		_, _ = fmt.Fprintln(p.Stderr, "error: "+oneLine(err.Error()))
		return explain.Other
	}
	if ran {
		return code
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, p, args)
}

// Commands is the command table that Main runs, for whoever writes manual pages and completions of it. No command of it
// may be executed.
func Commands(version string) *cobra.Command {
	a := &app{Process: Process{Getenv: func(string) string { return "" }, Version: version}, log: slog.New(slog.DiscardHandler)}
	return a.root()
}

// app is one run of the program.
type app struct {
	Process
	options options
	flags   *pflag.FlagSet
	log     *slog.Logger
	started bool // the command line is in order
}

// options are the flags that every command has.
type options struct {
	config, clientSecretFile, privateKeyFile string
	json, noProgress                         bool
	logLevel, logFormat                      string
}

func run(ctx context.Context, p Process, args []string) int {
	a := &app{Process: p, log: slog.New(slog.DiscardHandler)}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return explain.Done
	}
	if !a.started {
		err = &usageError{err: err}
	}
	e := explain.Error(ctx, err)
	a.tell(e)
	return e.Code
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "oidcs3-upload",
		Short: "Move files to and from one server's prefix of an S3 bucket, as that server",
		Long: "oidcs3-upload proves this server's identity to an identity provider, trades the token for temporary AWS\n" +
			"credentials, and moves files to and from the server's own prefix of an S3 bucket. No AWS key lies on the host.",
		Version:       buildinfo.Line("oidcs3-upload", a.Version),
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) (err error) {
			a.flags = cmd.Flags()
			if a.log, err = newLog(a.Stderr, a.options); err != nil {
				return err
			}
			a.started = true
			return nil
		},
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	f := root.PersistentFlags()
	f.StringVar(&a.options.config, "config", "", "configuration file (default $OIDCS3_CONFIG, then "+config.DefaultFile+")")
	f.StringVar(&a.options.clientSecretFile, "client-secret-file", "", "file that holds the client secret")
	f.StringVar(&a.options.privateKeyFile, "private-key-file", "", "PEM file with the private key for private_key_jwt")
	f.BoolVar(&a.options.json, "json", false, "print one JSON object a line")
	f.BoolVar(&a.options.noProgress, "no-progress", false, "draw no progress bar")
	f.StringVar(&a.options.logLevel, "log-level", "off", "off, error, warn, info or debug")
	f.StringVar(&a.options.logFormat, "log-format", "text", "text or json")
	for _, s := range config.Settings() {
		f.String(s.Flag(), "", s.Usage+" ($"+s.Env[0]+")")
	}
	root.AddCommand(a.uploadCommand(), a.downloadCommand(), a.listCommand(), a.deleteCommand(), a.getCredentialsCommand(),
		a.keygenCommand(), a.versionCommand())
	root.AddCommand(a.watchCommand(), a.credentialDaemonCommand(), a.tokenDaemonCommand(), a.serveCommand())
	root.AddCommand(a.cleanCommand(), a.doctorCommand())
	return root
}

func newLog(w io.Writer, o options) (*slog.Logger, error) {
	if o.logFormat != "text" && o.logFormat != "json" {
		return nil, fmt.Errorf("--log-format: %q is not text or json", o.logFormat)
	}
	if o.logLevel == "off" {
		return slog.New(slog.DiscardHandler), nil
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level: %q is not off, error, warn, info or debug", o.logLevel)
	}
	handler := &slog.HandlerOptions{Level: level}
	if o.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, handler)), nil
	}
	return slog.New(slog.NewTextHandler(w, handler)), nil
}

// tell writes an error and its hint.
func (a *app) tell(e explain.Explanation) {
	_, _ = fmt.Fprintln(a.Stderr, "error: "+oneLine(e.Message))
	if e.Hint != "" {
		_, _ = fmt.Fprintln(a.Stderr, "hint: "+oneLine(e.Hint))
	}
}

func (a *app) warn(text string) { _, _ = fmt.Fprintln(a.Stderr, "warning: "+oneLine(text)) }

// result writes one result: v with --json, the text otherwise.
func (a *app) result(v any, text string) error {
	line := []byte(text)
	if a.options.json {
		var err error
		if line, err = json.Marshal(v); err != nil {
			return err
		}
	}
	if _, err := a.Stdout.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

// interactive reports whether progress may be drawn on standard error.
func (a *app) interactive() bool {
	f, isFile := a.Stderr.(*os.File)
	return isFile && !a.options.noProgress && !a.options.json && term.IsTerminal(int(f.Fd())) // #nosec G115 -- a descriptor
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
