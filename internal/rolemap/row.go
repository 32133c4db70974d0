// Package rolemap is the adapter of the DynamoDB table that maps clients to roles, which credential vending reads.
package rolemap

// Row is one mapping. All attributes are strings in the table.
type Row struct {
	ClientID   string // hash key "client_id": the client id for Cognito, "<issuer>#<client id>" for other issuers
	RoleARN    string // "role_arn"
	ServerName string // "server_name"
	Prefix     string // "s3_path_prefix"
}
