# Who wrote what, by choice: server access logs or CloudTrail data events, each with ready queries in Athena. A server's
# sessions carry its name, so that both say which server it was.

locals {
  logging      = var.bucket.create && var.bucket.access_log != "none" ? 1 : 0
  by_s3        = var.bucket.create && var.bucket.access_log == "s3" ? 1 : 0
  by_trail     = var.bucket.create && var.bucket.access_log == "cloudtrail" ? 1 : 0
  log_name     = "${local.name}-access-log"
  log_arn      = "arn:${var.partition}:s3:::${local.log_name}"
  trail_name   = "${var.project}-${var.environment}-objects"
  trail_arn    = "arn:${var.partition}:cloudtrail:*:${var.account_id}:trail/${local.trail_name}"
  log_database = replace("${var.project}_${var.environment}_access", "-", "_")

  log_writers = {
    none = []
    s3 = [{
      Sid       = "ServerAccessLogs"
      Effect    = "Allow"
      Principal = { Service = "logging.s3.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "${local.log_arn}/s3/*"
      Condition = {
        ArnLike      = { "aws:SourceArn" = local.arn }
        StringEquals = { "aws:SourceAccount" = var.account_id }
      }
    }]
    cloudtrail = [
      {
        Sid       = "TrailLooks"
        Effect    = "Allow"
        Principal = { Service = "cloudtrail.amazonaws.com" }
        Action    = "s3:GetBucketAcl"
        Resource  = local.log_arn
        Condition = { ArnLike = { "aws:SourceArn" = local.trail_arn } }
      },
      {
        Sid       = "TrailWrites"
        Effect    = "Allow"
        Principal = { Service = "cloudtrail.amazonaws.com" }
        Action    = "s3:PutObject"
        Resource  = "${local.log_arn}/trail/AWSLogs/${var.account_id}/*"
        Condition = { ArnLike = { "aws:SourceArn" = local.trail_arn } }
      },
    ]
  }

  log_policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([{
      Sid       = "TLSOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [local.log_arn, "${local.log_arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }], local.log_writers[var.bucket.access_log])
  })
}

resource "aws_s3_bucket" "log" {
  count = local.logging

  bucket        = local.log_name
  force_destroy = var.bucket.force_destroy
}

resource "aws_s3_bucket_public_access_block" "log" {
  count = local.logging

  bucket                  = aws_s3_bucket.log[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "log" {
  count = local.logging

  bucket = aws_s3_bucket.log[0].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# Server access logs cannot be delivered to a bucket whose default is SSE-KMS.
resource "aws_s3_bucket_server_side_encryption_configuration" "log" {
  count = local.logging

  bucket = aws_s3_bucket.log[0].id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "log" {
  count = local.logging

  bucket = aws_s3_bucket.log[0].id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {}

    expiration {
      days = var.bucket.access_log_days
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_bucket_policy" "log" {
  count = local.logging

  bucket = aws_s3_bucket.log[0].id
  policy = local.log_policy

  depends_on = [aws_s3_bucket_public_access_block.log]
}

resource "aws_s3_bucket_logging" "uploads" {
  count = local.by_s3

  bucket        = aws_s3_bucket.uploads[0].id
  target_bucket = aws_s3_bucket.log[0].id
  target_prefix = "s3/"

  depends_on = [aws_s3_bucket_policy.log]
}

resource "aws_cloudtrail" "objects" {
  count = local.by_trail

  name                          = local.trail_name
  s3_bucket_name                = aws_s3_bucket.log[0].id
  s3_key_prefix                 = "trail"
  enable_log_file_validation    = true
  include_global_service_events = false

  event_selector {
    read_write_type           = "All"
    include_management_events = false

    data_resource {
      type   = "AWS::S3::Object"
      values = ["${local.arn}/"]
    }
  }

  depends_on = [aws_s3_bucket_policy.log]
}
