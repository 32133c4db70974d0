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

output "cognito" {
  description = "The block cognito of oidcs3_server_access."
  value = {
    user_pool_id            = aws_cognito_user_pool.uploads.id
    domain                  = aws_cognito_user_pool_domain.uploads.domain
    allowed_scopes          = [local.scopes.read, local.scopes.write]
    vending_role_arn        = aws_iam_role.vending.arn
    vending_url             = aws_apigatewayv2_api.vending.api_endpoint
    client_roles_table_name = aws_dynamodb_table.client_roles.name
  }
}
