output "project" {
  description = "Project, which begins the names of the servers' roles."
  value       = var.project
}

output "environment" {
  description = "Environment, against which the servers layer checks its own."
  value       = var.environment
}

output "aws_region" {
  description = "AWS region of the bucket."
  value       = var.aws_region
}

output "bucket_name" {
  description = "Bucket of the environment."
  value       = module.bucket.bucket_name
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = module.bucket.bucket_arn
}

output "kms_key_arn" {
  description = "Key of the bucket's objects; null with SSE-S3."
  value       = module.bucket.kms_key_arn
}

output "permissions_boundary_arn" {
  description = "Permissions boundary of the servers' roles."
  value       = module.bucket.permissions_boundary_arn
}

output "entra" {
  description = "The block entra of oidcs3_server_access."
  value = {
    audience          = local.audience
    oidc_provider_arn = one(concat(aws_iam_openid_connect_provider.v1[*].arn, aws_iam_openid_connect_provider.v2[*].arn))
    api_client_id     = azuread_application.uploads.client_id
    token_version     = var.token_version
  }

  # A token needs the API's service principal.
  depends_on = [azuread_service_principal.uploads]
}

output "oidc_provider_arn" {
  description = "ARN of the IAM OIDC provider."
  value       = one(concat(aws_iam_openid_connect_provider.v1[*].arn, aws_iam_openid_connect_provider.v2[*].arn))
}

output "oidc_provider_url" {
  description = "Issuer without https://: what begins the condition keys of trust policies."
  value       = trimprefix(local.issuer, "https://")
}

output "audience" {
  description = "Identifier URI of the API's application."
  value       = local.audience
}

output "entra_api_client_id" {
  description = "Client id of the API's application."
  value       = azuread_application.uploads.client_id
}
