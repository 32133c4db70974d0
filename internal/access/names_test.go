package access

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// check runs a validator over texts, each with what its error must say: nothing for a valid one.
func check(t *testing.T, validate func(string) error, texts map[string]string) {
	t.Helper()
	for text, say := range texts {
		err := validate(text)
		switch {
		case say == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case say != "" && (err == nil || !strings.Contains(err.Error(), say)):
			t.Errorf("%q: error %v does not say %q", text, err, say)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	check(t, ValidateServerName, map[string]string{
		"web-01": "", "a.b_c=d+e@f": "", "w": "at least 2", "": "must not be empty", "a/b": `'/'`, "a,b": `','`, "bär": `'ä'`,
		"a b": `' '`, strings.Repeat("a", 64): "", strings.Repeat("a", 65): "at most 64",
	})
	check(t, ValidateEnvironment, map[string]string{"p": "", "prod/eu": `'/'`})
	check(t, ValidateProject, map[string]string{"oidc-s3": "", "": "project must not be empty"})
	if name := Name("oidc-s3", "dev", "web-01"); name != "oidc-s3-dev-web-01" {
		t.Errorf("name %q", name)
	}
	if err := ValidateName("oidc-s3", "dev", strings.Repeat("a", 52)); err != nil {
		t.Error(err)
	}
	if err := ValidateName("oidc-s3", "dev", strings.Repeat("a", 55)); err == nil || !strings.Contains(err.Error(), "3 more than the 64") {
		t.Errorf("error %v", err)
	}
}

func TestValidateParameterName(t *testing.T) {
	t.Parallel()
	check(t, ValidateParameterName, map[string]string{
		"oidc-s3-dev-web-01": "", "a.b_c-d": "", "my-aws-dev-ssm": "", "a+b": `'+'`, "a=b": `'='`, "a@b": `'@'`, "a b": `' '`, "bär": `'ä'`,
		"aws-dev-web-01": `"aws"`, "AwSome-dev-web-01": `"AwS"`, "ssm-dev-web-01": `"ssm"`, "SSM": `"SSM"`,
	})
}

func TestValidatePrefix(t *testing.T) {
	t.Parallel()
	check(t, ValidatePrefix, map[string]string{
		"a/": "", "prod/web-01/logs/": "", "ä b/": "", "a..b/.c/": "",
		"": "must not be empty", "a": `must end in "/"`, "/a/": `must not begin`, "/": `must not begin`, "a//b/": "empty segment",
		"a/./b/": `"."`, "../": `".."`, "a*/": `'*'`, "a?/": `'?'`, "a$/": `'$'`, "{a}/": `'{'`, "a\x00/": "U+0000", "a\u0085/": "U+0085",
		"a\xff/": "UTF-8", strings.Repeat("a", 511) + "/": "", strings.Repeat("a", 512) + "/": "at most 512",
	})
}

func TestValidateBucket(t *testing.T) {
	t.Parallel()
	check(t, ValidateBucket, map[string]string{
		"abc": "", "my.bucket-1": "", strings.Repeat("a", 63): "", "ab": "3 to 63", strings.Repeat("a", 64): "3 to 63", "Abc": `'A'`,
		"a_b": `'_'`, "-ab": "begin and end", "ab.": "begin and end", "a..b": "two dots", "192.168.5.4": "IP address", "xn--abc": "reserves",
		"abc--x-s3": "general purpose", "1.2.3.com": "",
	})
}

func TestPrefixesOverlap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{{"a/", "a/", true}, {"a/", "a/b/", true}, {"a/b/", "a/", true}, {"a/server-1/", "a/server-10/", false}, {"server-1", "server-10/", true}} {
		if got := PrefixesOverlap(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}

func TestARN(t *testing.T) {
	t.Parallel()
	const text = "arn:aws-cn:iam::123456789012:oidc-provider/host:8443/"
	arn, err := ParseARN(text)
	if err != nil || arn.Resource != "oidc-provider/host:8443/" || arn.String() != text {
		t.Errorf("%+v, %v", arn, err)
	}
	check(t, func(s string) error { _, err := ParseARN(s); return err }, map[string]string{
		"": "does not begin", "arn:aws:s3": "3 of the 6 parts", "arn:aws::::x": "no service", "arn:aws:s3:::": "no resource",
		"arn::s3:::b": "no partition", "arn:aws:iam::12:role/x": "12 digits", BucketARN("aws", "b"): "",
	})
	check(t, ValidateKMSKey, map[string]string{
		"arn:aws:kms:eu-west-1:123456789012:key/1234-ab": "", "arn:aws:kms:eu-west-1:123456789012:alias/x": "not the ARN of a KMS key",
		"arn:aws:kms:eu-west-1:123456789012:key/*": "not the ARN of a KMS key",
	})
	if _, err := ParsePermission("admin"); err == nil {
		t.Error("unknown level taken")
	}
}

func FuzzPrefix(f *testing.F) {
	for _, seed := range []string{"a/", "a/b/", "", "/", "a/../", "a*/", "\xff/", "ä/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, prefix string) {
		if ValidatePrefix(prefix) != nil {
			return
		}
		if !strings.HasSuffix(prefix, "/") || strings.ContainsAny(prefix, "*?${}\x00\n") || strings.Contains("/"+prefix, "/../") ||
			strings.Contains("/"+prefix, "//") || !utf8.ValidString(prefix) {
			t.Fatalf("valid: %q", prefix)
		}
		p := permissionsOf(Full, "aws", true)
		p.Prefix = prefix
		if got, _, err := ParsePermissions(p.Policies()); err != nil || got != p {
			t.Fatalf("%q comes back as %+v, %v", prefix, got, err)
		}
	})
}

func TestSameRoleName(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:iam::123456789012:role/"
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{arn + "a", arn + "a", true},
		{arn + "uploads/a", arn + "a", true},
		{arn + "uploads/a", arn + "x/y/a", true},
		{arn + "uploads/a", arn + "b", false},
		{arn + "a", "arn:aws:iam::210987654321:role/a", false},
		{arn + "a", "arn:aws-cn:iam::123456789012:role/a", false},
		{arn + "a", "arn:aws:iam::123456789012:user/a", false},
		{arn + "a", "", false},
		{"", "", false},
	} {
		if got := SameRoleName(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %t", c.a, c.b, got)
		}
	}
}
