# Who may do what in the bucket. A server's own role allows its prefix alone; these policies hold where that role, or
# another one, was widened by mistake.

locals {
  server_roles   = "arn:${var.partition}:iam::${var.account_id}:role/${var.project}-${var.environment}-*"
  object_actions = ["s3:GetObject*", "s3:PutObject*", "s3:DeleteObject*", "s3:RestoreObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
  list_actions   = ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"]

  tls_only = {
    Sid       = "TLSOnly"
    Effect    = "Deny"
    Principal = "*"
    Action    = "s3:*"
    Resource  = [local.arn, "${local.arn}/*"]
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }

  # The servers layer tags each role with its prefix. A role without the tag owns no prefix.
  owned_prefixes = [
    {
      Sid       = "NoPrefixNoAccess"
      Effect    = "Deny"
      Principal = "*"
      Action    = concat(local.object_actions, local.list_actions)
      Resource  = [local.arn, "${local.arn}/*"]
      Condition = {
        ArnLike = { "aws:PrincipalArn" = local.server_roles }
        Null    = { "aws:PrincipalTag/S3PathPrefix" = "true" }
      }
    },
    {
      Sid         = "OwnObjectsOnly"
      Effect      = "Deny"
      Principal   = "*"
      Action      = local.object_actions
      NotResource = "${local.arn}/$${aws:PrincipalTag/S3PathPrefix}*"
      Condition   = { ArnLike = { "aws:PrincipalArn" = local.server_roles } }
    },
    {
      Sid       = "OwnListingsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = local.list_actions
      Resource  = local.arn
      Condition = {
        ArnLike       = { "aws:PrincipalArn" = local.server_roles }
        StringNotLike = { "s3:prefix" = "$${aws:PrincipalTag/S3PathPrefix}*" }
      }
    },
  ]

  administered = length(var.bucket.administrator_arns) == 0 ? [] : [{
    Sid       = "ServersAndAdministratorsOnly"
    Effect    = "Deny"
    Principal = "*"
    Action    = local.object_actions
    Resource  = "${local.arn}/*"
    Condition = { ArnNotLike = { "aws:PrincipalArn" = concat([local.server_roles], sort(var.bucket.administrator_arns)) } }
  }]

  bucket_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat([local.tls_only], local.owned_prefixes, local.administered)
  })

  # The most that a server's role can ever be, whatever its own policy says.
  boundary_policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "Objects"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = "${local.arn}/*"
      },
      {
        Sid      = "Listing"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = local.arn
      },
      ], var.bucket.kms_key_arn == null ? [] : [{
        Sid      = "Key"
        Effect   = "Allow"
        Action   = ["kms:GenerateDataKey", "kms:Decrypt"]
        Resource = var.bucket.kms_key_arn
    }])
  })
}

resource "aws_s3_bucket_policy" "uploads" {
  count = local.here

  bucket = aws_s3_bucket.uploads[0].id
  policy = local.bucket_policy

  # S3 refuses a policy while the block is being changed.
  depends_on = [aws_s3_bucket_public_access_block.uploads]
}

resource "aws_iam_policy" "boundary" {
  count = local.here

  name        = "${var.project}-${var.environment}-server-boundary"
  description = "Permissions boundary of the servers' roles of ${var.project} in ${var.environment}."
  policy      = local.boundary_policy
}
