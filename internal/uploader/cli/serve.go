package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/credentials"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/daemon"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/serve"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	listen, tokenFile, uriFile, group string
}

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Give AWS credentials to programs on this host over loopback",
		Long: "Serve temporary AWS credentials in the form of the container credentials endpoint, on a loopback address. A program\n" +
			"reaches them with the URL that is printed in AWS_CONTAINER_CREDENTIALS_FULL_URI, and with the token file in\n" +
			"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE. The token is made anew at each start; whoever can read the file gets credentials.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:0", "loopback address and port; port 0: a free one")
	flags.StringVar(&f.tokenFile, "token-file", "", "file to write the authorization token to (required)")
	flags.StringVar(&f.uriFile, "uri-file", "", "file to write the endpoint's URL to, beside printing it")
	flags.StringVar(&f.group, "group", "", "group that may read the files (mode 0640); without it nobody but this user may (0600)")
	return cmd
}

// served is what serve prints once it listens.
type served struct {
	URI       string `json:"uri"`
	TokenFile string `json:"token_file"`
}

func (a *app) serve(ctx context.Context, f serveFlags) error {
	if f.tokenFile == "" {
		return &usageError{err: errors.New("--token-file names no file")}
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
	l, err := serve.Listen(ctx, f.listen)
	if err != nil {
		return &usageError{err: err}
	}
	defer func() { _ = l.Close() }() // closed already where it was served
	ready := served{URI: "http://" + l.Addr().String() + serve.ContainerPath, TokenFile: f.tokenFile}
	token := rand.Text()
	if err := a.publish(f, gid, token, ready.URI); err != nil {
		return err
	}
	if err := a.result(ready, fmt.Sprintf("AWS_CONTAINER_CREDENTIALS_FULL_URI=%s\nAWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%s", ready.URI, f.tokenFile)); err != nil {
		return err
	}
	a.notify("READY=1\nSTATUS=serving on " + l.Addr().String())
	defer a.notify("STOPPING=1")
	return serve.Run(ctx, l, serve.Container(serve.Options{Address: l.Addr().String(), Provider: credentials.Cached(provider),
		RoleARN: cfg.AWSRoleARN, Now: a.Now, Log: a.log}, token))
}

func (a *app) publish(f serveFlags, gid int, token, uri string) error {
	if err := (daemon.File{Path: f.tokenFile, GID: gid}).Write([]byte(token)); err != nil {
		return err
	}
	if f.uriFile == "" {
		return nil
	}
	return daemon.File{Path: f.uriFile, GID: gid}.Write([]byte(uri))
}
