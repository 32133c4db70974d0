package cli

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// reads are the AWS operations that the report is made of. They are those of examples/policies/access-report.json and
// access-report-vending.json.
var reads = []string{
	"GetAccountAuthorizationDetails", "GetOpenIDConnectProvider", "GetRole", "GetRolePolicy", "ListAttachedRolePolicies", "ListRolePolicies", "ListRoles",
	"BatchGetItem", "GetItem", "Scan",
	"DescribeUserPool", "DescribeUserPoolClient", "ListResourceServers", "ListUserPoolClients",
}

// onlyReads keeps an AWS client from every other operation. The adapters that are used here can also write; that nothing
// does is not left to what they are asked for.
func onlyReads(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("oidcs3OnlyReads",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			if operation := awsmiddleware.GetOperationName(ctx); !slices.Contains(reads, operation) {
				return middleware.InitializeOutput{}, middleware.Metadata{}, fmt.Errorf("%s is refused here: this program only reads", operation)
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.After)
}

// onlyGets keeps an HTTP client from everything but reads and what a token is asked for with.
type onlyGets struct{ base http.RoundTripper }

// tokenEndpoints are what tokens of Auth0 and Entra ID are asked for at.
var tokenEndpoints = []string{"/oauth/token", "/oauth2/v2.0/token"}

// RoundTrip implements http.RoundTripper.
func (o onlyGets) RoundTrip(r *http.Request) (*http.Response, error) {
	asksToken := r.Method == http.MethodPost &&
		slices.ContainsFunc(tokenEndpoints, func(path string) bool { return strings.HasSuffix(r.URL.Path, path) })
	if r.Method != http.MethodGet && !asksToken {
		return nil, fmt.Errorf("%s %s is refused here: this program only reads", r.Method, r.URL.Path)
	}
	return o.base.RoundTrip(r)
}
