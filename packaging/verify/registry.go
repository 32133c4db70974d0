package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
)

const address = "oidcs3/oidcs3"

// registry serves the release as the public registry would.
// https://developer.hashicorp.com/terraform/internals/provider-registry-protocol
func (r *release) registry() (http.Handler, error) {
	sums, err := r.readSums()
	if err != nil {
		return nil, err
	}
	protocols, err := r.protocols()
	if err != nil {
		return nil, err
	}
	keys, err := openpgp.ReadArmoredKeyRing(strings.NewReader(r.key))
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	signing := map[string]any{"gpg_public_keys": []any{map[string]string{
		"key_id": keys[0].PrimaryKey.KeyIdString(), "ascii_armor": r.key,
	}}}
	var platforms []any
	for _, platform := range r.built(everywhere) {
		system, arch, _ := strings.Cut(platform, "_")
		platforms = append(platforms, map[string]string{"os": system, "arch": arch})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/providers/"+address+"/versions", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"versions": []any{map[string]any{"version": r.version, "protocols": protocols, "platforms": platforms}}})
	})
	mux.HandleFunc("GET /v1/providers/"+address+"/"+r.version+"/download/{os}/{arch}", func(w http.ResponseWriter, req *http.Request) {
		system, arch := req.PathValue("os"), req.PathValue("arch")
		name := r.archive(programs[0], system+"_"+arch)
		files := "https://" + req.Host + "/files/"
		answer(w, map[string]any{
			"protocols": protocols, "os": system, "arch": arch, "filename": name, "shasum": sums[name], "signing_keys": signing,
			"download_url": files + name, "shasums_url": files + r.sums(), "shasums_signature_url": files + r.signature(),
		})
	})
	mux.Handle("GET /files/", http.StripPrefix("/files/", http.FileServer(http.Dir(r.dir))))
	return mux, nil
}

func answer(w http.ResponseWriter, content any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(content) // a client that is gone needs no answer
}

// install has terraform, or tofu, install the provider from a registry that serves the release, which checks the sums and
// their signature, and start it for its schema.
func (r *release) install(ctx context.Context, terraform string) error {
	handler, err := r.registry()
	if err != nil {
		return err
	}
	server := httptest.NewTLSServer(handler)
	defer server.Close()
	dir, err := os.MkdirTemp("", "oidcs3-verify-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	services := fmt.Sprintf("  services = { \"providers.v1\" = %q }\n", server.URL+"/v1/providers/")
	for name, text := range map[string]string{
		"ca.pem": string(authority),
		"cli.tfrc": "host \"registry.terraform.io\" {\n" + services + "}\nhost \"registry.opentofu.org\" {\n" + services + "}\n" +
			"provider_installation {\n  direct {}\n}\n",
		"main.tf": fmt.Sprintf("terraform {\n  required_providers {\n    oidcs3 = {\n      source  = %q\n      version = %q\n    }\n  }\n}\n", address, r.version),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	command := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, terraform, args...) //nolint:gosec // the caller's choice
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+filepath.Join(dir, "ca.pem"), "TF_CLI_CONFIG_FILE="+filepath.Join(dir, "cli.tfrc"),
			"TF_PLUGIN_CACHE_DIR=", "TF_DATA_DIR=", "TF_CLI_ARGS=", "TF_CLI_ARGS_init=", "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s%s", strings.Join(args, " "), err, out, stderr.Bytes())
		}
		return out, nil
	}
	if _, err := command("init", "-input=false", "-no-color"); err != nil {
		return err
	}
	var selected struct {
		Selections map[string]string `json:"provider_selections"`
	}
	var schemas struct {
		Schemas map[string]json.RawMessage `json:"provider_schemas"`
	}
	for _, ask := range []struct {
		args []string
		into any
	}{{[]string{"version", "-json"}, &selected}, {[]string{"providers", "schema", "-json"}, &schemas}} {
		out, err := command(ask.args...)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(out, ask.into); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(ask.args, " "), err)
		}
	}
	for source, version := range selected.Selections {
		if strings.HasSuffix(source, "/"+address) && version == r.version && len(schemas.Schemas[source]) > 0 {
			return nil
		}
	}
	return fmt.Errorf("selected %v, with schemas of %d providers, want %s %s on %s_%s", selected.Selections, len(schemas.Schemas),
		address, r.version, runtime.GOOS, runtime.GOARCH)
}
