package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const fileSize = 64 << 20

// onboard applies the configuration as it stands.
func onboard(ctx context.Context, tf *terraform) error {
	headline("Onboard three servers: terraform apply")
	out, err := tf.run(ctx, "apply", "-auto-approve", "-input=false", "-no-color")
	if err != nil {
		return err
	}
	if !strings.Contains(out, "3 added, 0 changed, 0 destroyed") {
		return fmt.Errorf("terraform apply did not add three servers:\n%s", out)
	}
	checked("each server has its client, at Auth0, Entra ID or Cognito, and its IAM role, made together")
	return nil
}

// transfer uploads a file as each server, and lists and downloads it where the permission level allows that.
func transfer(ctx context.Context, _ *terraform, hosts *hosts, servers map[string]server) error {
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		s := servers[name]
		headline("Server %s (%s, %s): upload 64 MiB to %s", name, s.Configuration["identity_provider"], s.Permissions, s.prefix())
		sum, err := hosts.prepare(name, s, fileSize)
		if err != nil {
			return err
		}
		if _, err := hosts.run(ctx, name, nil, "upload", "--no-progress", "payload.bin"); err != nil {
			return err
		}
		checked("uploaded %spayload.bin", s.prefix())

		download := hosts.allowed
		if s.Permissions == "write" {
			download = hosts.refused
		}
		if err := download(ctx, name, nil, "download", "--no-progress", "payload.bin", "copy.bin"); err != nil {
			return err
		}
		if s.Permissions != "write" {
			if err := hosts.same(name, "copy.bin", sum); err != nil {
				return err
			}
			checked("downloaded it again: the bytes are the same")
		} else {
			checked("downloading it is refused: this server may only write")
		}

		list := hosts.refused
		if s.Permissions == "full" {
			list = hosts.allowed
		}
		if err := list(ctx, name, nil, "list"); err != nil {
			return err
		}
		checked("listing is %s", map[bool]string{true: "allowed", false: "refused"}[s.Permissions == "full"])
	}
	return nil
}

// neighbours tries every server at every other server's prefix.
func neighbours(ctx context.Context, _ *terraform, hosts *hosts, servers map[string]server) error {
	headline("Try every neighbour's prefix")
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		for _, other := range slices.Sorted(maps.Keys(servers)) {
			if name == other {
				continue
			}
			beside := map[string]string{"S3_PATH_PREFIX": servers[other].prefix()}
			if err := hosts.refused(ctx, name, beside, "upload", "--no-progress", "payload.bin", "intruder.bin"); err != nil {
				return err
			}
			checked("%s may not write to %s", name, servers[other].prefix())
		}
	}
	return nil
}

// move gives one server another prefix, in place: its client and secret stay.
func move(ctx context.Context, tf *terraform, hosts *hosts, servers map[string]server) error {
	const name, prefix = "data-sync", "sync-2/"
	headline("Move %s to the prefix %s: terraform apply", name, prefix)
	out, err := tf.run(ctx, "apply", "-auto-approve", "-input=false", "-no-color", "-var", tf.with(servers, name, prefix))
	if err != nil {
		return err
	}
	if !strings.Contains(out, "0 added, 1 changed, 0 destroyed") {
		return fmt.Errorf("the change of a prefix was not one change in place:\n%s", out)
	}
	before := servers[name]
	after, err := tf.servers(ctx)
	if err != nil {
		return err
	}
	moved := after[name]
	if moved.clientID() != before.clientID() || moved.Secret != before.Secret {
		return fmt.Errorf("server %s has another client or secret than before", name)
	}
	checked("changed in place: the server keeps its client and its secret")
	if err := hosts.configure(name, moved); err != nil {
		return err
	}
	if err := hosts.allowed(ctx, name, nil, "upload", "--no-progress", "payload.bin"); err != nil {
		return err
	}
	old := map[string]string{"S3_PATH_PREFIX": before.prefix()}
	if err := hosts.refused(ctx, name, old, "upload", "--no-progress", "payload.bin"); err != nil {
		return err
	}
	checked("the new prefix is open to it, the old one closed")
	moved.Permissions = before.Permissions
	servers[name] = moved
	return nil
}

// calm shows that a plan after all this is empty.
func calm(ctx context.Context, tf *terraform, _ *hosts, servers map[string]server) error {
	headline("Plan again: terraform plan -detailed-exitcode")
	if _, err := tf.run(ctx, "plan", "-detailed-exitcode", "-input=false", "-no-color", "-var", tf.with(servers, "", "")); err != nil {
		return fmt.Errorf("the plan is not empty: %w", err)
	}
	checked("no changes")
	return nil
}

// leave destroys everything and asks the clouds whether anything is left.
func leave(ctx context.Context, tf *terraform, clouds *sandbox, servers map[string]server) error {
	headline("Take the servers away: terraform destroy")
	out, err := tf.run(ctx, "destroy", "-auto-approve", "-input=false", "-no-color")
	if err != nil {
		return err
	}
	if !strings.Contains(out, "3 destroyed") {
		return fmt.Errorf("terraform destroy did not destroy three servers:\n%s", out)
	}
	state, err := clouds.state(ctx)
	if err != nil {
		return err
	}
	for name := range servers {
		if left := traces(state, "", "oidc-s3-dev-"+name, name); len(left) > 0 {
			return fmt.Errorf("of server %s is left after the destroy: %v", name, left)
		}
	}
	checked("no client, role, policy, grant or mapping row is left")
	return nil
}
