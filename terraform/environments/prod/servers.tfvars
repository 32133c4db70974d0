environment        = "prod"
identity_providers = ["auth0"]

foundation_state = {
  bucket = "oidc-s3-prod-terraform-state"
  region = "eu-west-1"
}

servers = {
  "backup-server-01" = {
    s3_path_prefix      = "backups/server-01/"
    s3_permissions      = "read-write"
    deletion_protection = true
  }
}
