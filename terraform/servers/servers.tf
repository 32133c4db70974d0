resource "oidcs3_server_access" "this" {
  for_each = local.servers

  server_name          = each.key
  bucket_name          = local.foundation[each.value.identity_provider].bucket_name
  s3_path_prefix       = each.value.s3_path_prefix
  s3_permissions       = each.value.s3_permissions
  max_session_duration = each.value.max_session_duration
  deletion_protection  = each.value.deletion_protection

  # Terraform keeps no output that is null.
  kms_key_arn          = try(local.foundation[each.value.identity_provider].kms_key_arn, null)
  permissions_boundary = try(local.foundation[each.value.identity_provider].permissions_boundary_arn, null)

  auth0   = each.value.identity_provider == "auth0" ? local.foundation["auth0"].auth0 : null
  entra   = each.value.identity_provider == "entra" ? local.foundation["entra"].entra : null
  cognito = each.value.identity_provider == "cognito" ? local.foundation["cognito"].cognito : null

  client_authentication = each.value.public_key_pem == null ? null : {
    method         = "private_key_jwt"
    public_key_pem = each.value.public_key_pem
  }

  tags = merge(each.value.tags, {
    Server = each.key
    # The bucket policy holds every role of the environment to the prefix in this tag.
    S3PathPrefix = each.value.s3_path_prefix
  })

  lifecycle {
    precondition {
      condition     = contains(var.identity_providers, each.value.identity_provider)
      error_message = "Server ${each.key} needs an identity_provider out of identity_providers (${join(", ", var.identity_providers)})."
    }
    precondition {
      condition     = try(local.foundation[each.value.identity_provider].environment, null) == var.environment
      error_message = "The foundation state in ${var.foundation_state.bucket} is not that of the environment ${var.environment}."
    }
    precondition {
      condition     = try(local.foundation[each.value.identity_provider].project, null) == var.project
      error_message = "The foundation state in ${var.foundation_state.bucket} is not that of the project ${var.project}."
    }
  }
}
