package provider_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
)

// crossServers is two servers per identity provider, and two more that go through credential vending.
func crossServers() (configuration string, names []string) {
	var b strings.Builder
	b.WriteString("provider \"oidcs3\" {\n environment = \"dev\"\n}\n")
	add := func(idp, more string, identity map[string]string) {
		for _, number := range []string{"1", "2"} {
			name := fmt.Sprintf("cross-%d-%s-%s", len(names), idp, number)
			names = append(names, name)
			s := server{name: name, idp: idp, permissions: "full", prefix: "cross/" + name + "/", identity: identity, more: more}
			_, block, _ := strings.Cut(s.hcl(), "resource ")
			b.WriteString("\nresource " + strings.Replace(block, `"this"`, `"`+name+`"`, 1))
		}
	}
	for _, idp := range idps {
		add(idp, "", nil)
	}
	vending := map[string]string{}
	for _, name := range []string{"vending_role_arn", "vending_url", "client_roles_table_name"} {
		vending[name] = foundation("cognito")[name]
	}
	add("auth0", `federation = "vending"`, vending)
	add("entra", `federation = "vending"`, vending)
	return b.String(), names
}

// TestAccServerAccess_crossAttempts tries every server's token for every other server's role and prefix, at STS and at
// the credential vending service: none succeeds.
func TestAccServerAccess_crossAttempts(t *testing.T) {
	configuration, names := crossServers()
	run(t, names, resource.TestStep{Config: configuration, Check: func(state *terraform.State) error {
		ctx := context.Background()
		hosts := map[string]host{}
		for _, name := range names {
			h, err := hostOf(state, "oidcs3_server_access."+name)
			if err != nil {
				return err
			}
			hosts[name] = h
		}
		attempts := 0
		for _, mine := range slices.Sorted(maps.Keys(hosts)) {
			token, err := hosts[mine].token(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", mine, err)
			}
			for _, other := range slices.Sorted(maps.Keys(hosts)) {
				attempts++
				if err := tryAs(ctx, hosts[mine], hosts[other], token, mine == other); err != nil {
					return fmt.Errorf("token of %s for the access of %s: %w", mine, other, err)
				}
			}
		}
		t.Logf("%d attempts with %d servers: only the %d of a server for itself succeeded", attempts, len(hosts), len(hosts))
		return nil
	}})
}

// tryAs asks for the other's credentials with a token, at STS and at the vending service, and uses what it gets at the
// other's prefix.
func tryAs(ctx context.Context, mine, other host, token string, itself bool) error {
	bucket, prefix := aws.String(other.configuration["s3_bucket"]), other.configuration["s3_path_prefix"]
	reached := 0
	vending := host{configuration: map[string]string{"credential_vending_url": clouds.Env()["OIDCS3_SANDBOX_VENDING_URL"]}}
	for _, way := range []host{{configuration: map[string]string{}}, vending} {
		client, err := way.exchange(ctx, token, other.configuration["aws_role_arn"])
		if err != nil {
			continue
		}
		if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String(prefix + "cross"), Body: strings.NewReader("x")}); err == nil {
			reached++
		}
		if _, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: &prefix}); err == nil && !itself {
			reached++
		}
	}
	switch {
	case itself && reached != 1:
		text, _ := json.Marshal(mine.configuration)
		return fmt.Errorf("the server reaches its own prefix by %d ways: %s", reached, text)
	case !itself && reached > 0:
		return fmt.Errorf("it reaches the prefix %s", prefix)
	}
	return nil
}
