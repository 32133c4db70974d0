package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Secret is a client secret or the text of a private key. Every way of printing it shows "(sensitive)".
type Secret string

// String implements fmt.Stringer.
func (Secret) String() string { return "(sensitive)" }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return "(sensitive)" }

// Format implements fmt.Formatter, so that no verb shows the value.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(sensitive)") }

// MarshalJSON implements json.Marshaler, so that no structured log shows the value.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"(sensitive)"`), nil }

// Reveal returns the value itself.
func (s Secret) Reveal() string { return string(s) }

// Authentication is how the host proves its identity at the token endpoint: a secret or a key, never both.
type Authentication struct {
	ClientSecret Secret
	PrivateKey   Secret // PEM; a certificate may stand beside the key
}

// SecretSource is where the secret or key is looked for.
type SecretSource struct {
	ClientSecretFile string // --client-secret-file
	PrivateKeyFile   string // --private-key-file
	Getenv           func(string) string
	Warn             func(string) // told of files that others may read
}

// Location is where the secret or key was found.
type Location struct {
	File     string // empty for a variable
	Key      bool   // a private key; otherwise a client secret
	Variable string // of the environment; empty for a file
}

// Locate says where the secret or key for the identity provider is. The order is: --client-secret-file or
// --private-key-file; $CREDENTIALS_DIRECTORY/private_key and /client_secret (systemd's LoadCredential);
// OIDCS3_PRIVATE_KEY_FILE; OIDCS3_CLIENT_SECRET and then AUTH0_, ENTRA_ or COGNITO_CLIENT_SECRET. Every error is an *Error.
func (src SecretSource) Locate(provider string) (Location, error) {
	switch {
	case src.ClientSecretFile != "" && src.PrivateKeyFile != "":
		return Location{}, &Error{Err: errors.New("--client-secret-file and --private-key-file exclude each other")}
	case src.PrivateKeyFile != "":
		return Location{File: src.PrivateKeyFile, Key: true}, nil
	case src.ClientSecretFile != "":
		return Location{File: src.ClientSecretFile}, nil
	}
	if dir := src.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		if name := filepath.Join(dir, "private_key"); loaded(name) {
			return Location{File: name, Key: true}, nil
		}
		if name := filepath.Join(dir, "client_secret"); loaded(name) {
			return Location{File: name}, nil
		}
	}
	if name := src.Getenv("OIDCS3_PRIVATE_KEY_FILE"); name != "" {
		return Location{File: name, Key: true}, nil
	}
	own := strings.ToUpper(provider) + "_CLIENT_SECRET"
	for _, name := range []string{"OIDCS3_CLIENT_SECRET", own} {
		if src.Getenv(name) != "" {
			return Location{Variable: name}, nil
		}
	}
	return Location{}, &Error{Err: errors.New("no client secret and no private key"),
		Hint: "put the secret into a file (mode 0600) and name it with --client-secret-file, let systemd load it (LoadCredential=client_secret:…), " +
			"or set OIDCS3_CLIENT_SECRET or " + own + "; with private_key_jwt use --private-key-file"}
}

// Authenticate reads the secret or key that Locate finds. Every error is an *Error.
func Authenticate(provider string, src SecretSource) (Authentication, error) {
	at, err := src.Locate(provider)
	switch {
	case err != nil:
		return Authentication{}, err
	case at.Variable != "":
		return Authentication{ClientSecret: Secret(src.Getenv(at.Variable))}, nil
	case at.Key:
		return src.key(at.File)
	}
	return src.secret(at.File)
}

func (src SecretSource) secret(name string) (Authentication, error) {
	v, err := src.read(name)
	return Authentication{ClientSecret: Secret(strings.TrimRight(v, "\r\n"))}, err
}

func (src SecretSource) key(name string) (Authentication, error) {
	v, err := src.read(name)
	return Authentication{PrivateKey: Secret(v)}, err
}

func (src SecretSource) read(name string) (string, error) {
	text, err := os.ReadFile(name) // #nosec G304 -- the user names the file
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return "", &Error{Where: name, Err: fmt.Errorf("read secret: %w", err), Hint: "the user who runs this must be able to read the file"}
	}
	if strings.TrimSpace(string(text)) == "" {
		return "", &Error{Where: name, Err: errors.New("the file is empty")}
	}
	if mend, open := exposed(name); open && src.Warn != nil {
		src.Warn(fmt.Sprintf("%s can be read by every user of this host; %s", name, mend))
	}
	return string(text), nil
}

// loaded reports whether systemd has put something there. A blank credential is the default that a unit sets beside
// LoadCredential= so that a missing file is no failure, see SetCredential= in systemd.exec(5). One that cannot be read
// is there: the reader says why.
func loaded(name string) bool {
	text, err := os.ReadFile(name) // #nosec G304 -- in systemd's directory
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return strings.TrimSpace(string(text)) != ""
}
