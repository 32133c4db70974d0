package provider_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/auth0/go-auth0"
	"github.com/auth0/go-auth0/management"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
)

// Shapes of the plain module's servers that were seen in the field.

// saying matches a message however the CLI has wrapped it.
func saying(message string) *regexp.Regexp {
	return regexp.MustCompile("(?i)" + strings.ReplaceAll(regexp.QuoteMeta(message), " ", `[\s│]+`))
}

// replacing edits the policies by replacing text in all of them, which must be there.
func replacing(old, changed string) func(map[string]string) {
	return func(policies map[string]string) {
		for name, document := range policies {
			if !strings.Contains(document, old) {
				panic("there is no " + old + " in " + document)
			}
			policies[name] = strings.ReplaceAll(document, old, changed)
		}
	}
}

// addingStatement puts a further statement into the policy of objects.
func addingStatement(statement string) func(map[string]string) {
	return func(policies map[string]string) {
		policies["s3-object-access"] = strings.Replace(policies["s3-object-access"], `"Statement":[`, `"Statement":[`+statement+`,`, 1)
	}
}

var (
	subject     = regexp.MustCompile(`:sub":("[^"]*")`)
	oneResource = regexp.MustCompile(`"Resource":("[^"]*")`)
)

func trusting(old, changed string) func(string) string {
	return func(document string) string {
		if !strings.Contains(document, old) {
			panic("there is no " + old + " in " + document)
		}
		return strings.Replace(document, old, changed, 1)
	}
}

// twin makes a second client of the same name, which the server does not use.
func twin(t *testing.T, m *legacyThing) {
	t.Helper()
	other := &legacyThing{legacy: m.legacy}
	map[string]func(*testing.T){"auth0": other.buildAuth0, "entra": other.buildEntra, "cognito": other.buildCognito}[m.idp](t)
}

func dropRow(t *testing.T, m *legacyThing) {
	t.Helper()
	_, err := dynamoClient(t).DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
		TableName: aws.String(clouds.Env()["OIDCS3_SANDBOX_CLIENT_ROLES_TABLE"]),
		Key:       map[string]dynamotypes.AttributeValue{"client_id": &dynamotypes.AttributeValueMemberS{Value: m.clientID}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func dropClient(t *testing.T, m *legacyThing) {
	t.Helper()
	if err := deleteClient[m.idp](t, m.role()); err != nil {
		t.Fatal(err)
	}
}

// TestAccServerAccess_importRefuses: what cannot be expressed is refused with the reason, and what to do.
func TestAccServerAccess_importRefuses(t *testing.T) {
	t.Parallel()
	bucket := clouds.Env()["OIDCS3_SANDBOX_BUCKET"]
	for name, c := range map[string]struct {
		legacy
		says  []string
		names bool // the client's id as well
	}{
		"no-slash": {legacy: legacy{prefix: "legacy/no-slash"},
			says: []string{`also lets the server at "legacy/no-slash0/"`, `Where all of the server's objects lie under "legacy/no-slash/"`}},
		"no-slash-full":  {legacy: legacy{prefix: "legacy/no-slash-full", level: "full"}, says: []string{`"legacy/no-slash-full/"`}},
		"wildcard":       {legacy: legacy{prefix: "legacy/*/"}, says: []string{"the permissions of role oidc-s3-dev-shape-wildcard cannot be expressed"}},
		"extra-action":   {legacy: legacy{policies: replacing(`"s3:PutObject"`, `"s3:PutObject","s3:PutObjectAcl"`)}, says: []string{`it grants "s3:PutObjectAcl"`, "Take out of the policies"}},
		"pattern-action": {legacy: legacy{policies: replacing(`"s3:PutObject"`, `"s3:*"`)}, says: []string{`it grants "s3:*"`}},
		"get-alone":      {legacy: legacy{policies: replacing(`"s3:PutObject"`, `"s3:GetObject"`)}, says: []string{"which is no permission level"}},
		"two-prefixes": {legacy: legacy{policies: addingStatement(`{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::` + bucket + `/other/*"}`)},
			says: []string{"oidcs3 writes one prefix"}},
		"two-resources": {legacy: legacy{policies: func(p map[string]string) {
			p["s3-object-access"] = oneResource.ReplaceAllString(p["s3-object-access"], `"Resource":[$1,"arn:aws:s3:::`+bucket+`/other/*"]`)
		}},
			says: []string{"it is about 2 resources"}},
		"denial":    {legacy: legacy{policies: addingStatement(`{"Effect":"Deny","Action":"s3:PutObject","Resource":"arn:aws:s3:::` + bucket + `/x/*"}`)}, says: []string{"it denies"}},
		"condition": {legacy: legacy{policies: replacing(`"Effect":"Allow"`, `"Effect":"Allow","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`)}, says: []string{"it has a Condition"}},
		"list-elsewhere": {legacy: legacy{level: "full", policies: func(p map[string]string) {
			p["s3-list-access"] = strings.ReplaceAll(p["s3-list-access"], "legacy/", "elsewhere/")
		}}, says: []string{"it lists"}},
		"second-statement": {legacy: legacy{trust: trusting(`"Statement":[`, `"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"},`)},
			says: []string{"it has 2 statements", "Give the role a trust policy"}},
		"second-client": {legacy: legacy{trust: func(document string) string {
			return subject.ReplaceAllString(document, `:sub":["somebody@clients",$1]`)
		}}, says: []string{"takes 2 values"}},
		"foreign-client": {legacy: legacy{trust: trusting(`@clients`, `@elsewhere`)}, says: []string{"is not that of a client that oidcs3 knows"}},
		"no-client":      {legacy: legacy{then: dropClient}, says: []string{"auth0 has no client", "The server cannot work"}},
		"no-principal":   {legacy: legacy{idp: "entra", then: dropClient}, says: []string{"entra has no client with the service principal"}},
		"no-row-no-client": {legacy: legacy{idp: "cognito", then: func(t *testing.T, m *legacyThing) { dropRow(t, m); dropClient(t, m) }},
			says: []string{"cognito has no client named oidc-s3-dev-shape-no-row-no-client"}},
		"no-row-two-clients": {legacy: legacy{idp: "cognito", then: func(t *testing.T, m *legacyThing) { dropRow(t, m); twin(t, m) }},
			says: []string{"it cannot be told which client", "there are several: [", "Rename or delete"}, names: true},
		"two-rows": {legacy: legacy{idp: "cognito", then: func(t *testing.T, m *legacyThing) {
			if err := putRow(t, "00000000other", m.roleARN, m.name, m.prefix); err != nil {
				t.Fatal(err)
			}
		}}, says: []string{"to several clients: 00000000other, ", "Delete the rows"}, names: true},
	} {
		t.Run(name, func(t *testing.T) {
			l := c.legacy
			l.name = "shape-" + name
			made := l.build(t)
			says, s := c.says, made.server()
			if c.names {
				says = append(says, made.clientID)
			}
			if strings.HasPrefix(name, "no-slash") || name == "wildcard" { // no configuration can say it either
				s = server{name: l.name}
			}
			var steps []resource.TestStep
			for _, message := range says {
				steps = append(steps, resource.TestStep{
					Config: s.hcl(), ResourceName: address, ImportState: true, ImportStateId: l.name, ExpectError: saying(message),
				})
			}
			resource.ParallelTest(t, resource.TestCase{ProtoV6ProviderFactories: factories, Steps: steps})
		})
	}
}

// TestAccServerAccess_importShapes: what is said differently, or was changed around the access, is taken over, and the
// plan names what the update mends.
func TestAccServerAccess_importShapes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		legacy
		drift      func(*legacyThing) []string // besides the usual
		attributes []string                    // besides the usual
		today      bool                        // the policies grant what today's do
	}{
		"todays-shape": {legacy: legacy{policies: replacing(`["s3:PutObject"]`, `["s3:ListMultipartUploadParts","s3:AbortMultipartUpload","s3:PutObject"]`)}, today: true},
		"strings-and-order": {legacy: legacy{level: "full", policies: func(p map[string]string) {
			p["s3-object-access"] = strings.Replace(p["s3-object-access"], `["s3:PutObject","s3:GetObject","s3:DeleteObject"]`, `["s3:DeleteObject","s3:PutObject","s3:GetObject"]`, 1)
			p["s3-list-access"] = strings.NewReplacer(`["s3:ListBucket"]`, `"s3:ListBucket"`, `["legacy/shape-strings-and-order/*"]`, `"legacy/shape-strings-and-order/*"`,
				`{"Statement":[{`, `{"Version":"2012-10-17","Statement":{`, `}],"Version":"2012-10-17"}`, `}}`).Replace(p["s3-list-access"])
		}, trust: func(document string) string {
			return subject.ReplaceAllString(strings.Replace(document, `"sts:AssumeRoleWithWebIdentity"`, `["sts:AssumeRoleWithWebIdentity"]`, 1), `:sub":[$1]`)
		}}},
		"trust-condition": {legacy: legacy{trust: trusting(`"Condition":{`, `"Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"},`)}, attributes: []string{"trust_policy"}},
		"trust-action":    {legacy: legacy{trust: trusting(`"sts:AssumeRoleWithWebIdentity"`, `["sts:AssumeRoleWithWebIdentity","sts:TagSession"]`)}, attributes: []string{"trust_policy"}},
		"renamed-auth0": {legacy: legacy{then: func(t *testing.T, m *legacyThing) {
			if err := auth0Client(t).Client.Update(t.Context(), m.clientID, &management.Client{Name: auth0.String("my uploads")}); err != nil {
				t.Fatal(err)
			}
		}}, drift: func(m *legacyThing) []string { return []string{"name is my uploads instead of " + m.role()} }},
		"renamed-entra": {legacy: legacy{idp: "entra", then: func(t *testing.T, m *legacyThing) {
			if err := graph(t, http.MethodPatch, "/applications/"+m.objectID, map[string]any{"displayName": "my uploads"}); err != nil {
				t.Fatal(err)
			}
		}}, drift: func(m *legacyThing) []string { return []string{"displayName is my uploads instead of " + m.role()} }},
		"renamed-cognito": {legacy: legacy{idp: "cognito", then: func(t *testing.T, m *legacyThing) {
			err := updatePoolClient(t, m.role(), func(in *cognitoidentityprovider.UpdateUserPoolClientInput) { in.ClientName = aws.String("my uploads") })
			if err != nil {
				t.Fatal(err)
			}
		}}, drift: func(m *legacyThing) []string { return []string{"name is my uploads instead of " + m.role()} }},
		"twin-auth0":   {legacy: legacy{then: twin}},
		"twin-entra":   {legacy: legacy{idp: "entra", then: twin}},
		"twin-cognito": {legacy: legacy{idp: "cognito", then: twin}},
		"no-row": {legacy: legacy{idp: "cognito", then: dropRow},
			drift: func(m *legacyThing) []string {
				return []string{"mapping row of client " + m.clientID + " is missing or differs"}
			}},
	} {
		t.Run(name, func(t *testing.T) {
			l := c.legacy
			l.name = "shape-" + name
			made := l.build(t)
			drift, attributes, s := made.deviations(), slices.Concat(made.changes(), c.attributes), made.server()
			if c.today {
				drift = slices.DeleteFunc(drift, func(d string) bool { return strings.HasPrefix(d, "policy ") })
				attributes = slices.DeleteFunc(attributes, func(name string) bool { return name == "permissions_policy" })
			}
			if c.drift != nil {
				drift = append(drift, c.drift(made)...)
			}
			names := []string{l.name}
			if strings.HasPrefix(name, "twin-") {
				names = nil // the twin is nobody's to delete
			}
			run(t, names,
				resource.TestStep{Config: s.hcl(), ResourceName: address, ImportState: true, ImportStateId: l.name, ImportStatePersist: true, ImportStateCheck: made.imported},
				resource.TestStep{
					Config: s.hcl(),
					ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
						plancheck.ExpectResourceAction(address, plancheck.ResourceActionUpdate), mends{address, drift, attributes},
					}},
					ConfigStateChecks: made.kept(address),
					Check:             made.works(address),
				},
			)
		})
	}
}

// TestAccServerAccess_importWithoutPassword: an Entra application whose passwords are gone gets one, and the plan says so.
func TestAccServerAccess_importWithoutPassword(t *testing.T) {
	made := legacy{name: "no-password", idp: "entra", then: func(t *testing.T, m *legacyThing) {
		key := application(t, m.role()).Passwords[0].KeyID
		if err := graph(t, http.MethodPost, "/applications/"+m.objectID+"/removePassword", map[string]any{"keyId": key}); err != nil {
			t.Fatal(err)
		}
	}}.build(t)
	s := made.server()
	run(t, []string{made.name},
		resource.TestStep{Config: s.hcl(), ResourceName: address, ImportState: true, ImportStateId: made.name, ImportStatePersist: true},
		resource.TestStep{
			Config: s.hcl(),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(address, plancheck.ResourceActionUpdate), plancheck.ExpectUnknownValue(address, at("client_secret")),
			}},
			Check: may(address, "put"),
		})
}
