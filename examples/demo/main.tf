# One server per permission level, against any clouds that the environment names: the sandbox, or your own.

terraform {
  required_providers {
    oidcs3 = {
      source = "oidcs3/oidcs3"
    }
  }
}

provider "oidcs3" {
  environment = "dev"
}

resource "oidcs3_server_access" "this" {
  for_each = var.servers

  server_name    = each.key
  bucket_name    = var.bucket_name
  s3_path_prefix = each.value.s3_path_prefix
  s3_permissions = each.value.s3_permissions

  auth0 = {
    audience          = var.auth0_audience
    oidc_provider_arn = var.auth0_oidc_provider_arn
  }

  tags = {
    Purpose = "demo"
  }
}
