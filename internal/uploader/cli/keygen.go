package cli

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

// keyBits is the length of RSA keys: NIST SP 800-57 has 3072 bits last beyond 2030.
const keyBits = 3072

func (a *app) keygenCommand() *cobra.Command {
	var public string
	var force bool
	cmd := &cobra.Command{
		Use:   "keygen --private-key-file FILE",
		Short: "Make the key pair for private_key_jwt",
		Long: "Make an RSA key pair. The private key is written to --private-key-file, for its owner alone. The public key, which is\n" +
			"what public_key_pem in Terraform wants, goes to standard output or to --public-key-file.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.keygen(public, force) },
	}
	cmd.Flags().StringVar(&public, "public-key-file", "", "write the public key to this file")
	cmd.Flags().BoolVar(&force, "force", false, "replace files that exist")
	return cmd
}

func (a *app) keygen(public string, force bool) error {
	private := a.options.privateKeyFile
	if private == "" {
		return &usageError{err: errors.New("keygen needs --private-key-file")}
	}
	for _, name := range []string{private, public} {
		if _, err := os.Lstat(name); name != "" && err == nil && !force {
			return &usageError{err: fmt.Errorf("%s exists: --force replaces it", name)}
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	open, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	if err := writeWhole(private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600, force); err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: open})
	if public != "" {
		return writeWhole(public, text, 0o644, force)
	}
	if a.options.json {
		return a.result(map[string]string{"public_key_pem": string(text)}, "")
	}
	_, err = a.Stdout.Write(text)
	return err
}

// writeWhole makes the file appear with all its content, or not at all. Without replace, a file that appeared meanwhile
// is left alone.
func writeWhole(name string, content []byte, mode fs.FileMode, replace bool) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".keygen-*") // mode 0600
	if err != nil {
		return &transfer.LocalError{Doing: "write " + name, Err: pathCause(err)}
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err == nil {
		if replace {
			err = os.Rename(f.Name(), name)
		} else {
			err = os.Link(f.Name(), name) // fails where the name exists
		}
	}
	if err != nil {
		return &transfer.LocalError{Doing: "write " + name, Err: pathCause(err)}
	}
	return nil
}
