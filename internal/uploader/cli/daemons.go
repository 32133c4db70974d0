package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"os/user"
	"runtime"
	"strconv"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/credentials"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/daemon"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
)

// keepFlags are the flags of commands that keep a file fresh.
type keepFlags struct {
	file, group string
	once        bool
	metrics     metricsFlags
}

func (k *keepFlags) add(cmd *cobra.Command, fileUsage string) {
	f := cmd.Flags()
	f.StringVar(&k.file, "file", "", fileUsage)
	f.StringVar(&k.group, "group", "", "group that may read the file (mode 0640); without it nobody but this user may (0600)")
	f.BoolVar(&k.once, "once", false, "write the file once and end")
	k.metrics.add(cmd)
}

// target is the file to keep.
func (k *keepFlags) target() (daemon.File, error) {
	if k.file == "" {
		return daemon.File{}, &usageError{err: errors.New("--file names no file")}
	}
	gid, err := groupID(k.group)
	return daemon.File{Path: k.file, GID: gid}, err
}

// groupID is -1 without a group.
func groupID(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	if runtime.GOOS == "windows" {
		return -1, &usageError{err: errors.New("--group: files have no mode on Windows; grant the group access to the directory, from which the file inherits it")}
	}
	id := name
	if g, err := user.LookupGroup(name); err == nil {
		id = g.Gid
	}
	gid, err := strconv.Atoi(id)
	if err != nil || gid < 0 {
		return -1, &usageError{err: fmt.Errorf("--group: there is no group %q", name)}
	}
	return gid, nil
}

// keep runs a daemon, or a single round of it. what it keeps fresh is "credentials" or "token".
func (a *app) keep(ctx context.Context, flags keepFlags, what string, open func() (daemon.Renew, error)) error {
	if err := a.logAsService(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	note, err := a.renewals(ctx, flags.metrics, what)
	if err != nil {
		return err
	}
	uncounted := open
	open = func() (daemon.Renew, error) {
		renew, err := uncounted()
		return func(ctx context.Context) (time.Time, error) {
			expires, err := renew(ctx)
			note(expires, err)
			return expires, err
		}, err
	}
	watchdog, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		return &usageError{err: fmt.Errorf("WATCHDOG_USEC: %w", err)}
	}
	reload, stop := a.reloads()
	defer stop()
	d := &daemon.Daemon{Open: open, Fatal: refused, Reload: reload, Notify: a.notify, Watchdog: watchdog, Now: a.Now,
		Mono: daemon.Monotonic, After: time.After, Jitter: retry.FullJitter, Log: a.log}
	if flags.once {
		return d.Once(ctx)
	}
	return d.Run(ctx)
}

// logAsService logs from level info up unless the user asks for another level: nobody sees a service's terminal.
func (a *app) logAsService() (err error) {
	if !a.flags.Changed("log-level") {
		a.options.logLevel = "info"
		a.log, err = newLog(a.Stderr, a.options)
	}
	return err
}

func (a *app) notify(state string) {
	if a.Service != nil {
		a.Service.Notify(state)
		return
	}
	if _, err := systemd.SdNotify(false, state); err != nil {
		a.log.Warn("systemd is not told", "error", err)
	}
}

// refused reports errors that waiting does not mend.
func refused(err error) bool {
	var idp *token.Refused
	var aws *credentials.Refused
	var configuration *config.Error
	return errors.As(err, &idp) || errors.As(err, &aws) || errors.As(err, &configuration)
}

// reloads asks for configuration and secret to be read again, until stop is called.
func (a *app) reloads() (<-chan struct{}, func()) {
	if a.Service != nil {
		return a.Service.Reload, func() {}
	}
	return hangups()
}

// hangups turns SIGHUP into requests to reload; those that arrive during one are one.
func hangups() (<-chan struct{}, func()) {
	signals, reload, done := make(chan os.Signal, 1), make(chan struct{}, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-signals:
				select {
				case reload <- struct{}{}:
				default:
				}
			}
		}
	}()
	return reload, func() { signal.Stop(signals); close(done) }
}
