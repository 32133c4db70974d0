// Command oidcs3-vending exchanges access tokens for temporary AWS credentials. Inside AWS Lambda (runtime
// provided.al2023, the binary named bootstrap) it serves an HTTP API; elsewhere it is an HTTPS server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/buildinfo"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/vending"
)

// version is set when building.
var version = "dev"

// Exit statuses.
const (
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a mistake in flags or configuration.
type usageError struct{ error }

func main() {
	err := run(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	var usage usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(exitUsage)
	default:
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(exitFailed)
	}
}

type options struct{ config, listen, cert, key string }

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	o := options{listen: or(getenv("OIDCS3_VENDING_LISTEN"), ":8443"), cert: getenv("OIDCS3_VENDING_CERT"), key: getenv("OIDCS3_VENDING_KEY")}
	flags := flag.NewFlagSet("oidcs3-vending", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.config, "config", "", "configuration `file` ($"+vending.EnvFile+")")
	flags.StringVar(&o.listen, "listen", o.listen, "`address` to serve HTTPS on ($OIDCS3_VENDING_LISTEN)")
	flags.StringVar(&o.cert, "cert", o.cert, "PEM `file` of the server's certificate and its chain ($OIDCS3_VENDING_CERT)")
	flags.StringVar(&o.key, "key", o.key, "PEM `file` of the certificate's private key ($OIDCS3_VENDING_KEY)")
	showVersion := flags.Bool("version", false, "print the version and exit")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return usageError{err}
	}
	if *showVersion {
		_, err := fmt.Fprintln(stdout, buildinfo.Line("oidcs3-vending", version))
		return err
	}
	if flags.NArg() > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", flags.Arg(0))}
	}
	cfg, err := vending.LoadConfig(o.config, getenv)
	if err != nil {
		return usageError{err}
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	service, err := newService(ctx, cfg, log)
	if err != nil {
		return err
	}
	if getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		lambda.StartWithOptions(service.Lambda, lambda.WithContext(ctx)) // never returns
		return errors.New("the Lambda runtime ended")
	}
	return serve(ctx, service, o, log)
}

func or(s, fallback string) string {
	if s != "" {
		return s
	}
	return fallback
}

func newService(ctx context.Context, cfg vending.Config, log *slog.Logger) (*vending.Service, error) {
	aws, err := config.LoadDefaultConfig(ctx, config.WithAPIOptions(awsanswer.Options()))
	if err != nil {
		return nil, fmt.Errorf("load AWS configuration: %w", err)
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 5 * time.Second, IdleConnTimeout: 90 * time.Second, MaxConnsPerHost: 4,
	}
	return vending.New(cfg, vending.Dependencies{
		Rows: rolemap.New(dynamodb.NewFromConfig(aws)),
		STS:  sts.NewFromConfig(aws),
		HTTP: vending.KeyClient(transport),
		Now:  time.Now,
		Log:  log,
	})
}

func serve(ctx context.Context, service *vending.Service, o options, log *slog.Logger) error {
	if o.cert == "" || o.key == "" {
		return usageError{errors.New("--cert and --key are needed: tokens travel over TLS only")}
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	log.Info("listening", "address", listener.Addr().String(), "version", version, "commit", buildinfo.Commit())
	return service.Serve(ctx, listener, o.cert, o.key)
}
