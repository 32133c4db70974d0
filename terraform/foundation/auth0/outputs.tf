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

output "auth0" {
  description = "The block auth0 of oidcs3_server_access."
  value = {
    audience          = auth0_resource_server.uploads.identifier
    oidc_provider_arn = aws_iam_openid_connect_provider.auth0.arn
  }
}

output "oidc_provider_arn" {
  description = "ARN of the IAM OIDC provider."
  value       = aws_iam_openid_connect_provider.auth0.arn
}

output "oidc_provider_url" {
  description = "Issuer without https://: what begins the condition keys of trust policies."
  value       = "${var.auth0_domain}/"
}

output "audience" {
  description = "Identifier of the API."
  value       = auth0_resource_server.uploads.identifier
}

output "auth0_api_id" {
  description = "Id of the API."
  value       = auth0_resource_server.uploads.id
}
