package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// readSums is what the file with the sums says: the digests, in hex, by name.
func (r *release) readSums() (map[string]string, error) {
	content, err := r.read(r.sums())
	if err != nil {
		return nil, err
	}
	sums := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		if decoded, err := hex.DecodeString(sum); !ok || err != nil || len(decoded) != sha256.Size {
			return nil, fmt.Errorf("%s: line %q", r.sums(), lines.Text())
		}
		if sums[name] != "" {
			return nil, fmt.Errorf("%s: two sums of %s", r.sums(), name)
		}
		sums[name] = sum
	}
	return sums, lines.Err()
}

// checkSums wants the right sum of every file but the sums themselves and their signature. The registry wants the
// manifest's too: https://developer.hashicorp.com/terraform/registry/providers/publishing#manually-preparing-a-release
func (r *release) checkSums() error {
	sums, err := r.readSums()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range r.files() {
		if name == r.sums() || name == r.signature() {
			continue
		}
		want, ok := sums[name]
		delete(sums, name)
		if !ok {
			errs = append(errs, fmt.Errorf("%s: no sum of %s", r.sums(), name))
			continue
		}
		got, err := digest(r.path(name))
		if err != nil {
			errs = append(errs, err)
		} else if got != want {
			errs = append(errs, fmt.Errorf("%s: the sum is %s, and %s says %s", name, got, r.sums(), want))
		}
	}
	for name := range sums {
		errs = append(errs, fmt.Errorf("%s: sum of %s, which does not belong to a release", r.sums(), name))
	}
	return errors.Join(errs...)
}

func digest(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // below the directory that is checked
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // only read from
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// checkSignature wants the sums signed with the key, in the one form that the registry takes: detached and binary.
func (r *release) checkSignature() error {
	keys, err := openpgp.ReadArmoredKeyRing(strings.NewReader(r.key))
	if err != nil {
		return fmt.Errorf("public key: %w", err)
	}
	sums, err := r.read(r.sums())
	if err != nil {
		return err
	}
	signature, err := r.read(r.signature())
	if err != nil {
		return err
	}
	_, err = openpgp.CheckDetachedSignature(keys, bytes.NewReader(sums), bytes.NewReader(signature), nil)
	return named(r.signature(), err)
}
