package iam

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// ManagedPolicies returns the documents in force of the account's own managed policies, by ARN, from a read of its own.
// AWS's policies, which name nobody's buckets, are not among them.
func (r *Roles) ManagedPolicies(ctx context.Context) (map[string]string, error) {
	const operation, object = "GetAccountAuthorizationDetails", "all managed policies"
	documents := map[string]string{}
	input := &awsiam.GetAccountAuthorizationDetailsInput{
		Filter: []types.EntityType{types.EntityTypeLocalManagedPolicy}, MaxItems: aws.Int32(pageSize),
	}
	for {
		page, err := call(ctx, operation, object, input, r.api.GetAccountAuthorizationDetails)
		if err != nil {
			return nil, err
		}
		for _, policy := range page.Policies {
			for _, version := range policy.PolicyVersionList {
				if !version.IsDefaultVersion {
					continue
				}
				if documents[aws.ToString(policy.Arn)], err = decoded(version.Document); err != nil {
					return nil, unreadable(operation, "policy "+aws.ToString(policy.Arn), fmt.Errorf("version %s: %w", aws.ToString(version.VersionId), err))
				}
			}
		}
		if !page.IsTruncated || aws.ToString(page.Marker) == "" {
			return documents, nil
		}
		input.Marker = page.Marker
	}
}
