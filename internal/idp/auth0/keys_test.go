package auth0

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestKeyIDIsAuth0s(t *testing.T) {
	t.Parallel()
	// A key and the kid that a tenant gave it, from the recorded tests of go-auth0.
	const text = `-----BEGIN PUBLIC KEY-----
MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEA3njxXJoHnuN4hByBhSUo
0kIbXkJTA0wP0fig87MyVz5KgohPrPJgbRSZ7yz/MmXa4qRNHkWiClJybMS2a98M
6ELOFG8pfDb6J7JaJqx0Kvqn6xsGInbpwsth3K582Cxrp+Y+GBNja++8wDY5IqAi
TSKSZRNies0GO0grzQ7kj2p0+R7a0c86mdLO4JnGrHoBqEY1HcsfnJvkJkqETlGi
yMzDQw8Wkux7P59N/3wuroAI83+HMYl1fV39ek3L/GrsLjECrNe5/CVFtblNltyb
/va9+pAP7Ye5p6tTW2oj3fzUvdX3dYzENWEtRB7DBHXnfEHMjTaBiQeWb2yDHBCw
++Uh1OCKw9ZLYzoE6gcDQspYf+fFU3F0kuU4c//gSoNuj/iEjaNmOEK6S3xGy8fE
TjsC+0oF6YaokDZO9+NreL/sGxFfOAysybrKWrMoaYwa81RlpcmBGZM7H1M00zLH
PPfCYVhGhFs5X3Qzzt6MQE+msgMt9zeGH7liJbOSW2NGSJwbmn7q35YYIfJEoXRF
1iefT/9fJB9vhQhtYfCOe3AEpTQq6Yz5ViLhToBdsVDBbz2gmRLALs9/D91SE9T4
XzvXjHGyxWVu0jdvS9hyhJzP4165k1cYDgx8mmg0VxR7j79LmCUDsFcvvSrAOf6y
0zY7r4pmNyQQ0r4in/gs/wkCAwEAAQ==
-----END PUBLIC KEY-----`
	key, err := parseKey(text)
	if err != nil || key.id != "QTtPEeOT2gWWuID0QDg6nHgh7foYRcWkOyJ9DhNIn_A" {
		t.Errorf("got %q, %v", key.id, err)
	}
	if strings.TrimSpace(key.pem) != text {
		t.Errorf("written again it is %s", key.pem)
	}
}

func TestPlanKeys(t *testing.T) {
	t.Parallel()
	words := strings.Fields
	tests := []struct{ stored, enabled, wanted, plan string }{
		{"A", "A", "A", ""},
		{"", "", "A", "add:A enable:A"},
		{"", "", "A B", "add:A add:B enable:A,B"},
		{"A", "A", "A B", "add:B enable:A,B"},
		{"A B", "A B", "B", "enable:B remove:A"},
		{"A", "A", "B", "add:B enable:B remove:A"},
		{"A B", "A B", "B C", "enable:B remove:A add:C enable:B,C"},
		{"A B", "A", "A C", "remove:B add:C enable:A,C"},
		{"A B", "A", "C", "remove:B add:C enable:C remove:A"},
		{"A B", "A B", "C", "enable:B remove:A add:C enable:C remove:B"},
		{"A B", "A B", "C D", "enable:B remove:A add:C enable:B,C enable:C remove:B add:D enable:C,D"},
		{"A B", "A", "B C", "enable:B remove:A add:C enable:B,C"},
		{"A B", "A", "B", "enable:B remove:A"},
		{"A B", "", "C", "remove:A add:C enable:C remove:B"},
		{"A", "A", "", "remove:A"},
	}
	for _, test := range tests {
		var plan []string
		for _, s := range planKeys(words(test.stored), words(test.enabled), words(test.wanted)) {
			plan = append(plan, s.verb+":"+strings.Join(s.keys, ","))
		}
		got := strings.Join(plan, " ")
		// Which keys are enabled in one step and which in the next is not the point.
		if got != test.plan && got != strings.Replace(test.plan, "enable:B,C enable:C", "enable:C", 1) {
			t.Errorf("from %s (enabled %s) to %s:\n got %s\nwant %s", test.stored, test.enabled, test.wanted, got, test.plan)
		}
	}
}

// FuzzPlanKeys walks plans from every state: never more than two keys, never one removed that is enabled, never all
// disabled while one is wanted and was enabled, and the end is what was wanted.
func FuzzPlanKeys(f *testing.F) {
	f.Add("AB", "A", "CD")
	f.Add("A", "A", "B")
	f.Add("", "", "AB")
	f.Fuzz(func(t *testing.T, storedText, enabledText, wantedText string) {
		letters := func(text string) []string {
			var all []string
			for _, r := range text {
				if letter := string('A' + r%5); len(all) < maxCredentials && !slices.Contains(all, letter) {
					all = append(all, letter)
				}
			}
			return all
		}
		stored, wanted := letters(storedText), letters(wantedText)
		enabled := both(letters(enabledText), stored)
		if len(wanted) == 0 {
			return
		}
		had := len(enabled) > 0
		plan := planKeys(stored, enabled, wanted)
		for _, s := range plan {
			switch s.verb {
			case addKey:
				if stored = append(stored, s.keys...); len(stored) > maxCredentials {
					t.Fatalf("more than two keys: %v", plan)
				}
			case enableKeys:
				if enabled = s.keys; len(both(enabled, stored)) != len(enabled) {
					t.Fatalf("enables keys that are not there: %v", plan)
				}
			case removeKey:
				if slices.Contains(enabled, s.keys[0]) {
					t.Fatalf("removes an enabled key: %v", plan)
				}
				stored = slices.DeleteFunc(stored, func(k string) bool { return k == s.keys[0] })
			}
			if had && len(enabled) == 0 {
				t.Fatalf("nothing is enabled: %v", plan)
			}
		}
		if !sameSet(stored, wanted) || !sameSet(enabled, wanted) {
			t.Fatalf("ends with %v, enabled %v, want %v: %v", stored, enabled, wanted, plan)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----")
	f.Add("-----BEGIN RSA PUBLIC KEY-----\nMAA=\n-----END RSA PUBLIC KEY-----")
	f.Add("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := parseKey(text)
		if err != nil {
			return
		}
		again, err := parseKey(key.pem)
		if err != nil || again != key {
			t.Errorf("written and read again: %v, %v", again, err)
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add("cred_1=abc cred_2=def")
	f.Add("= == a=b=c")
	f.Fuzz(func(t *testing.T, text string) {
		keys := parseRecord(text)
		var credentials []credential
		for id, key := range keys {
			credentials = append(credentials, credential{ID: id, KeyID: key})
		}
		if again := parseRecord(record(credentials)); !reflect.DeepEqual(again, keys) {
			t.Errorf("%v became %v", keys, again)
		}
	})
}
