package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/gofrs/flock"
)

// Profile is one profile of an AWS shared credentials file. The rest of the file belongs to others and stays as it is.
// https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
type Profile struct {
	File File
	Name string
}

// CheckProfile reports whether a name can stand in a section's head.
func CheckProfile(name string) error {
	if name == "" || strings.ContainsAny(name, "[]#;\"'") || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("profile %q: want letters, digits, dash, dot and underscore", name)
	}
	return nil
}

// Write puts the credentials into the profile. Two daemons that keep different profiles of one file take turns.
func (p Profile) Write(c aws.Credentials) error {
	if strings.ContainsAny(c.AccessKeyID+c.SecretAccessKey+c.SessionToken, "\r\n") {
		return errors.New("the credentials hold a line break")
	}
	lock := flock.New(p.File.Path+".lock", flock.SetPermissions(0o600))
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("lock %s: %w", p.File.Path, err)
	}
	defer func() { _ = lock.Close() }()
	old, err := os.ReadFile(p.File.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %s: %w", p.File.Path, err)
	}
	return p.File.Write([]byte(edit(string(old), p.Name, c)))
}

// ours are the settings that edit replaces.
var ours = []string{"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token"}

// edit returns the file's text with the profile's credentials replaced, and every other line kept.
func edit(text, profile string, c aws.Credentials) string {
	fresh := fmt.Sprintf("aws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n", c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	var out strings.Builder
	inside, written := false, false
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "\n") {
			line += "\n"
		}
		if name, ok := section(line); ok {
			inside = name == profile
			out.WriteString(line)
			if inside && !written {
				out.WriteString(fresh)
				written = true
			}
			continue
		}
		if !inside || !setsOurs(line) {
			out.WriteString(line)
		}
	}
	if !written {
		if out.Len() > 0 {
			out.WriteString("\n")
		}
		out.WriteString("[" + profile + "]\n" + fresh)
	}
	return out.String()
}

// section reads a section's head.
func section(line string) (string, bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), "[")
	if !ok {
		return "", false
	}
	name, _, ok := strings.Cut(rest, "]")
	return strings.TrimSpace(name), ok
}

func setsOurs(line string) bool {
	name, _, ok := strings.Cut(line, "=")
	if !ok {
		return false
	}
	for _, own := range ours {
		if strings.EqualFold(strings.TrimSpace(name), own) {
			return true
		}
	}
	return false
}
