package policy_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/policy"
)

const (
	userARN    = "arn:aws:iam::123456789012:user/jo"
	roleARN    = "arn:aws:iam::123456789012:role/web-01"
	sessionARN = "arn:aws:sts::123456789012:assumed-role/web-01/s"
	oidcARN    = "arn:aws:iam::123456789012:oidc-provider/idp.example/"
)

func TestParseRefusals(t *testing.T) {
	t.Parallel()
	identity := func(statement string) string { return `{"Version":"2012-10-17","Statement":` + statement + `}` }
	const ok = `"Effect":"Allow","Action":"s3:GetObject","Resource":"*"`
	for _, test := range []struct {
		name, document string
		kind           policy.Kind
		message        string
	}{
		{"not JSON", `{`, policy.Identity, "invalid Json"},
		{"leading space", ` {}`, policy.Identity, "leading spaces"},
		{"a list", `[]`, policy.Identity, "Syntax errors"},
		{"no statement", `{"Version":"2012-10-17"}`, policy.Identity, "Syntax errors"},
		{"empty statements", identity(`[]`), policy.Identity, "Syntax errors"},
		{"unknown version", `{"Version":"2012-10-18","Statement":{` + ok + `}}`, policy.Identity, "Syntax errors"},
		{"old version", `{"Version":"2008-10-17","Statement":{` + ok + `}}`, policy.Identity, "2012-10-17 or greater"},
		{"unknown element", `{"Version":"2012-10-17","Statements":{` + ok + `}}`, policy.Identity, "Unknown field Statements"},
		{"unknown statement element", identity(`{` + ok + `,"Conditions":{}}`), policy.Identity, "Unknown field Conditions"},
		{"element in lower case", identity(`{"effect":"Allow","Action":"s3:GetObject","Resource":"*"}`), policy.Identity, "Unknown field effect"},
		{"element twice", identity(`{` + ok + `,"Resource":"*"}`), policy.Identity, "Syntax errors"},
		{"no effect", identity(`{"Action":"s3:GetObject","Resource":"*"}`), policy.Identity, "Syntax errors"},
		{"effect in lower case", identity(`{"Effect":"allow","Action":"s3:GetObject","Resource":"*"}`), policy.Identity, "Syntax errors"},
		{"no action", identity(`{"Effect":"Allow","Resource":"*"}`), policy.Identity, "must contain actions"},
		{"both actions", identity(`{` + ok + `,"NotAction":"s3:PutObject"}`), policy.Identity, "must contain actions"},
		{"empty actions", identity(`{"Effect":"Allow","Action":[],"Resource":"*"}`), policy.Identity, "must contain actions"},
		{"action without vendor", identity(`{"Effect":"Allow","Action":"GetObject","Resource":"*"}`), policy.Identity, "prefaced by a vendor"},
		{"no resource", identity(`{"Effect":"Allow","Action":"s3:GetObject"}`), policy.Identity, "must contain resources"},
		{"resource no ARN", identity(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"bucket/x"}`), policy.Identity, "must be in ARN format"},
		{"resource of another partition", identity(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:oops:s3:::b"}`), policy.Identity, "Partition"},
		{"principal in identity policy", identity(`{` + ok + `,"Principal":"*"}`), policy.Identity, "should not specify a principal"},
		{"sid with dash", identity(`{` + ok + `,"Sid":"a-b"}`), policy.Identity, "alpha-numeric"},
		{"sid twice", identity(`[{` + ok + `,"Sid":"a"},{` + ok + `,"Sid":"a"}]`), policy.Identity, "must be unique"},
		{"unknown operator", identity(`{` + ok + `,"Condition":{"StringEqual":{"aws:username":"jo"}}}`), policy.Identity, "Invalid Condition type : StringEqual"},
		{"Null with quantor", identity(`{` + ok + `,"Condition":{"ForAnyValue:Null":{"aws:username":"true"}}}`), policy.Identity, "Invalid Condition type"},
		{"NullIfExists", identity(`{` + ok + `,"Condition":{"NullIfExists":{"aws:username":"true"}}}`), policy.Identity, "Invalid Condition type"},
		{"condition value an object", identity(`{` + ok + `,"Condition":{"StringEquals":{"aws:username":{}}}}`), policy.Identity, "Syntax errors"},
		{"condition value null", identity(`{` + ok + `,"Condition":{"StringEquals":{"aws:username":null}}}`), policy.Identity, "Syntax errors"},
		{"condition key without vendor", identity(`{` + ok + `,"Condition":{"StringEquals":{"username":"jo"}}}`), policy.Identity, "vendor"},
		{"trust without principal", identity(`{"Effect":"Allow","Action":"sts:AssumeRole"}`), policy.Trust, "Missing required field Principal"},
		{"trust with resource", identity(`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}`), policy.Trust, "Has prohibited field Resource"},
		{"trust with other action", identity(`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}`), policy.Trust, "AssumeRole policy may only specify STS AssumeRole actions."},
		{"trust with NotPrincipal", identity(`{"Effect":"Deny","NotPrincipal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}`), policy.Trust, "Has prohibited field NotPrincipal"},
		{"principal text", identity(`{"Effect":"Allow","Principal":"` + userARN + `","Action":"sts:AssumeRole"}`), policy.Trust, "Invalid principal"},
		{"principal type", identity(`{"Effect":"Allow","Principal":{"Aws":"*"},"Action":"sts:AssumeRole"}`), policy.Trust, "Invalid principal"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := policy.Parse(test.document, test.kind)
			var m *policy.MalformedError
			if !errors.As(err, &m) || !strings.Contains(m.Message, test.message) {
				t.Errorf("got %v, want %q", err, test.message)
			}
		})
	}
}

func evaluate(t *testing.T, kind policy.Kind, statement string, req policy.Request) policy.Decision {
	t.Helper()
	d, err := policy.Parse(`{"Version":"2012-10-17","Statement":`+statement+`}`, kind)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return d.Evaluate(req)
}

func TestActionsAndResources(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		statement, action, resource string
		allowed                     bool
	}{
		{`"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/web-1/*"`, "s3:GetObject", "arn:aws:s3:::b/web-1/x/y", true},
		{`"Action":"S3:getobject","Resource":"*"`, "s3:GetObject", "arn:aws:s3:::b/k", true},
		{`"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/web-1/*"`, "s3:GetObject", "arn:aws:s3:::b/web-10/x", false},
		{`"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/web-1*"`, "s3:GetObject", "arn:aws:s3:::b/web-10/x", true},
		{`"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/WEB/*"`, "s3:GetObject", "arn:aws:s3:::b/web/x", false},
		{`"Action":"s3:Get*","Resource":"*"`, "s3:PutObject", "arn:aws:s3:::b/k", false},
		{`"Action":"s3:?etObject","Resource":"*"`, "s3:GetObject", "arn:aws:s3:::b/k", true},
		{`"Action":"s3:?etObject","Resource":"*"`, "s3:etObject", "arn:aws:s3:::b/k", false},
		{`"NotAction":"s3:GetObject","Resource":"*"`, "s3:GetObject", "arn:aws:s3:::b/k", false},
		{`"NotAction":"s3:GetObject","Resource":"*"`, "s3:PutObject", "arn:aws:s3:::b/k", true},
		{`"Action":"*","NotResource":"arn:aws:s3:::b/secret/*"`, "s3:GetObject", "arn:aws:s3:::b/secret/k", false},
		{`"Action":"*","NotResource":"arn:aws:s3:::b/secret/*"`, "s3:GetObject", "arn:aws:s3:::b/k", true},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${aws:username}/*"`, "s3:GetObject", "arn:aws:s3:::b/jo/k", true},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${aws:username}/*"`, "s3:GetObject", "arn:aws:s3:::b/bo/k", false},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/team}/*"`, "s3:GetObject", "arn:aws:s3:::b//k", false},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/team, 'all'}/*"`, "s3:GetObject", "arn:aws:s3:::b/all/k", true},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${*}"`, "s3:GetObject", "arn:aws:s3:::b/k", false},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${*}"`, "s3:GetObject", "arn:aws:s3:::b/*", true},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${unknown:key}"`, "s3:GetObject", "arn:aws:s3:::b/k", false},
		{`"Action":"*","NotResource":"arn:aws:s3:::b/${unknown:key}"`, "s3:GetObject", "arn:aws:s3:::b/k", false},
		{`"Action":"*","Resource":"arn:aws:s3:::b/${aws:username"`, "s3:GetObject", "arn:aws:s3:::b/jo", false},
	} {
		got := evaluate(t, policy.Identity, `{"Effect":"Allow",`+test.statement+`}`, policy.Request{
			Action: test.action, Resource: test.resource, Context: map[string][]string{"aws:username": {"jo"}},
		})
		if got.Allowed != test.allowed || got.ExplicitDeny {
			t.Errorf("%s: %s on %s: %+v, want allowed %v", test.statement, test.action, test.resource, got, test.allowed)
		}
	}
	// a value with a wildcard in it stays a value
	got := evaluate(t, policy.Identity, `{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${aws:username}/*"}`,
		policy.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/jo/k", Context: map[string][]string{"aws:username": {"*"}}})
	if got.Allowed {
		t.Error("a wildcard in a variable's value acted as one")
	}
	// version 2008-10-17 knows no variables
	old, err := policy.Parse(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"arn:aws:s3:::b/${aws:username}"}}`, policy.Resource)
	if err != nil {
		t.Fatal(err)
	}
	req := policy.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/jo", Context: map[string][]string{"aws:username": {"jo"}}}
	if old.Evaluate(req).Allowed {
		t.Error("version 2008-10-17 expanded a variable")
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	context := map[string][]string{
		"aws:username": {"jo"}, "AWS:SourceIp": {"10.1.2.3"}, "aws:CurrentTime": {"2026-03-01T12:00:00Z"}, "aws:EpochTime": {"1772366400"},
		"aws:SecureTransport": {"true"}, "aws:PrincipalArn": {roleARN}, "s3:max-keys": {"100"}, "s3:prefix": {"web-01/a"},
		"aws:TagKeys": {"team", "cost"}, "test:binary": {"aGk="}, "test:absent": nil, "test:two": {"a", "b"},
	}
	for _, test := range []struct {
		condition string
		want      string // yes, no, unknown
	}{
		{`"StringEquals":{"aws:username":"jo"}`, "yes"},
		{`"StringEquals":{"AWS:UserName":["bo","jo"]}`, "yes"},
		{`"StringEquals":{"aws:username":"JO"}`, "no"},
		{`"StringEquals":{"aws:username":"j*"}`, "no"},
		{`"StringEquals":{"aws:username":"${aws:username}"}`, "yes"},
		{`"StringEquals":{"aws:username":"${unknown:key}"}`, "unknown"},
		{`"StringEquals":{"aws:username":[]}`, "no"},
		{`"StringNotEquals":{"aws:username":"bo"}`, "yes"},
		{`"StringNotEquals":{"aws:username":["bo","jo"]}`, "no"},
		{`"StringEqualsIgnoreCase":{"aws:username":"JO"}`, "yes"},
		{`"StringNotEqualsIgnoreCase":{"aws:username":"JO"}`, "no"},
		{`"StringLike":{"s3:prefix":"web-01/*"}`, "yes"},
		{`"StringLike":{"s3:prefix":"web-01/?"}`, "yes"},
		{`"StringLike":{"s3:prefix":"web-1*"}`, "no"},
		{`"StringNotLike":{"s3:prefix":"web-01/*"}`, "no"},
		{`"NumericEquals":{"s3:max-keys":100}`, "yes"},
		{`"NumericEquals":{"s3:max-keys":"1e2"}`, "yes"},
		{`"NumericNotEquals":{"s3:max-keys":"100"}`, "no"},
		{`"NumericLessThan":{"s3:max-keys":"100"}`, "no"},
		{`"NumericLessThanEquals":{"s3:max-keys":"100"}`, "yes"},
		{`"NumericGreaterThan":{"s3:max-keys":"99.5"}`, "yes"},
		{`"NumericGreaterThanEquals":{"s3:max-keys":"101"}`, "no"},
		{`"NumericEquals":{"s3:max-keys":"many"}`, "unknown"},
		{`"NumericNotEquals":{"s3:prefix":"1"}`, "unknown"},
		{`"DateEquals":{"aws:CurrentTime":"2026-03-01T12:00:00Z"}`, "yes"},
		{`"DateNotEquals":{"aws:CurrentTime":"2026-03-01T13:00:00+01:00"}`, "no"},
		{`"DateLessThan":{"aws:CurrentTime":"2026-03-02"}`, "yes"},
		{`"DateLessThanEquals":{"aws:CurrentTime":"1772366400"}`, "yes"},
		{`"DateGreaterThan":{"aws:EpochTime":"2026-03-01T12:00Z"}`, "no"},
		{`"DateGreaterThanEquals":{"aws:CurrentTime":"2026"}`, "yes"},
		{`"DateLessThan":{"aws:CurrentTime":"tomorrow"}`, "unknown"},
		{`"Bool":{"aws:SecureTransport":true}`, "yes"},
		{`"Bool":{"aws:SecureTransport":"False"}`, "no"},
		{`"Bool":{"aws:SecureTransport":"yes"}`, "unknown"},
		{`"BinaryEquals":{"test:binary":"aGk="}`, "yes"},
		{`"BinaryEquals":{"test:binary":"aGo="}`, "no"},
		{`"BinaryEquals":{"test:binary":"?"}`, "unknown"},
		{`"IpAddress":{"aws:SourceIp":["192.0.2.0/24","10.0.0.0/8"]}`, "yes"},
		{`"IpAddress":{"aws:SourceIp":"10.1.2.3"}`, "yes"},
		{`"IpAddress":{"aws:SourceIp":"2001:db8::/32"}`, "no"},
		{`"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}`, "no"},
		{`"IpAddress":{"aws:SourceIp":"10.0.0.0/33"}`, "unknown"},
		{`"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::*:role/web-*"}`, "yes"},
		{`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam:*:role/web-01"}`, "no"}, // a wildcard stays in its part
		{`"ArnNotEquals":{"aws:PrincipalArn":"` + roleARN + `"}`, "no"},
		{`"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/*"}`, "yes"},
		{`"Null":{"test:absent":"true"}`, "yes"},
		{`"Null":{"test:absent":"false"}`, "no"},
		{`"Null":{"aws:username":false}`, "yes"},
		{`"Null":{"aws:username":"perhaps"}`, "unknown"},
		{`"StringEquals":{"test:absent":"x"}`, "no"},
		{`"StringNotEquals":{"test:absent":"x"}`, "yes"},
		{`"StringEqualsIfExists":{"test:absent":"x"}`, "yes"},
		{`"StringEqualsIfExists":{"aws:username":"bo"}`, "no"},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost","more"]}`, "yes"},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}`, "no"},
		{`"ForAllValues:StringEquals":{"test:absent":["team"]}`, "yes"},
		{`"ForAllValues:StringNotEquals":{"aws:TagKeys":["other"]}`, "yes"},
		{`"ForAnyValue:StringEquals":{"aws:TagKeys":["team"]}`, "yes"},
		{`"ForAnyValue:StringLike":{"aws:TagKeys":["x*"]}`, "no"},
		{`"ForAnyValue:StringEquals":{"test:absent":["team"]}`, "no"},
		{`"ForAnyValue:StringNotEquals":{"test:absent":["team"]}`, "no"},
		{`"StringEquals":{"test:two":"a"}`, "unknown"},
		{`"StringEquals":{"s3:delimiter":"/"}`, "no"}, // known here, absent from the request
		{`"StringNotEquals":{"other:key":"x"}`, "unknown"},
		{`"Null":{"other:key":"true"}`, "unknown"},
		{`"BoolIfExists":{"aws:MultiFactorAuthPresent":"true"}`, "unknown"},
		{`"StringEquals":{"aws:username":"jo"},"StringLike":{"s3:prefix":"other*"}`, "no"},
		{`"StringEquals":{"aws:username":"bo","other:key":"x"}`, "no"}, // what is surely false needs no more knowledge
	} {
		for _, effect := range []string{policy.Allow, policy.Deny} {
			got := evaluate(t, policy.Identity, `{"Effect":"`+effect+`","Action":"*","Resource":"*","Condition":{`+test.condition+`}}`,
				policy.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Context: context})
			want := policy.Decision{Allowed: effect == policy.Allow && test.want == "yes", ExplicitDeny: effect == policy.Deny && test.want != "no"}
			if got.Allowed != want.Allowed || got.ExplicitDeny != want.ExplicitDeny {
				t.Errorf("%s %s: got %+v, want %s", effect, test.condition, got, test.want)
			}
			if (len(got.Reasons) > 0) != (test.want == "unknown") {
				t.Errorf("%s %s: reasons %q", effect, test.condition, got.Reasons)
			}
		}
	}
}

func TestPrincipals(t *testing.T) {
	t.Parallel()
	user := policy.Principal{ARN: userARN, AccountID: "123456789012"}
	session := policy.Principal{ARN: sessionARN, RoleARN: roleARN, AccountID: "123456789012"}
	web := policy.Principal{Federated: oidcARN}
	anonymous := policy.Principal{}
	for _, test := range []struct {
		principal string
		who       policy.Principal
		grant     policy.Grant
	}{
		{`"*"`, anonymous, policy.GrantEveryone},
		{`{"AWS":"*"}`, anonymous, policy.GrantEveryone},
		{`{"AWS":"` + userARN + `"}`, anonymous, policy.GrantNone},
		{`{"AWS":"` + userARN + `"}`, user, policy.GrantExact},
		{`{"AWS":"arn:aws:iam::123456789012:user/*"}`, user, policy.GrantNone},
		{`{"AWS":"123456789012"}`, user, policy.GrantAccount},
		{`{"AWS":["arn:aws:iam::123456789012:root","` + roleARN + `"]}`, session, policy.GrantRole},
		{`{"AWS":"arn:aws:iam::210987654321:root"}`, session, policy.GrantNone},
		{`{"AWS":"` + sessionARN + `"}`, session, policy.GrantExact},
		{`{"AWS":"AROAEXAMPLE"}`, session, policy.GrantNone},
		{`{"Federated":"` + oidcARN + `"}`, web, policy.GrantExact},
		{`{"Federated":"` + strings.TrimSuffix(oidcARN, "/") + `"}`, web, policy.GrantNone},
		{`{"AWS":"*"}`, web, policy.GrantNone},
		{`{"Federated":"` + oidcARN + `"}`, user, policy.GrantNone},
		{`{"Service":"lambda.amazonaws.com"}`, user, policy.GrantNone},
	} {
		got := evaluate(t, policy.Trust, `{"Effect":"Allow","Principal":`+test.principal+`,"Action":"sts:*"}`, policy.Request{Action: "sts:AssumeRole", Principal: test.who})
		if got.Grant != test.grant || got.Allowed != (test.grant != policy.GrantNone) {
			t.Errorf("%s for %+v: %+v, want %v", test.principal, test.who, got, test.grant)
		}
	}
	deny := `{"Effect":"Deny","NotPrincipal":{"AWS":[%]},"Action":"*","Resource":"*"}`
	for list, denied := range map[string]bool{
		`"` + roleARN + `"`:                                     true,
		`"` + roleARN + `","` + sessionARN + `"`:                true,
		`"` + roleARN + `","` + sessionARN + `","123456789012"`: false,
	} {
		got := evaluate(t, policy.Resource, strings.Replace(deny, "%", list, 1), policy.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Principal: session})
		if got.ExplicitDeny != denied {
			t.Errorf("NotPrincipal %s: %+v", list, got)
		}
	}
}

func TestDenyWins(t *testing.T) {
	t.Parallel()
	got := evaluate(t, policy.Identity, `[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:Delete*","Resource":"*"}]`,
		policy.Request{Action: "s3:DeleteObject", Resource: "arn:aws:s3:::b/k"})
	if got.Allowed || !got.ExplicitDeny {
		t.Errorf("%+v", got)
	}
}

// FuzzParse checks that no document makes the parser or the evaluation panic, and that what parses is valid JSON.
func FuzzParse(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*","Condition":{"StringLike":{"s3:prefix":["a*",1,true]}}}]}`, "arn:aws:s3:::b/k")
	f.Add(`{"Statement":{"Effect":"Deny","NotPrincipal":"*","NotAction":"sts:AssumeRole","NotResource":"*"}}`, "")
	f.Add(`{"Statement":{"Effect":"Allow","Principal":{"Federated":"x"},"Action":"sts:*","Condition":{"Null":{"a:b":"true"}}}}`, "*")
	f.Fuzz(func(t *testing.T, document, resource string) {
		for _, kind := range []policy.Kind{policy.Identity, policy.Trust, policy.Resource} {
			d, err := policy.Parse(document, kind)
			if err != nil {
				continue
			}
			if !json.Valid([]byte(document)) {
				t.Fatal("parsed what is no JSON")
			}
			got := d.Evaluate(policy.Request{Action: "s3:GetObject", Resource: resource, Context: map[string][]string{"aws:username": {resource}, "s3:prefix": {resource}}})
			if got.Allowed && got.ExplicitDeny {
				t.Fatal("allowed and denied")
			}
		}
	})
}
