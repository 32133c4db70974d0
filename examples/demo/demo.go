// Command demo shows the whole way in a sandbox: Terraform onboards servers, each uploads a file with the host binary,
// none gets at its neighbour's prefix, and a destroy leaves nothing. It says what it does, checks every step, and fails
// at the first that is not as it should be.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	bin := flag.String("bin", "bin", "directory of the built binaries")
	layer := flag.String("layer", "terraform/servers", "directory of the servers layer")
	servers := flag.String("servers", "examples/demo/servers.tfvars", "variables of the servers layer")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *bin, *layer, *servers)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\nFAILED: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, layer, tfvars string) (err error) {
	begin := time.Now()
	bin, err = filepath.Abs(bin)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "oidcs3-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	headline("Start the clouds: Auth0, Entra ID, Cognito, IAM, STS, DynamoDB and S3 in one process, over TLS")
	clouds, err := startSandbox(ctx, bin, filepath.Join(dir, "sandbox"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clouds.stop()) }()

	tf, err := newTerraform(ctx, bin, layer, tfvars, filepath.Join(dir, "terraform"), clouds)
	if err != nil {
		return err
	}
	if err := onboard(ctx, tf); err != nil {
		return err
	}
	servers, err := tf.servers(ctx)
	if err != nil {
		return err
	}
	machines := newHosts(bin, filepath.Join(dir, "hosts"), clouds)
	for _, act := range []func(context.Context, *terraform, *hosts, map[string]server) error{transfer, neighbours, move, calm} {
		if err := act(ctx, tf, machines, servers); err != nil {
			return err
		}
	}
	if err := leave(ctx, tf, clouds, servers); err != nil {
		return err
	}
	fmt.Printf("\nEvery step was checked. It took %.1f s.\n", time.Since(begin).Seconds())
	return nil
}

func headline(format string, args ...any) { fmt.Printf("\n== "+format+"\n", args...) }

func checked(format string, args ...any) { fmt.Printf("   ok: "+format+"\n", args...) }
