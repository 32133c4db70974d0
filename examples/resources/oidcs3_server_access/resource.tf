# Auth0. The host makes its key with "oidcs3-upload keygen"; Terraform sees the public half, so there is no secret.
resource "oidcs3_server_access" "backup" {
  server_name    = "backup-server-01"
  bucket_name    = "oidc-s3-dev-uploads"
  s3_path_prefix = "backups/server-01/"
  s3_permissions = "read-write"

  auth0 = {
    audience          = "https://s3-uploader.dev.example.com"
    oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/tenant.eu.auth0.com/"
  }

  client_authentication = {
    method         = "private_key_jwt"
    public_key_pem = file("${path.module}/keys/backup-server-01.pub.pem")
  }
}

# Microsoft Entra ID, with a client secret in the state.
resource "oidcs3_server_access" "logs" {
  server_name    = "log-shipper"
  bucket_name    = "oidc-s3-dev-uploads"
  s3_path_prefix = "logs/"

  entra = {
    audience          = "api://s3-uploader-dev"
    oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/sts.windows.net/11111111-2222-3333-4444-555555555555/"
  }
}

# AWS Cognito, whose tokens STS does not take: the credential vending service checks them.
resource "oidcs3_server_access" "sync" {
  server_name    = "data-sync"
  bucket_name    = "oidc-s3-dev-uploads"
  s3_path_prefix = "sync/"
  s3_permissions = "full"

  cognito = {
    user_pool_id            = "eu-west-1_AbCdEfGhI"
    domain                  = "oidc-s3-dev-123456789012"
    allowed_scopes          = ["https://s3-uploader.dev.example.com/read", "https://s3-uploader.dev.example.com/write"]
    vending_role_arn        = "arn:aws:iam::123456789012:role/oidc-s3-vending-dev"
    vending_url             = "https://abc123.execute-api.eu-west-1.amazonaws.com"
    client_roles_table_name = "oidc-s3-dev-client-roles"
  }
}

# What a host needs: its configuration file, and, where there is one, the secret that goes into a file of its own.
output "configuration" {
  value = oidcs3_server_access.logs.server_configuration
}

output "client_secret" {
  value     = oidcs3_server_access.logs.client_secret
  sensitive = true
}
