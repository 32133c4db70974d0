environment        = "dev"
identity_providers = ["auth0"]

foundation_state = {
  bucket = "oidc-s3-dev-terraform-state"
  region = "eu-west-1"
}

servers = {
  "backup-server-01" = { s3_path_prefix = "backups/server-01/", s3_permissions = "read-write" }
  "backup-server-02" = { s3_path_prefix = "backups/server-02/" }
  "log-shipper"      = { s3_path_prefix = "logs/log-shipper/" }
  "data-sync"        = { s3_path_prefix = "sync/", s3_permissions = "full" }
}
