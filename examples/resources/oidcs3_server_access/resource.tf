resource "oidcs3_server_access" "backup" {
  server_name    = "backup-server-01"
  bucket_name    = "oidc-s3-dev-uploads"
  s3_path_prefix = "backups/server-01/"
  s3_permissions = "read-write"

  auth0 = {
    audience          = "https://s3-uploader.dev.example.com"
    oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/tenant.eu.auth0.com/"
  }
}

# What the host needs: its configuration file, and the secret that goes into a file of its own.
output "configuration" {
  value = oidcs3_server_access.backup.server_configuration
}

output "client_secret" {
  value     = oidcs3_server_access.backup.client_secret
  sensitive = true
}
