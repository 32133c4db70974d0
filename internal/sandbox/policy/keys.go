package policy

import "strings"

// knownKeys are the condition keys that authz and the services fill in wherever AWS would: where one is missing from a
// request, it is absent, and absence has a meaning. Any other key that a service does not give is unknown.
var knownKeys = keySet(
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
	"aws:CurrentTime", "aws:EpochTime", "aws:SecureTransport", "aws:SourceIp", "aws:UserAgent", "aws:RequestedRegion",
	"aws:PrincipalArn", "aws:PrincipalAccount", "aws:PrincipalType", "aws:userid", "aws:username",
	"aws:TokenIssueTime", "aws:FederatedProvider", "aws:SourceIdentity", "aws:TagKeys", "aws:Referer",
	// the sandbox has neither multi-factor devices, VPCs, organisations nor calls by other services: these are absent
	"aws:SourceVpc", "aws:SourceVpce", "aws:VpcSourceIp", "aws:PrincipalOrgID", "aws:ViaAWSService", "aws:CalledVia",
	"aws:PrincipalIsAWSService", "aws:SourceArn", "aws:SourceAccount",

	// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
	"iam:PermissionsBoundary", "iam:PolicyARN", "iam:PassedToService",
	// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecuritytokenservice.html
	"sts:RoleSessionName", "sts:SourceIdentity", "sts:ExternalId", "sts:TransitiveTagKeys", "sts:DurationSeconds",
	// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
	"s3:prefix", "s3:delimiter", "s3:max-keys", "s3:VersionId",
)

// knownPrefixes are the keys that carry a name of the user's own.
var knownPrefixes = []string{"aws:principaltag/", "aws:requesttag/", "aws:resourcetag/", "iam:resourcetag/"}

func keySet(keys ...string) map[string]bool {
	set := make(map[string]bool, len(keys))
	for _, key := range keys {
		set[strings.ToLower(key)] = true
	}
	return set
}

func knownKey(lower string) bool {
	if knownKeys[lower] {
		return true
	}
	for _, prefix := range knownPrefixes {
		if rest, ok := strings.CutPrefix(lower, prefix); ok && rest != "" {
			return true
		}
	}
	return false
}
