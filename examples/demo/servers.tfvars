# One server per identity provider, each with another permission level. The layer is terraform/servers.
environment        = "dev"
identity_providers = ["auth0", "entra", "cognito"]

foundation_state = {
  bucket = "oidc-s3-dev-terraform-state"
  region = "eu-west-1"
}

servers = {
  "log-shipper"      = { s3_path_prefix = "logs/log-shipper/", identity_provider = "auth0" }
  "backup-server-01" = { s3_path_prefix = "backups/server-01/", s3_permissions = "read-write", identity_provider = "entra" }
  "data-sync"        = { s3_path_prefix = "sync/", s3_permissions = "full", identity_provider = "cognito" }
}

common_tags = { Purpose = "demo" }
