# One server per identity provider, each with another permission level, against any clouds that the environment names: the
# sandbox, or your own.

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

  auth0   = each.value.identity_provider == "auth0" ? var.auth0 : null
  entra   = each.value.identity_provider == "entra" ? var.entra : null
  cognito = each.value.identity_provider == "cognito" ? var.cognito : null

  tags = {
    Purpose = "demo"
  }
}
