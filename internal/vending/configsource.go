package vending

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// The environment. Each variable stands over the setting of the file; EnvDocument holds a whole file, for Lambda, where
// there is none.
const (
	EnvFile            = "OIDCS3_VENDING_CONFIG"
	EnvDocument        = "OIDCS3_VENDING_CONFIG_JSON"
	EnvTable           = "OIDCS3_VENDING_CLIENT_ROLES_TABLE_NAME"
	EnvBuckets         = "OIDCS3_VENDING_BUCKETS"     // blank-separated names
	EnvKMSKeyARN       = "OIDCS3_VENDING_KMS_KEY_ARN" // of all buckets that EnvBuckets names
	EnvIssuers         = "OIDCS3_VENDING_ISSUERS"     // JSON array
	EnvSessionDuration = "OIDCS3_VENDING_SESSION_DURATION"
	EnvSourceIdentity  = "OIDCS3_VENDING_SOURCE_IDENTITY" // true or false
	EnvPerMinute       = "OIDCS3_VENDING_REQUESTS_PER_MINUTE"
	EnvBurst           = "OIDCS3_VENDING_REQUEST_BURST"
	EnvRowCache        = "OIDCS3_VENDING_ROW_CACHE_SECONDS"
)

// maxFile bounds a configuration file, in bytes.
const maxFile = 1 << 20

// LoadConfig reads the configuration: file ("" for none, then EnvFile and EnvDocument), and the variables over it. getenv
// is os.Getenv's like. The result is valid.
func LoadConfig(file string, getenv func(string) string) (Config, error) {
	c := defaults()
	if file == "" {
		file = getenv(EnvFile)
	}
	document := getenv(EnvDocument)
	switch {
	case file != "" && document != "":
		return c, fmt.Errorf("%s is set, and so is the configuration file %s: only one of them can be meant", EnvDocument, file)
	case file != "":
		text, err := readFile(file)
		if err != nil {
			return c, fmt.Errorf("read configuration: %w", err)
		}
		if err := decode(text, &c); err != nil {
			return c, fmt.Errorf("read configuration file %s: %w", file, err)
		}
	case document != "":
		if err := decode([]byte(document), &c); err != nil {
			return c, fmt.Errorf("read %s: %w", EnvDocument, err)
		}
	}
	if err := c.override(getenv); err != nil {
		return c, err
	}
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("configuration: %w", err)
	}
	return c, nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", name, maxFile)
	}
	return text, err
}

// decode is strict: an unknown name is a mistake, and so is what follows the value.
func decode(text []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the JSON value")
	}
	return nil
}

func (c *Config) override(getenv func(string) string) error {
	if v := getenv(EnvTable); v != "" {
		c.Table = v
	}
	if v := strings.Fields(getenv(EnvBuckets)); len(v) > 0 {
		c.Buckets = nil
		for _, name := range v {
			c.Buckets = append(c.Buckets, Bucket{Name: name, KMSKeyARN: getenv(EnvKMSKeyARN)})
		}
	} else if getenv(EnvKMSKeyARN) != "" {
		return fmt.Errorf("%s is set without %s", EnvKMSKeyARN, EnvBuckets)
	}
	if v := getenv(EnvIssuers); v != "" {
		c.Issuers = nil
		if err := decode([]byte(v), &c.Issuers); err != nil {
			return fmt.Errorf("read %s: %w", EnvIssuers, err)
		}
	}
	if v := getenv(EnvSourceIdentity); v != "" {
		on, err := strconv.ParseBool(v)
		if err != nil {
			return fmt.Errorf("%s is %q; it takes true or false", EnvSourceIdentity, v)
		}
		c.SourceIdentity = on
	}
	for name, to := range map[string]*int{
		EnvSessionDuration: &c.SessionDuration, EnvPerMinute: &c.RequestsPerMinute, EnvBurst: &c.RequestBurst, EnvRowCache: &c.RowCacheSeconds,
	} {
		v := getenv(name)
		if v == "" {
			continue
		}
		n, err := strconv.Atoi(v)
		if err != nil {
			return fmt.Errorf("%s is %q; it takes a number", name, v)
		}
		*to = n
	}
	return nil
}
