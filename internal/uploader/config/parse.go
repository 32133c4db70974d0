package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Parse reads the text of a configuration file: one flat JSON object whose values are strings. Unknown keys, repeated
// keys, other types and anything after the object are refused, each with the name of the key.
func Parse(text []byte) (Config, error) {
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	fields := map[string]func(*Config) *string{}
	for _, s := range Settings() {
		fields[s.Key] = s.field
	}
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return Config{}, syntax(err, "a JSON object is wanted")
	}
	var c Config
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return Config{}, syntax(err, "a key is wanted")
		}
		key, _ := t.(string) // the decoder accepts nothing but strings as keys
		field, known := fields[key]
		if !known {
			return Config{}, unknown(key)
		}
		if seen[key] {
			return Config{}, fmt.Errorf("key %q is given twice", key)
		}
		seen[key] = true
		if t, err = dec.Token(); err != nil {
			return Config{}, syntax(err, fmt.Sprintf("key %q has no value", key))
		}
		value, isString := t.(string)
		if !isString {
			return Config{}, fmt.Errorf("key %q: want a string, got %s", key, kind(t))
		}
		*field(&c) = value
	}
	if _, err := dec.Token(); err != nil {
		return Config{}, syntax(err, "the object does not end")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("something follows the JSON object")
	}
	return c, nil
}

func syntax(err error, otherwise string) error {
	var position *json.SyntaxError
	switch {
	case errors.As(err, &position):
		return fmt.Errorf("not valid JSON at byte %d: %w", position.Offset, err)
	case err != nil:
		return fmt.Errorf("not valid JSON: %w", err)
	}
	return errors.New(otherwise)
}

// unknown names a key that has no meaning here. A secret in the file is the mistake worth a word of its own.
func unknown(key string) error {
	if strings.Contains(key, "secret") || strings.Contains(key, "private_key") {
		return fmt.Errorf("unknown key %q: secrets and keys live in files of their own (--client-secret-file, --private-key-file)", key)
	}
	return fmt.Errorf("unknown key %q", key)
}

func kind(t json.Token) string {
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return "a list"
		}
		return "an object"
	case bool:
		return "a boolean"
	case nil:
		return "null"
	}
	return "a number"
}
