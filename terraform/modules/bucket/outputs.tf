output "bucket_name" {
  description = "Name of the bucket."
  value       = var.bucket.create ? aws_s3_bucket.uploads[0].id : local.name
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = local.arn
}

output "kms_key_arn" {
  description = "Key of the bucket's objects; null with SSE-S3."
  value       = var.bucket.kms_key_arn
}

output "permissions_boundary_arn" {
  description = "Permissions boundary of the servers' roles."
  value       = var.bucket.create ? aws_iam_policy.boundary[0].arn : "arn:${var.partition}:iam::${var.account_id}:policy/${var.project}-${var.environment}-server-boundary"
}
