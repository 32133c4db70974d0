// Package rolemap is the adapter of the DynamoDB table that maps clients to roles, which credential vending reads.
//
// It knows rows and their keys; what a row means for a token is decided by the vending service.
package rolemap

// Row is one mapping. All attributes are strings in the table.
type Row struct {
	ClientID   string // hash key "client_id": the client id for Cognito, "<issuer>#<client id>" for other issuers
	RoleARN    string // "role_arn"
	ServerName string // "server_name"
	Prefix     string // "s3_path_prefix"
}

// Key is the hash key of a client's row: "<issuer>#<client id>", or the client id alone where the issuer is empty, as
// for Cognito, whose client ids are unique by themselves.
func Key(issuer, clientID string) string {
	if issuer == "" {
		return clientID
	}
	return issuer + "#" + clientID
}
