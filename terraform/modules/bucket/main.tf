# The bucket of one environment, which the foundations of all identity providers share.

locals {
  name       = coalesce(var.bucket.name, "${var.project}-${var.environment}-uploads")
  arn        = "arn:${var.partition}:s3:::${local.name}"
  here       = var.bucket.create ? 1 : 0
  versioning = coalesce(var.bucket.versioning, var.environment == "prod")
  expires    = try(coalesce(var.bucket.expiration_days, var.environment == "dev" ? 10 : null), null)
}

resource "aws_s3_bucket" "uploads" {
  count = local.here

  bucket        = local.name
  force_destroy = var.bucket.force_destroy
}

resource "aws_s3_bucket_public_access_block" "uploads" {
  count = local.here

  bucket                  = aws_s3_bucket.uploads[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# No ACL counts: what a server uploads belongs to the bucket's account.
resource "aws_s3_bucket_ownership_controls" "uploads" {
  count = local.here

  bucket = aws_s3_bucket.uploads[0].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "uploads" {
  count = local.here

  bucket = aws_s3_bucket.uploads[0].id

  rule {
    bucket_key_enabled = var.bucket.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.bucket.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.bucket.kms_key_arn
    }
  }
}

# A bucket without versioning has no configuration of it. "Disabled" can only be said of a bucket that never had any,
# and one that had can only be suspended.
resource "aws_s3_bucket_versioning" "uploads" {
  count = var.bucket.create && local.versioning ? 1 : 0

  bucket = aws_s3_bucket.uploads[0].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "uploads" {
  count = local.here

  bucket = aws_s3_bucket.uploads[0].id

  rule {
    id     = "abort-incomplete-multipart-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = var.bucket.abort_multipart_days
    }
  }

  dynamic "rule" {
    for_each = local.expires == null ? [] : [local.expires]

    content {
      id     = "expire"
      status = "Enabled"

      filter {}

      expiration {
        days = rule.value
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.uploads]
}
