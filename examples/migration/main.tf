# The servers that a plain module made, as resources of oidcs3. The variables are those that the module was called with.

terraform {
  required_version = ">= 1.7"

  required_providers {
    oidcs3 = {
      source = "oidcs3/oidcs3"
    }
  }
}

provider "oidcs3" {
  environment  = var.environment
  default_tags = var.common_tags # those of the AWS provider so far

  # Imports of Cognito servers ask where the user pool and the mapping table are: a role does not tell.
  cognito = var.cognito == null ? null : {
    user_pool_id            = var.cognito.user_pool_id
    domain                  = var.cognito.domain
    vending_role_arn        = var.cognito.vending_role_arn
    vending_url             = var.cognito.vending_url
    client_roles_table_name = var.cognito.client_roles_table_name
  }
}

resource "oidcs3_server_access" "this" {
  for_each = var.servers

  server_name          = each.key
  bucket_name          = var.bucket_name
  s3_path_prefix       = each.value.s3_path_prefix
  s3_permissions       = each.value.s3_permissions
  max_session_duration = each.value.max_session_duration

  auth0   = each.value.identity_provider == "auth0" ? var.auth0 : null
  entra   = each.value.identity_provider == "entra" ? var.entra : null
  cognito = each.value.identity_provider == "cognito" ? var.cognito : null

  tags = {
    Server = each.key
  }
}
