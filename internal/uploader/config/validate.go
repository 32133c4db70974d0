package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

// Need is what a command works with, and so what must be configured for it.
type Need int

// The needs. Each contains the ones before it.
const (
	NeedCredentials Need = iota // a token and AWS credentials
	NeedBucket                  // a bucket and a prefix too
)

var (
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`) // AssumeRoleWithWebIdentity's RoleSessionName
	roleARN     = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$`)
	hostLabel   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)
	region      = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-\d+$`)
	tenant      = regexp.MustCompile(`^[A-Za-z0-9.-]+$`)
)

// Validate says what is missing or malformed for a command with this need. Every error is an *Error.
func (c Config) Validate(need Need) error {
	var missing []string
	require := func(key, value string) {
		if value == "" {
			missing = append(missing, key)
		}
	}
	switch c.IdentityProvider {
	case Auth0:
		require("auth0_domain", c.Auth0Domain)
		require("auth0_client_id", c.Auth0ClientID)
		require("auth0_audience", c.Auth0Audience)
	case Entra:
		require("entra_tenant_id", c.EntraTenantID)
		require("entra_client_id", c.EntraClientID)
		require("entra_audience", c.EntraAudience)
	case Cognito:
		require("cognito_domain", c.CognitoDomain)
		require("cognito_client_id", c.CognitoClientID)
		require("cognito_scopes", c.CognitoScopes)
		require("credential_vending_url", c.CredentialVendingURL)
	case "":
		missing = append(missing, "identity_provider")
	default:
		return malformed("identity_provider", fmt.Errorf("%q is not auth0, entra or cognito", c.IdentityProvider))
	}
	if c.CredentialVendingURL == "" {
		require("aws_role_arn", c.AWSRoleARN)
		require("server_name", c.ServerName)
	}
	require("aws_region", c.AWSRegion)
	if need >= NeedBucket {
		require("s3_bucket", c.S3Bucket)
		require("s3_path_prefix", c.S3PathPrefix)
	}
	if len(missing) > 0 {
		return &Error{Err: fmt.Errorf("not configured: %s", strings.Join(missing, ", ")),
			Hint: "put it into the configuration file (--config, OIDCS3_CONFIG, " + DefaultFile + "), or give the flag --" +
				strings.ReplaceAll(missing[0], "_", "-")}
	}
	return c.wellFormed()
}

func (c Config) wellFormed() error {
	checks := []struct {
		key, value string
		check      func(string) error
	}{
		{"auth0_domain", c.Auth0Domain, checkHost},
		{"entra_login_host", c.EntraLoginHost, checkHost},
		{"entra_tenant_id", c.EntraTenantID, matching(tenant, "a tenant ID or domain")},
		{"cognito_domain", c.CognitoDomain, checkHost},
		{"credential_vending_url", c.CredentialVendingURL, checkURL},
		{"aws_role_arn", c.AWSRoleARN, matching(roleARN, "the ARN of an IAM role")},
		{"aws_region", c.AWSRegion, matching(region, "a region such as eu-west-1")},
		{"server_name", c.ServerName, matching(sessionName, "2 to 64 characters of A-Z a-z 0-9 _ + = , . @ -")},
		{"s3_path_prefix", c.S3PathPrefix, checkPrefix},
	}
	for _, k := range checks {
		if k.value == "" {
			continue
		}
		if err := k.check(k.value); err != nil {
			return malformed(k.key, err)
		}
	}
	return nil
}

func malformed(key string, err error) error {
	return &Error{Where: key, Err: err, Hint: "mend " + key + " in the configuration file, its environment variable or --" + strings.ReplaceAll(key, "_", "-")}
}

func matching(re *regexp.Regexp, what string) func(string) error {
	return func(v string) error {
		if !re.MatchString(v) {
			return fmt.Errorf("%q is not %s", v, what)
		}
		return nil
	}
}

func checkHost(v string) error {
	host := v
	if h, port, err := net.SplitHostPort(v); err == nil {
		if port == "" || strings.Trim(port, "0123456789") != "" {
			return fmt.Errorf("%q has no valid port", v)
		}
		host = h
	}
	if net.ParseIP(host) != nil {
		return nil
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if !hostLabel.MatchString(label) {
			return fmt.Errorf("%q is not a host name; write it without https:// and without a path", v)
		}
	}
	return nil
}

func checkURL(v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is not an https URL", v)
	}
	return nil
}

// checkPrefix is the rule that Terraform applies to s3_path_prefix.
func checkPrefix(v string) error {
	switch {
	case !strings.HasSuffix(v, "/"):
		return fmt.Errorf("%q does not end in /", v)
	case strings.HasPrefix(v, "/"):
		return fmt.Errorf("%q begins with /", v)
	case strings.ContainsAny(v, "*?${}"):
		return fmt.Errorf("%q contains one of * ? $ { }", v)
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(v, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return errors.New("a segment of the prefix is empty, \".\" or \"..\"")
		}
	}
	return nil
}
