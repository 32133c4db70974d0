package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/daemon"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/serve"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	listen, tokenFile, uriFile, group string
	imds, network                     bool
	metrics                           metricsFlags
}

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Give AWS credentials to programs on this host over loopback",
		Long: "Serve temporary AWS credentials in the form of the container credentials endpoint, on a loopback address. A program\n" +
			"reaches them with the URL that is printed in AWS_CONTAINER_CREDENTIALS_FULL_URI, and with the token file in\n" +
			"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE. The token is made anew at each start; whoever can read the file gets credentials.\n\n" +
			"With --imds serve them as the EC2 instance metadata service, version 2, does: a program reaches them with the URL in\n" +
			"AWS_EC2_METADATA_SERVICE_ENDPOINT and nothing else, which means that every user and program of this host does.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:0", "loopback address and port; port 0: a free one")
	flags.BoolVar(&f.imds, "imds", false, "serve in the form of the EC2 instance metadata service (IMDSv2), to every program on this host")
	flags.BoolVar(&f.network, "allow-network", false, "with --imds: take any address of this host for --listen, and serve every host on its link")
	flags.StringVar(&f.tokenFile, "token-file", "", "file to write the authorization token to (required without --imds)")
	flags.StringVar(&f.uriFile, "uri-file", "", "file to write the endpoint's URL to, beside printing it")
	f.metrics.add(cmd)
	flags.StringVar(&f.group, "group", "", "group that may read the files (mode 0640); without it nobody but this user may (0600)")
	return cmd
}

// served is what serve prints once it listens.
type served struct {
	URI       string `json:"uri"`
	TokenFile string `json:"token_file,omitempty"` // empty with IMDS
}

// text has the settings that programs need.
func (s served) text() string {
	if s.TokenFile == "" {
		return "AWS_EC2_METADATA_SERVICE_ENDPOINT=" + s.URI
	}
	return fmt.Sprintf("AWS_CONTAINER_CREDENTIALS_FULL_URI=%s\nAWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%s", s.URI, s.TokenFile)
}

// check refuses combinations that would open more, or less, than was meant.
func (f serveFlags) check() error {
	switch {
	case f.imds && f.tokenFile != "":
		return &usageError{err: errors.New("--imds knows no token: leave --token-file out")}
	case !f.imds && f.network:
		return &usageError{err: errors.New("--allow-network goes with --imds: SDKs take container credentials from loopback alone")}
	case !f.imds && f.tokenFile == "":
		return &usageError{err: errors.New("--token-file names no file")}
	}
	return nil
}

func (a *app) serve(ctx context.Context, f serveFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	gid, err := groupID(f.group)
	if err != nil {
		return err
	}
	cfg, err := a.configuration(config.NeedCredentials)
	if err != nil {
		return err
	}
	provider, _, err := a.provider(cfg)
	if err != nil {
		return err
	}
	if err := a.logAsService(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	note, err := a.renewals(ctx, f.metrics, "credentials")
	if err != nil {
		return err
	}
	listen := serve.Listen
	if f.network {
		listen = serve.ListenAnywhere
	}
	l, err := listen(ctx, f.listen)
	if err != nil {
		return notListening("--listen", err)
	}
	defer func() { _ = l.Close() }() // closed already where it was served
	address := l.Addr().String()
	o := serve.Options{Address: address, Provider: a.shared(counted{provider, note}), RoleARN: cfg.AWSRoleARN, Now: a.Now, Log: a.log, Network: f.network}
	ready, token := served{URI: "http://" + address + serve.ContainerPath, TokenFile: f.tokenFile}, rand.Text()
	handler := serve.Container(o, token)
	if f.imds {
		ready, handler = served{URI: "http://" + address}, serve.IMDS(o)
	}
	if err := a.publish(f, gid, token, ready.URI); err != nil {
		return err
	}
	if err := a.result(ready, ready.text()); err != nil {
		return err
	}
	a.notify("READY=1\nSTATUS=serving on " + address)
	defer a.notify("STOPPING=1")
	return serve.Run(ctx, l, handler)
}

// notListening gives an error of listening its exit code: an address that cannot be meant is a mistake on the command line,
// which a service is not started again for, and all else may have passed by the next time.
func notListening(flag string, err error) error {
	err = fmt.Errorf("%s: %w", flag, err)
	var address *serve.AddressError
	if errors.As(err, &address) {
		return &usageError{err: err}
	}
	return err
}

func (a *app) publish(f serveFlags, gid int, token, uri string) error {
	if f.tokenFile != "" {
		if err := (daemon.File{Path: f.tokenFile, GID: gid}).Write([]byte(token)); err != nil {
			return err
		}
	}
	if f.uriFile == "" {
		return nil
	}
	return daemon.File{Path: f.uriFile, GID: gid}.Write([]byte(uri))
}
