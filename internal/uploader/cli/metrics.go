package cli

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/metrics"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/serve"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

// metricsFlags say where figures are shown.
type metricsFlags struct{ file, listen string }

func (f *metricsFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.file, "metrics-file", "", "keep the figures in this file, for the node exporter's textfile collector; its name should end in .prom")
	flags.StringVar(&f.listen, "metrics-listen", "", "serve the figures at /metrics on this loopback address and port, for Prometheus")
}

// shows starts to show figures, until the context ends. What it returns writes them to the file anew.
func (a *app) shows(ctx context.Context, f metricsFlags, figures metrics.Figures) (publish func(), err error) {
	publish = func() {}
	if f.file != "" {
		if err := figures.WriteFile(f.file); err != nil {
			return nil, &transfer.LocalError{Doing: "write metrics", Err: err}
		}
		publish = func() {
			if err := figures.WriteFile(f.file); err != nil {
				a.log.Error("metrics are not written", "error", err)
			}
		}
	}
	if f.listen == "" {
		return publish, nil
	}
	l, err := serve.Listen(ctx, f.listen)
	if err != nil {
		return nil, notListening("--metrics-listen", err)
	}
	a.log.Info("metrics", "url", "http://"+l.Addr().String()+"/metrics")
	go func() {
		if err := figures.Serve(ctx, l); err != nil {
			a.log.Error("metrics are not served", "error", err)
		}
	}()
	return publish, nil
}

// counted is a source of credentials whose renewals are counted.
type counted struct {
	aws.CredentialsProvider
	note func(expires time.Time, err error)
}

// Retrieve implements aws.CredentialsProvider.
func (c counted) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := c.CredentialsProvider.Retrieve(ctx)
	c.note(creds.Expires, err)
	return creds, err
}

// renewals shows the figures of renewals. What it returns counts one.
func (a *app) renewals(ctx context.Context, f metricsFlags, what string) (note func(expires time.Time, err error), err error) {
	m := metrics.NewRenewal(what, a.Version)
	publish, err := a.shows(ctx, f, m.Figures)
	return func(expires time.Time, err error) {
		m.Note(a.Now(), expires, err)
		publish()
	}, err
}
