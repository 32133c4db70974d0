package cli

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

// keyBits is the length of RSA keys: NIST SP 800-57 has 3072 bits last beyond 2030.
const keyBits = 3072

func (a *app) keygenCommand() *cobra.Command {
	var o keygenOptions
	cmd := &cobra.Command{
		Use:   "keygen --private-key-file FILE",
		Short: "Make the key pair for private_key_jwt",
		Long: "Make an RSA key pair. The private key is written to --private-key-file, for its owner alone. The public key, which is\n" +
			"what public_key_pem in Terraform wants, goes to standard output or to --public-key-file. Microsoft Entra ID wants a\n" +
			"certificate: --certificate makes a self-signed one, writes it beside the private key, and gives it for the public key.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.keygen(o) },
	}
	cmd.Flags().StringVar(&o.public, "public-key-file", "", "write the public key or certificate to this file")
	cmd.Flags().BoolVar(&o.certificate, "certificate", false, "make a self-signed certificate, as Microsoft Entra ID wants it")
	cmd.Flags().IntVar(&o.days, "days", certificateDays, "days for which the certificate is valid")
	cmd.Flags().StringVar(&o.name, "common-name", "", "common name of the certificate (default: the host's name)")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace files that exist")
	return cmd
}

type keygenOptions struct {
	public      string
	force       bool
	certificate bool
	days        int
	name        string
}

func (a *app) keygen(o keygenOptions) error {
	private, public, force := a.options.privateKeyFile, o.public, o.force
	if private == "" {
		return &usageError{err: errors.New("keygen needs --private-key-file")}
	}
	if o.days < 1 || o.days > maxCertificateDays {
		return &usageError{err: fmt.Errorf("--days %d: 1 to %d are possible", o.days, maxCertificateDays)}
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
	text, err := a.publicHalf(key, o)
	if err != nil {
		return err
	}
	kept := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	if o.certificate { // its thumbprint goes into every assertion
		kept = append(kept, text...)
	}
	if err := writeWhole(private, kept, 0o600, force); err != nil {
		return err
	}
	if public != "" {
		return writeWhole(public, text, 0o644, force)
	}
	if a.options.json {
		return a.result(map[string]string{"public_key_pem": string(text)}, "")
	}
	_, err = a.Stdout.Write(text)
	return err
}

// Days of a certificate: two years by default, as Entra's own secrets last at the most.
const (
	certificateDays    = 730
	maxCertificateDays = 3650
)

// publicHalf is the public key, or a certificate of it, in PEM form.
func (a *app) publicHalf(key *rsa.PrivateKey, o keygenOptions) ([]byte, error) {
	if !o.certificate {
		open, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: open}), err
	}
	name := o.name
	if name == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, &usageError{err: fmt.Errorf("the host's name is not known (%w): give --common-name", err)}
		}
		name = host
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := a.Now()
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: now.Add(-5 * time.Minute), NotAfter: now.AddDate(0, 0, o.days)} // clocks differ
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), err
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
