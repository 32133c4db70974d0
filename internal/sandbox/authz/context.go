package authz

import (
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// requestKeys are the global condition keys that say something of the request.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
func (e *Engine) requestKeys(r *http.Request, action string) map[string][]string {
	now := e.cfg.Now().UTC()
	keys := map[string][]string{
		"aws:CurrentTime":     {now.Format(time.RFC3339)},
		"aws:EpochTime":       {strconv.FormatInt(now.Unix(), 10)},
		"aws:SecureTransport": {strconv.FormatBool(r.TLS != nil)},
		"aws:RequestedRegion": {e.cfg.Region},
	}
	if strings.HasPrefix(action, "iam:") {
		keys["aws:RequestedRegion"] = []string{"us-east-1"}
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		host, _, _ = strings.Cut(host, "%") // a zone is no part of the address
		keys["aws:SourceIp"] = []string{host}
	}
	for key, header := range map[string]string{"aws:UserAgent": "User-Agent", "aws:Referer": "Referer"} {
		if value := r.Header.Get(header); value != "" {
			keys[key] = []string{value}
		}
	}
	return keys
}

// principalKeys are the global condition keys that say something of the caller.
func (e *Engine) principalKeys(caller Caller, identity Identity, session Session) map[string][]string {
	if caller.ARN == "" {
		return map[string][]string{"aws:PrincipalType": {"Anonymous"}, "aws:userid": {"anonymous"}}
	}
	keys := map[string][]string{}
	maps.Copy(keys, session.Context)
	keys["aws:PrincipalAccount"] = []string{caller.AccountID}
	keys["aws:PrincipalArn"] = []string{caller.ARN}
	keys["aws:PrincipalType"] = []string{"User"}
	keys["aws:userid"] = []string{caller.UserID}
	if caller.RoleName != "" {
		keys["aws:PrincipalArn"] = []string{session.RoleARN}
		keys["aws:PrincipalType"] = []string{"AssumedRole"}
		keys["aws:TokenIssueTime"] = []string{session.Issued.UTC().Format(time.RFC3339)}
	} else {
		keys["aws:username"] = []string{identity.Name}
	}
	for key, value := range identity.Tags {
		keys["aws:PrincipalTag/"+key] = []string{value}
	}
	return keys
}

func merged(sets ...map[string][]string) map[string][]string {
	out := map[string][]string{}
	for _, set := range sets {
		for key, values := range set {
			out[strings.ToLower(key)] = values
		}
	}
	return out
}
