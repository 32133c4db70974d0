package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const ours = "oidcs3-upload"

// client is one command of one client.
type client struct {
	name string
	args []string
	env  []string
}

// task is what all clients do, each in its own way.
type task struct {
	name    string
	before  func(*bench)
	clients []client
}

func (b *bench) tasks() []task {
	size := strconv.FormatInt(b.size, 10) + " MiB"
	tasks := []task{
		{name: size + " up", before: (*bench).clear, clients: b.uploads(filepath.Join(b.dir, "large"))},
		{name: size + " down", before: (*bench).forget, clients: b.downloads()},
	}
	if b.files > 0 {
		tasks = append(tasks, task{name: strconv.Itoa(b.files) + " x 16 KiB up", before: (*bench).clear, clients: b.trees(filepath.Join(b.dir, "many"))})
	}
	// The first run fills the cache; of five, it does not count. Beside it, what starting such a program takes at all.
	return append(tasks, task{name: "get-credentials, from a warm cache", clients: append([]client{b.ours("get-credentials")}, b.peer("s5cmd", "version")...)})
}

// makeBucket makes the bucket through the gateway, which writes its access rules beside it.
func (b *bench) makeBucket() error {
	curl := b.curl("-X", "PUT", b.gateway.endpoint()+"/"+bucket)
	if len(curl) == 0 {
		return errors.New("curl is not on the PATH")
	}
	_, err := measure(context.Background(), curl[0], b.dir)
	return err
}

// clear empties the bucket: tmpfs is memory.
func (b *bench) clear() {
	dir := filepath.Join(b.gateway.data, bucket)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		_ = os.RemoveAll(filepath.Join(dir, e.Name()))
	}
}

// forget removes what the last download wrote, and makes sure that there is an object to download.
func (b *bench) forget() {
	_ = os.Remove(filepath.Join(b.dir, "back"))
	name := filepath.Join(b.gateway.data, bucket, "ours", "large")
	if _, err := os.Stat(name); err != nil {
		b.clear()
		up := b.uploads(filepath.Join(b.dir, "large"))[0]
		cmd := exec.Command(up.args[0], up.args[1:]...) // #nosec G204 -- our own arguments
		cmd.Env = append(os.Environ(), up.env...)
		_ = cmd.Run()
	}
}

func (b *bench) ours(args ...string) client {
	return client{ours, slices.Concat([]string{b.upload}, args, strings.Fields(b.with)), []string{"OIDCS3_CONFIG=" + b.gateway.config, "OIDCS3_CLIENT_SECRET=bench",
		"AWS_ENDPOINT_URL_S3=" + b.gateway.endpoint(), "AWS_CA_BUNDLE=" + b.gateway.ca, "SSL_CERT_FILE=" + b.gateway.ca,
		"OIDCS3_STATE_DIR=" + filepath.Join(b.dir, "state"), "OIDCS3_CACHE_DIR=" + filepath.Join(b.dir, "cache")}}
}

// peer is another client, where it is on the PATH. Keys are in its environment, as it documents.
func (b *bench) peer(name string, args ...string) []client {
	path, err := exec.LookPath(name)
	if err != nil {
		return nil
	}
	return []client{{filepath.Base(name), append([]string{path}, args...), []string{"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey,
		"AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region, "AWS_ENDPOINT_URL=" + b.gateway.endpoint(), "S3_ENDPOINT_URL=" + b.gateway.endpoint(),
		"AWS_CA_BUNDLE=" + b.gateway.ca, "SSL_CERT_FILE=" + b.gateway.ca, "RCLONE_CONFIG=/dev/null",
		"RCLONE_S3_PROVIDER=Other", "RCLONE_S3_ENV_AUTH=true", "RCLONE_S3_ENDPOINT=" + b.gateway.endpoint(), "RCLONE_S3_REGION=" + region}}}
}

// aws leaves out the trailing checksums, in a form that versitygw 1.8.0 does not take from it.
func (b *bench) aws(args ...string) []client {
	c := b.peer("aws", args...)
	for i := range c {
		c[i].env = append(c[i].env, "AWS_REQUEST_CHECKSUM_CALCULATION=when_required")
	}
	return c
}

func (b *bench) curl(args ...string) []client {
	return b.peer("curl", append([]string{"--silent", "--show-error", "--fail", "--cacert", b.gateway.ca, "--aws-sigv4", "aws:amz:" + region + ":s3",
		"--user", accessKey + ":" + secretKey, "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"}, args...)...)
}

func (b *bench) uploads(file string) []client {
	c := []client{b.ours("upload", file, "large")}
	c = append(c, b.peer("s5cmd", "cp", file, "s3://"+bucket+"/peer/large")...)
	c = append(c, b.peer("rclone", "copyto", file, ":s3:"+bucket+"/peer/large")...)
	c = append(c, b.aws("s3", "cp", "--only-show-errors", file, "s3://"+bucket+"/peer/large")...)
	c = append(c, b.peer(b.manager, "up", file, bucket, "peer/large")...)
	return append(c, b.curl("-T", file, b.gateway.endpoint()+"/"+bucket+"/floor")...)
}

func (b *bench) downloads() []client {
	back, key := filepath.Join(b.dir, "back"), "s3://"+bucket+"/ours/large"
	c := []client{b.ours("download", "large", back)}
	c = append(c, b.peer("s5cmd", "cp", key, back)...)
	c = append(c, b.peer("rclone", "copyto", ":s3:"+bucket+"/ours/large", back)...)
	c = append(c, b.aws("s3", "cp", "--only-show-errors", key, back)...)
	c = append(c, b.peer(b.manager, "down", back, bucket, "ours/large")...)
	return append(c, b.curl("-o", back, b.gateway.endpoint()+"/"+bucket+"/ours/large")...)
}

func (b *bench) trees(dir string) []client {
	c := []client{b.ours("upload", "--recursive", dir, "many")}
	c = append(c, b.peer("s5cmd", "cp", dir+"/", "s3://"+bucket+"/peer/")...)
	c = append(c, b.peer("rclone", "copy", dir, ":s3:"+bucket+"/peer")...)
	return append(c, b.aws("s3", "cp", "--only-show-errors", "--recursive", dir, "s3://"+bucket+"/peer/")...)
}
