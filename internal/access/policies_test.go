package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const account = "123456789012"

func trustOf(mode Mode, partition string) Trust {
	if mode == Vending {
		return Trust{Mode: Vending, VendingRoleARN: RoleARN(partition, account, "oidcs3-vending"), ServerName: "web-01"}
	}
	t := Trust{
		Mode:        mode,
		ProviderARN: "arn:" + partition + ":iam::" + account + ":oidc-provider/tenant.example.com:8443/",
		Audience:    "https://api.example.com/s3", Subject: "client1@clients",
	}
	if mode == AZP {
		t.ClientID = "client1"
	}
	return t
}

func permissionsOf(level Permission, partition string, kms bool) Permissions {
	p := Permissions{Partition: partition, Bucket: "company-logs", Prefix: "prod/web-01/", Permission: level}
	if kms {
		region := map[string]string{"aws": "eu-central-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}[partition]
		p.KMSKeyARN = "arn:" + partition + ":kms:" + region + ":" + account + ":key/1234abcd-12ab-34cd-56ef-1234567890ab"
	}
	return p
}

var partitions = []string{"aws", "aws-cn", "aws-us-gov"}

func golden(t *testing.T, name, doc string) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(doc), "", "  "); err != nil {
		t.Fatalf("%s is not JSON: %v", name, err)
	}
	pretty.WriteByte('\n')
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, pretty.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if pretty.String() != string(want) {
		t.Errorf("%s:\n%s\nwant:\n%s", name, pretty.String(), want)
	}
}

func TestGoldenPolicies(t *testing.T) {
	t.Parallel()
	golden(t, "deny-all", DenyAll())
	golden(t, "revoke-all", RevokeAll())
	golden(t, "revoke-before", RevokeBefore(time.Date(2026, 3, 1, 14, 0, 0, 500, time.FixedZone("", 7200))))
	disabled := trustOf(Plain, "aws")
	disabled.Disabled = true
	golden(t, "trust-disabled", disabled.Policy())
	for _, partition := range partitions {
		for _, mode := range []Mode{Plain, AZP, Vending} {
			golden(t, "trust-"+string(mode)+"-"+partition, trustOf(mode, partition).Policy())
		}
		for _, level := range []Permission{Write, ReadWrite, Full} {
			golden(t, "permissions-"+string(level)+"-"+partition, permissionsOf(level, partition, false).Document())
			golden(t, "permissions-"+string(level)+"-kms-"+partition, permissionsOf(level, partition, true).Document())
		}
	}
}

func TestDocumentHoldsThePolicies(t *testing.T) {
	t.Parallel()
	p := permissionsOf(Full, "aws", true)
	whole, err := parseDocument("document", p.Document())
	if err != nil {
		t.Fatal(err)
	}
	parts := 0
	for name, doc := range p.Policies() {
		elements, err := parseDocument(name, doc)
		if err != nil {
			t.Fatal(err)
		}
		parts += len(elements)
	}
	if len(whole) != 3 || parts != 3 {
		t.Errorf("document has %d statements, the policies %d, want 3", len(whole), parts)
	}
}

func prefixes() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.StringMatching(`[a-zA-Z0-9_=+äß😀"\\<&' -]{1,20}`), 1, 4).Draw(t, "segments"), "/") + "/"
	})
}

func TestParsePermissionsUndoesPolicies(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := permissionsOf(
			rapid.SampledFrom([]Permission{Write, ReadWrite, Full}).Draw(t, "level"),
			rapid.SampledFrom(partitions).Draw(t, "partition"), rapid.Bool().Draw(t, "kms"))
		p.Prefix = prefixes().Draw(t, "prefix")
		policies := p.Policies()
		if policies == nil {
			t.Fatalf("no policies: %v", p.Validate())
		}
		for name, doc := range policies {
			if strings.ContainsFunc(doc, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("%s is not ASCII: %s", name, doc)
			}
		}
		got, deviations, err := ParsePermissions(policies)
		if err != nil || got != p || len(deviations) > 0 {
			t.Fatalf("got %+v, %q, %v; want %+v", got, deviations, err, p)
		}
	})
}

func TestParseTrustUndoesPolicy(t *testing.T) {
	t.Parallel()
	text := rapid.StringMatching(`[a-zA-Z0-9:/@._ä|*-]{1,40}`)
	rapid.Check(t, func(t *rapid.T) {
		want := trustOf(rapid.SampledFrom([]Mode{Plain, AZP, Vending}).Draw(t, "mode"), rapid.SampledFrom(partitions).Draw(t, "partition"))
		if want.Mode == Vending {
			want.ServerName = rapid.StringMatching(`([a-z0-9.-]{2,64})?`).Draw(t, "server")
		} else {
			want.Audience, want.Subject = text.Draw(t, "audience"), text.Draw(t, "subject")
		}
		want.Disabled = rapid.Bool().Draw(t, "disabled")
		if want.Mode == AZP {
			want.ClientID = text.Draw(t, "client id")
		}
		got, err := ParseTrust(want.Policy())
		if err != nil || got != want {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
	})
}

// A prefix that validates never reaches into a neighbour's, whose name only begins alike.
func TestPrefixKeepsToItself(t *testing.T) {
	t.Parallel()
	for _, level := range []Permission{Write, ReadWrite, Full} {
		p := permissionsOf(level, "aws", true)
		p.Prefix = "a/server-1/"
		if doc := p.Document(); covers(doc, "arn:aws:s3:::company-logs/a/server-10/key") || !covers(doc, "arn:aws:s3:::company-logs/a/server-1/key") {
			t.Errorf("%s covers the wrong keys: %s", level, doc)
		}
	}
	p := permissionsOf(Full, "aws", false)
	for _, prefix := range []string{"a/server-1", "a/*/", "", "/a/", "a/${aws:username}/", "a/../b/"} {
		p.Prefix = prefix
		if policies := p.Policies(); policies != nil {
			t.Errorf("prefix %q got policies: %v", prefix, policies)
		}
	}
}

// covers reports whether some resource or condition of the document matches the ARN, as IAM matches patterns.
func covers(doc, arn string) bool {
	for _, pattern := range strings.Split(doc, `"`) {
		if head, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(head, "arn:") && strings.HasPrefix(arn, head) {
			return true
		}
	}
	return false
}

func TestTrustThatDoesNotValidateLocksOut(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Trust){
		"no subject":      func(t *Trust) { t.Subject = "" },
		"no audience":     func(t *Trust) { t.Audience = "" },
		"policy variable": func(t *Trust) { t.Subject = "${aws:userid}" },
		"not a provider":  func(t *Trust) { t.ProviderARN = RoleARN("aws", account, "x") },
		"unknown mode":    func(t *Trust) { t.Mode = "other" },
		"too long":        func(t *Trust) { t.Audience = strings.Repeat("a", 2048) },
		"azp, no client":  func(t *Trust) { t.Mode = AZP },
		"vending, no arn": func(t *Trust) { t.Mode = Vending },
	} {
		trust := trustOf(Plain, "aws")
		spoil(&trust)
		if trust.Validate() == nil || trust.Policy() != DenyAll() {
			t.Errorf("%s: validates or lets somebody in: %s", name, trust.Policy())
		}
	}
}

func TestIsDenyAll(t *testing.T) {
	t.Parallel()
	disabled := trustOf(AZP, "aws")
	disabled.Disabled = true
	for _, doc := range []string{DenyAll(), disabled.Policy()} {
		if !IsDenyAll(doc) {
			t.Errorf("not recognized: %s", doc)
		}
	}
	for _, doc := range []string{trustOf(Plain, "aws").Policy(), "", "{}", `{"Statement":[]}`,
		`{"Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"},{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}`} {
		if IsDenyAll(doc) {
			t.Errorf("taken for a lock: %s", doc)
		}
	}
}

func TestParseTrustOfOtherHands(t *testing.T) {
	t.Parallel()
	const provider = `"Principal":{"Federated":["arn:aws:iam::123456789012:oidc-provider/t.example.com/"]}`
	const action = `"Action":["sts:AssumeRoleWithWebIdentity"]`
	statement := func(parts ...string) string {
		return `{"Statement":[{"Effect":"Allow",` + strings.Join(parts, ",") + `}],"Version":"2012-10-17"}`
	}
	good := `"Condition":{"StringEquals":{"t.example.com/:sub":["c@clients"],"T.example.com/:aud":"api"}}`
	got, err := ParseTrust(statement(good, provider, action))
	want := Trust{Mode: Plain, ProviderARN: "arn:aws:iam::123456789012:oidc-provider/t.example.com/", Audience: "api", Subject: "c@clients"}
	if err != nil || got != want {
		t.Errorf("legacy trust: %+v, %v", got, err)
	}
	got, err = ParseTrust(statement(`"Principal":{"AWS":"AROAEXAMPLEEXAMPLE123"}`, `"Action":"sts:assumerole"`))
	if err != nil || got.VendingRoleARN != "AROAEXAMPLEEXAMPLE123" || got.Mode != Vending {
		t.Errorf("role id: %+v, %v", got, err)
	}
	for say, doc := range map[string]string{
		"not a JSON object":   `[]`,
		"twice":               `{"Version":"2012-10-17","Version":"2012-10-17"}`,
		"2 statements":        `{"Statement":[{"Effect":"Allow"},{"Effect":"Deny"}]}`,
		`"*" is no ARN`:       DenyAll(),
		"every client":        statement(provider, action, `"Condition":{"StringEquals":{"t.example.com/:aud":"api"}}`),
		"any audience":        statement(provider, action, `"Condition":{"StringEquals":{"t.example.com/:sub":"c"}}`),
		"StringLike":          statement(provider, action, `"Condition":{"StringLike":{"t.example.com/:sub":"*"}}`),
		"2 values":            statement(provider, action, `"Condition":{"StringEquals":{"t.example.com/:sub":["a","b"]}}`),
		"aws:sourceip":        statement(provider, action, `"Condition":{"StringEquals":{"t.example.com/:sub":"a","t.example.com/:aud":"b","aws:SourceIp":"c"}}`),
		"NotPrincipal":        statement(`"NotPrincipal":{"AWS":"*"}`, action),
		"NotAction":           statement(provider, `"NotAction":"sts:AssumeRole"`),
		"everybody":           statement(`"Principal":"*"`, action),
		"2 kinds":             statement(`"Principal":{"AWS":"a","Federated":"b"}`, action),
		"kind Service":        statement(`"Principal":{"Service":"ec2.amazonaws.com"}`, action),
		"one principal":       statement(`"Principal":{"AWS":["a","b"]}`, action),
		"alone":               statement(provider, `"Action":"*"`, good),
		"not the ARN of":      statement(`"Principal":{"AWS":"arn:aws:iam::123456789012:root"}`, `"Action":"sts:AssumeRole"`),
		"is no ARN":           statement(`"Principal":{"AWS":"*"}`, `"Action":"sts:AssumeRole"`),
		`the element "Extra"`: statement(provider, action, good, `"Extra":1`),
	} {
		_, err := ParseTrust(doc)
		if _, ok := errors.AsType[*ShapeError](err); !ok || !strings.Contains(err.Error(), say) {
			t.Errorf("error %q does not say %q", err, say)
		}
	}
}

func TestParseLegacyPermissions(t *testing.T) {
	t.Parallel()
	object := func(resource, actions string) string {
		return `{"Version":"2012-10-17","Statement":{"Resource":["` + resource + `"],"Effect":"Allow","Action":` + actions + `}}`
	}
	list := func(pattern string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":"arn:aws:s3:::logs","Condition":{"StringLike":{"s3:prefix":["` + pattern + `"]}}}]}`
	}
	const all = `["s3:DeleteObject","s3:PutObject","s3:GetObject"]`
	for name, c := range map[string]struct {
		policies   map[string]string
		level      Permission
		prefix     string
		deviations []string
		err        string
	}{
		"write": {policies: map[string]string{ObjectPolicy: object("arn:aws:s3:::logs/a/*", `"s3:PutObject"`)}, level: Write, prefix: "a/",
			deviations: []string{"lacks s3:AbortMultipartUpload", "lacks s3:ListMultipartUploadParts"}},
		"full": {policies: map[string]string{ObjectPolicy: object("arn:aws:s3:::logs/a/*", all), ListPolicy: list("a/*")}, level: Full, prefix: "a/",
			deviations: []string{"lacks s3:AbortMultipartUpload", "lacks s3:ListMultipartUploadParts"}},
		"full without list": {policies: map[string]string{ObjectPolicy: object("arn:aws:s3:::logs/a/*", all)}, level: Full, prefix: "a/",
			deviations: []string{"lacks s3:Abort", "lacks s3:ListMultipart", "s3-list-access is missing"}},
		"list too much": {policies: map[string]string{ObjectPolicy: object("arn:aws:s3:::logs/a/*", `"s3:PutObject"`), ListPolicy: list("a/*")}, level: Write, prefix: "a/",
			deviations: []string{"lacks s3:Abort", "lacks s3:ListMultipart", "grants listing"}},
		"no slash": {policies: map[string]string{ObjectPolicy: object("arn:aws:s3:::logs/server-1*", `"s3:PutObject"`)}, level: Write, prefix: "server-1",
			deviations: []string{"lacks s3:Abort", "lacks s3:ListMultipart"}, err: `must end in "/"`},
		"no policy":     {policies: nil, err: "the role has none"},
		"two prefixes":  {policies: map[string]string{ObjectPolicy: object(`arn:aws:s3:::logs/a/*","arn:aws:s3:::logs/b/*`, all)}, err: "2 resources"},
		"foreign":       {policies: map[string]string{ObjectPolicy: object("arn:aws:s3:::logs/a/*", `["s3:PutObject","s3:PutObjectAcl"]`)}, err: "PutObjectAcl"},
		"every action":  {policies: map[string]string{ObjectPolicy: object("arn:aws:s3:::logs/a/*", `"s3:*"`)}, err: `"s3:*"`},
		"no put":        {policies: map[string]string{ObjectPolicy: object("arn:aws:s3:::logs/a/*", `"s3:GetObject"`)}, err: "no permission level"},
		"another lists": {policies: map[string]string{ObjectPolicy: object("arn:aws:s3:::logs/a/*", all), ListPolicy: list("b/*")}, err: `it lists "b/*"`},
		"lists all": {policies: map[string]string{ObjectPolicy: object("arn:aws:s3:::logs/a/*", all),
			ListPolicy: object("arn:aws:s3:::logs", `"s3:ListBucket"`)}, err: "whole bucket"},
		"one object": {policies: map[string]string{ObjectPolicy: object("arn:aws:s3:::logs/a", all)}, err: `does not end in "*"`},
	} {
		p, deviations, err := ParsePermissions(c.policies)
		if p.Permission != c.level || p.Prefix != c.prefix || len(deviations) != len(c.deviations) {
			t.Errorf("%s: %+v, %q, %v", name, p, deviations, err)
			continue
		}
		for i, say := range c.deviations {
			if !strings.Contains(deviations[i], say) {
				t.Errorf("%s: deviation %q does not say %q", name, deviations[i], say)
			}
		}
		if c.err == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if _, ok := errors.AsType[*ShapeError](err); !ok || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %q does not say %q", name, err, c.err)
		}
	}
}

func TestEquivalent(t *testing.T) {
	t.Parallel()
	a := permissionsOf(Full, "aws", true).Document()
	var reordered map[string]any
	if err := json.Unmarshal([]byte(a), &reordered); err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(reordered, " ", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if !Equivalent(a, string(b)) {
		t.Error("white space and key order count")
	}
	for _, other := range []string{"", "{}", "[]", "null", permissionsOf(Write, "aws", true).Document(), a + "x"} {
		if Equivalent(a, other) || Equivalent(other, a) || other == "" && Equivalent(other, other) {
			t.Errorf("equivalent to %q", other)
		}
	}
}

func FuzzParseTrust(f *testing.F) {
	for _, mode := range []Mode{Plain, AZP, Vending} {
		f.Add(trustOf(mode, "aws").Policy())
	}
	f.Add(DenyAll())
	f.Add(`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"AROAEXAMPLEEXAMPLE123"},"Action":["sts:AssumeRole"]}]}`)
	f.Fuzz(func(t *testing.T, doc string) {
		trust, err := ParseTrust(doc)
		Equivalent(doc, DenyAll())
		if err != nil || isRoleID(trust.VendingRoleARN) {
			return
		}
		if IsDenyAll(doc) {
			t.Errorf("a lock that lets in: %s", doc)
		}
		if again, err := ParseTrust(trust.Policy()); err != nil || again != trust {
			t.Errorf("%s is read as %+v, written and read as %+v, %v", doc, trust, again, err)
		}
	})
}

func FuzzParsePermissions(f *testing.F) {
	for _, level := range []Permission{Write, ReadWrite, Full} {
		policies := permissionsOf(level, "aws", true).Policies()
		f.Add(policies[ObjectPolicy], policies[ListPolicy])
	}
	f.Add(`{"Statement":{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::logs/server-1*"}}`, "")
	f.Fuzz(func(t *testing.T, object, list string) {
		policies := map[string]string{ObjectPolicy: object}
		if list != "" {
			policies[ListPolicy] = list
		}
		p, _, err := ParsePermissions(policies)
		if err != nil {
			return
		}
		again, deviations, err := ParsePermissions(p.Policies())
		if err != nil || again != p || len(deviations) > 0 {
			t.Errorf("read %+v, written and read %+v, %q, %v", p, again, deviations, err)
		}
	})
}
