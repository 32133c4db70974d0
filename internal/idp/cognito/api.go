package cognito

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cognitoidp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// maxServers is the most that one page of ListResourceServers holds.
// https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListResourceServers.html
const maxServers = 50

// API implements idp.Provider: audience is the user pool's id. Tokens of the client credentials grant have no aud; what
// they may do is in their scopes, which are those of the pool's resource servers, "<identifier>/<name>". An answer serves
// the whole run; a failure serves nobody but those who waited for it.
func (p *Provider) API(ctx context.Context, audience string) (idp.API, error) {
	const operation = "DescribeUserPool"
	object := "user pool " + audience
	if audience != p.pool {
		return idp.API{}, &apierror.Error{Kind: apierror.NotFound, Service: service, Operation: operation, Object: object,
			Message: "the clients of user pool " + p.pool + " get no tokens of this one"}
	}
	api, err := p.api.Get(ctx, p.readAPI)
	return api, apierror.GaveUp(err, service, operation, object)
}

func (p *Provider) readAPI(ctx context.Context) (idp.API, error) {
	object := "user pool " + p.pool
	out, err := call(ctx, p, "DescribeUserPool", object, &cognitoidp.DescribeUserPoolInput{UserPoolId: &p.pool}, p.client.DescribeUserPool)
	if err != nil {
		return idp.API{}, err
	}
	pool := types.UserPoolType{}
	if out.UserPool != nil {
		pool = *out.UserPool
	}
	if err := p.checkDomain(pool); err != nil {
		return idp.API{}, err
	}
	scopes, err := p.readScopes(ctx)
	if err != nil {
		return idp.API{}, err
	}
	partition := partitionOf(aws.ToString(pool.Arn))
	api := idp.API{Audience: p.pool, Issuer: p.issuer, TokenEndpoint: "https://" + p.host(partition) + "/oauth2/token", Scopes: scopes}
	if api.Issuer == "" {
		// https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
		api.Issuer = "https://cognito-idp." + p.region + "." + dnsSuffix(partition) + "/" + p.pool
	}
	return api, nil
}

// checkDomain refuses a domain prefix that is another pool's: tokens would come from there. A host cannot be judged, since
// it may be anybody's that leads to the pool.
func (p *Provider) checkDomain(pool types.UserPoolType) error {
	prefix, custom := aws.ToString(pool.Domain), aws.ToString(pool.CustomDomain)
	if !p.prefixed() || prefix == p.domain || prefix == "" && custom == "" {
		return nil
	}
	return &apierror.Error{
		Kind: apierror.Invalid, Service: service, Operation: "DescribeUserPool", Object: "user pool " + p.pool,
		Message: fmt.Sprintf("%q is not a domain of the pool; its domain prefix is %s, its custom domain %s", p.domain, orNone(prefix), orNone(custom)),
	}
}

func orNone(text string) string {
	if text == "" {
		return "not set"
	}
	return text
}

// prefixed reports whether the domain is a prefix of Cognito's own.
func (p *Provider) prefixed() bool { return !strings.ContainsAny(p.domain, ".:") }

// host is where the token endpoint is.
// https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-assign-domain-prefix.html
// https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-cog.html
func (p *Provider) host(partition string) string {
	if !p.prefixed() {
		return p.domain
	}
	if partition == "aws-us-gov" {
		return p.domain + ".auth-fips." + p.region + ".amazoncognito.com"
	}
	return p.domain + ".auth." + p.region + ".amazoncognito.com"
}

// partitionOf takes the partition out of an ARN.
func partitionOf(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 1 && parts[0] == "arn" {
		return parts[1]
	}
	return "aws"
}

func dnsSuffix(partition string) string {
	if partition == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// readScopes lists the scopes of the pool's resource servers, sorted.
func (p *Provider) readScopes(ctx context.Context) ([]string, error) {
	var scopes []string
	input := &cognitoidp.ListResourceServersInput{UserPoolId: &p.pool, MaxResults: aws.Int32(maxServers)}
	for {
		out, err := call(ctx, p, "ListResourceServers", "user pool "+p.pool, input, p.client.ListResourceServers)
		if err != nil {
			return nil, err
		}
		for _, server := range out.ResourceServers {
			for _, scope := range server.Scopes {
				scopes = append(scopes, aws.ToString(server.Identifier)+"/"+aws.ToString(scope.ScopeName))
			}
		}
		if aws.ToString(out.NextToken) == "" {
			slices.Sort(scopes)
			return scopes, nil
		}
		next := *input
		next.NextToken = out.NextToken
		input = &next
	}
}
