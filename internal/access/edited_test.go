package access_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
)

const editedProvider = "arn:aws:iam::123456789012:oidc-provider/tenant.auth0.com/"

// edit is a plain trust policy with something in it changed by hand.
func edit(old, changed string) string {
	doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"` + editedProvider + `"},` +
		`"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"tenant.auth0.com/:aud":"https://api","tenant.auth0.com/:sub":"c@clients"}}}]}`
	return strings.Replace(doc, old, changed, 1)
}

func TestParseEditedTrust(t *testing.T) {
	t.Parallel()
	plain := access.Trust{Mode: access.Plain, ProviderARN: editedProvider, Audience: "https://api", Subject: "c@clients"}
	disabled := plain
	disabled.Disabled = true
	vending := access.Trust{Mode: access.Vending, VendingRoleARN: "arn:aws:iam::123456789012:role/vending"}
	service := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/vending"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"x"}}}}`
	for name, c := range map[string]struct {
		doc    string
		want   access.Trust
		reason string // part of it
		fails  string // part of the error
	}{
		"as it was":            {doc: edit("", ""), want: plain},
		"a further condition":  {doc: edit(`"Condition":{`, `"Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"},`), want: plain, reason: "it has IpAddress"},
		"a further key":        {doc: edit(`"tenant.auth0.com/:aud"`, `"aws:RequestedRegion":"eu-west-1","tenant.auth0.com/:aud"`), want: plain, reason: "aws:requestedregion"},
		"a further action":     {doc: edit(`"sts:AssumeRoleWithWebIdentity"`, `["sts:AssumeRoleWithWebIdentity","sts:TagSession"]`), want: plain, reason: "its Action is"},
		"vending, external id": {doc: service, want: vending, reason: "sts:externalid"},
		"a second statement":   {doc: edit(`"Statement":[`, `"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"},`), fails: "2 statements"},
		"a second client":      {doc: edit(`"c@clients"`, `["c@clients","d@clients"]`), fails: "takes 2 values"},
		"a pattern of clients": {doc: edit(`"StringEquals"`, `"StringLike"`), fails: "StringLike"},
		"no client":            {doc: edit(`,"tenant.auth0.com/:sub":"c@clients"`, ""), fails: "does not test tenant.auth0.com/:sub"},
		"no audience":          {doc: edit(`"tenant.auth0.com/:aud":"https://api",`, ""), fails: "does not test tenant.auth0.com/:aud"},
		"two principals":       {doc: edit(`"Principal":{`, `"Principal":{"AWS":"123456789012",`), fails: "2 kinds of principals"},
		"disabled":             {doc: edit(`"Allow"`, `"Deny"`), want: disabled},
		"a denial, and more":   {doc: edit(`"Effect":"Allow"`, `"Effect":"Deny","NotAction":"x"`), fails: "it denies"},
		"all but":              {doc: edit(`"Action"`, `"NotAction"`), fails: "NotAction"},
		"no policy":            {doc: "{", fails: "not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, reason, err := access.ParseEditedTrust(c.doc)
			if c.fails != "" {
				if _, ok := errors.AsType[*access.ShapeError](err); !ok || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("%v, want %q", err, c.fails)
				}
				return
			}
			if err != nil || got != c.want {
				t.Fatalf("%+v, %v", got, err)
			}
			if (c.reason == "") != (reason == "") || !strings.Contains(reason, c.reason) {
				t.Errorf("the reason is %q, want %q", reason, c.reason)
			}
		})
	}
}

// FuzzParseEditedTrust: what parses strictly parses to the same, without a reason, and what parses at all can be written.
func FuzzParseEditedTrust(f *testing.F) {
	f.Add(edit("", ""))
	f.Add(edit(`"Condition":{`, `"Condition":{"Bool":{"aws:SecureTransport":"true"},`))
	f.Add(access.DenyAll())
	f.Fuzz(func(t *testing.T, doc string) {
		got, reason, err := access.ParseEditedTrust(doc)
		strict, strictErr := access.ParseTrust(doc)
		switch {
		case strictErr == nil && (err != nil || reason != "" || got != strict):
			t.Errorf("strictly %+v, leniently %+v, %q, %v", strict, got, reason, err)
		case strictErr != nil && err == nil && reason == "":
			t.Error("no reason is given for what is not in shape")
		case err == nil && got.Mode != access.Vending && access.IsDenyAll(got.Policy()):
			t.Errorf("%+v cannot be written", got)
		}
	})
}

func TestTogether(t *testing.T) {
	t.Parallel()
	got := access.Together(map[string]string{
		"s3-object-access": `{"Statement":{"Resource":"arn:aws:s3:::b/p/*","Effect":"Allow","Action":["s3:PutObject"]},"Version":"2012-10-17"}`,
		"s3-list-access":   `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b"}]}`,
	})
	const want = `{"Version":"2012-10-17","Statement":[{"Action":"s3:ListBucket","Effect":"Allow","Resource":"arn:aws:s3:::b"},` +
		`{"Action":["s3:PutObject"],"Effect":"Allow","Resource":"arn:aws:s3:::b/p/*"}]}`
	if got != want {
		t.Errorf("got %s", got)
	}
	if got := access.Together(map[string]string{"s3-object-access": "{"}); got != "" {
		t.Errorf("of no policy: %s", got)
	}
}
