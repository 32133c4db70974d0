package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// environment is what leads clients to the sandbox.
type environment struct {
	awsEndpoint, adminURL, loginHost, graphURL, cognitoHost string

	variables []variable // in the order in which they are written
}

type variable struct{ name, value string }

func (e *environment) add(name, value string) {
	e.variables = append(e.variables, variable{name, value})
}

// publish writes ca.pem, endpoints.json and env, the last when all else is there.
func (s *Sandbox) publish() error {
	endpoints, err := json.MarshalIndent(map[string]string{
		"aws": s.environment.awsEndpoint, "auth0": strings.TrimSuffix(s.auth0.Issuer(), "/"), "admin": s.environment.adminURL,
		"entra_login": "https://" + s.environment.loginHost, "entra_graph": s.environment.graphURL,
		"cognito": "https://" + s.environment.cognitoHost,
	}, "", "  ")
	if err != nil {
		return err
	}
	var env strings.Builder
	for _, v := range s.environment.variables {
		fmt.Fprintf(&env, "export %s='%s'\n", v.name, strings.ReplaceAll(v.value, "'", `'\''`))
	}
	for _, file := range []struct {
		name string
		text []byte
		mode os.FileMode
	}{
		{"ca.pem", s.authority.pem(), 0o644},
		{"endpoints.json", append(endpoints, '\n'), 0o644},
		{"env", []byte(env.String()), 0o600}, // it holds secrets
	} {
		if err := writeFile(filepath.Join(s.options.Dir, file.name), file.text, file.mode); err != nil {
			return err
		}
	}
	return nil
}

// writeFile replaces a file in one step: nobody ever reads half of it.
func writeFile(path string, text []byte, mode os.FileMode) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temporary.Name()))
		}
	}()
	if err := errors.Join(write(temporary, text, mode), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

func write(file *os.File, text []byte, mode os.FileMode) error {
	if _, err := file.Write(text); err != nil {
		return err
	}
	if err := file.Chmod(mode); err != nil {
		return err
	}
	return file.Sync()
}
