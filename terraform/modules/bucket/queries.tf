# Athena: run "table" once, then "who wrote this key", which asks for the key, and "what did this server do", which asks
# for the server.

locals {
  queries = {
    none = {}
    s3 = {
      "table"                    = templatefile("${path.module}/queries/s3-table.sql", { table = "requests", location = "s3://${local.log_name}/s3/" })
      "who wrote this key"       = templatefile("${path.module}/queries/s3-key.sql", { table = "requests" })
      "what did this server do"  = templatefile("${path.module}/queries/s3-server.sql", { table = "requests" })
      "who was refused, and why" = templatefile("${path.module}/queries/s3-refused.sql", { table = "requests" })
    }
    cloudtrail = {
      "table"                    = templatefile("${path.module}/queries/cloudtrail-table.sql", { table = "events", location = "s3://${local.log_name}/trail/AWSLogs/${var.account_id}/CloudTrail/" })
      "who wrote this key"       = templatefile("${path.module}/queries/cloudtrail-key.sql", { table = "events" })
      "what did this server do"  = templatefile("${path.module}/queries/cloudtrail-server.sql", { table = "events" })
      "who was refused, and why" = templatefile("${path.module}/queries/cloudtrail-refused.sql", { table = "events" })
    }
  }
}

resource "aws_glue_catalog_database" "access" {
  count = local.logging

  name = local.log_database
}

resource "aws_athena_workgroup" "access" {
  count = local.logging

  name          = "${var.project}-${var.environment}-access"
  force_destroy = true

  configuration {
    enforce_workgroup_configuration = true

    result_configuration {
      output_location = "s3://${aws_s3_bucket.log[0].id}/athena/"

      encryption_configuration {
        encryption_option = "SSE_S3"
      }
    }
  }
}

resource "aws_athena_named_query" "access" {
  for_each = var.bucket.create ? local.queries[var.bucket.access_log] : {}

  name      = each.key
  workgroup = aws_athena_workgroup.access[0].id
  database  = aws_glue_catalog_database.access[0].name
  query     = each.value
}
