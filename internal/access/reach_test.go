package access

import (
	"fmt"
	"strings"
	"testing"
)

func TestReaches(t *testing.T) {
	t.Parallel()
	p := Permissions{Partition: "aws", Bucket: "uploads", Prefix: "backups/web-01/", Permission: Write}
	one := func(action, resource string) string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":%s,"Resource":%s}}`, action, resource)
	}
	for name, test := range map[string]struct {
		doc  string
		want bool
	}{
		"its own":                  {p.Policies()[ObjectPolicy], true},
		"around it":                {one(`"s3:PutObject"`, `"arn:aws:s3:::uploads/backups/*"`), true},
		"inside it":                {one(`"s3:GetObject"`, `"arn:aws:s3:::uploads/backups/web-01/db/*"`), true},
		"one object":               {one(`"s3:DeleteObject"`, `"arn:aws:s3:::uploads/backups/web-01/a"`), true},
		"the bucket's all":         {one(`"s3:*"`, `["arn:aws:s3:::uploads","arn:aws:s3:::uploads/*"]`), true},
		"any action":               {one(`"*"`, `"arn:aws:s3:::uploads/*"`), true},
		"an action's pattern":      {one(`"S3:Put*"`, `"arn:aws:s3:::uploads/*"`), true},
		"a bucket's pattern":       {one(`"s3:PutObject"`, `"arn:aws:s3:::up*/*"`), true},
		"a variable":               {one(`"s3:PutObject"`, `"arn:aws:s3:::uploads/backups/${aws:username}/*"`), true},
		"question marks":           {one(`"s3:PutObject"`, `"arn:aws:s3:::uploads/backups/web-??/*"`), true},
		"without a slash":          {one(`"s3:PutObject"`, `"arn:aws:s3:::uploads/backups/web-0*"`), true},
		"a neighbour":              {one(`"s3:PutObject"`, `"arn:aws:s3:::uploads/backups/web-02/*"`), false},
		"a longer name":            {one(`"s3:PutObject"`, `"arn:aws:s3:::uploads/backups/web-010/*"`), false},
		"another bucket":           {one(`"s3:PutObject"`, `"arn:aws:s3:::uploads2/*"`), false},
		"the bucket, no object":    {one(`"s3:ListBucket"`, `"arn:aws:s3:::uploads"`), false},
		"other actions":            {one(`["s3:ListBucket","s3:GetBucket*"]`, `"arn:aws:s3:::uploads/*"`), false},
		"an administrator":         {one(`"*"`, `"*"`), false},
		"an administrator of S3":   {one(`"s3:*"`, `"arn:aws:s3:::*"`), false},
		"a denial":                 {strings.Replace(one(`"s3:*"`, `"arn:aws:s3:::uploads/*"`), "Allow", "Deny", 1), false},
		"no policy":                {`{"Statement":[]}`, false},
		"no JSON":                  {`nothing`, false},
		"a variable without end":   {one(`"s3:PutObject"`, `"arn:aws:s3:::uploads/${aws"`), false},
		"another partition's":      {one(`"s3:PutObject"`, `"arn:aws-cn:s3:::uploads/*"`), false},
		"actions that are no list": {one(`{}`, `"arn:aws:s3:::uploads/*"`), false},
	} {
		if got := p.Reaches(test.doc); got != test.want {
			t.Errorf("%s: %t, want %t: %s", name, got, test.want, test.doc)
		}
	}
}

// FuzzMatches compares the matcher with the definition, spelled out.
func FuzzMatches(f *testing.F) {
	for _, seed := range [][2]string{{"a*b?", "axxbc"}, {"", ""}, {"*", ""}, {"**a", "ba"}, {"?", ""}, {"arn:aws:s3:::b/*", "arn:aws:s3:::b/p/"}} {
		f.Add(seed[0], seed[1])
	}
	var slow func(p, s string, open bool) bool
	slow = func(p, s string, open bool) bool {
		switch {
		case s == "" && open:
			return true
		case p == "":
			return s == ""
		case p[0] == '*':
			return slow(p[1:], s, open) || (s != "" && slow(p, s[1:], open))
		}
		return s != "" && (p[0] == '?' || p[0] == s[0]) && slow(p[1:], s[1:], open)
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 12 || len(s) > 12 {
			return
		}
		for _, open := range []bool{false, true} {
			fast := matches
			if open {
				fast = matchesBelow
			}
			if got, want := fast(pattern, s), slow(pattern, s, open); got != want {
				t.Errorf("match(%q, %q, %t) = %t, want %t", pattern, s, open, got, want)
			}
		}
	})
}
