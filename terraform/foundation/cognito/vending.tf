# The service that takes a Cognito token and answers with credentials of the client's role.

locals {
  # Not {project}-{environment}-…: the service may assume every role of that name, and must not be one of them.
  vending_name = "${var.project}-vending-${var.environment}"
  server_roles = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:role/${var.project}-${var.environment}-*"
  scopes       = { for scope in ["read", "write"] : scope => "${aws_cognito_resource_server.uploads.identifier}/${scope}" }

  vending_trust_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })

  vending_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "BecomeServers"
        Effect   = "Allow"
        Action   = "sts:AssumeRole"
        Resource = local.server_roles
      },
      {
        Sid      = "LookUpRoles"
        Effect   = "Allow"
        Action   = "dynamodb:GetItem"
        Resource = aws_dynamodb_table.client_roles.arn
      },
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.vending.arn}:*"
      },
    ]
  })

  vending_config = jsonencode({
    client_roles_table_name = aws_dynamodb_table.client_roles.name
    buckets                 = [merge({ name = module.bucket.bucket_name }, var.bucket.kms_key_arn == null ? {} : { kms_key_arn = var.bucket.kms_key_arn })]
    issuers = [{
      identity_provider = "cognito"
      issuer            = "https://${aws_cognito_user_pool.uploads.endpoint}"
      required_scopes   = [local.scopes.write]
    }]
  })
}

resource "aws_iam_role" "vending" {
  name                 = local.vending_name
  description          = "Credential vending of ${var.project} in ${var.environment}: becomes the servers' roles."
  assume_role_policy   = local.vending_trust_policy
  max_session_duration = 3600
}

resource "aws_iam_role_policy" "vending" {
  name   = "vending"
  role   = aws_iam_role.vending.id
  policy = local.vending_policy
}

resource "aws_cloudwatch_log_group" "vending" {
  name              = "/aws/lambda/${local.vending_name}"
  retention_in_days = var.log_days
}

resource "aws_lambda_function" "vending" {
  function_name                  = local.vending_name
  description                    = "Exchanges Cognito tokens for AWS credentials of the client's role."
  role                           = aws_iam_role.vending.arn
  runtime                        = "provided.al2023"
  architectures                  = ["arm64"]
  handler                        = "bootstrap"
  filename                       = var.vending_zip
  source_code_hash               = filebase64sha256(var.vending_zip)
  memory_size                    = 256
  timeout                        = 15
  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = {
      OIDCS3_VENDING_CONFIG_JSON = local.vending_config
    }
  }

  depends_on = [aws_cloudwatch_log_group.vending, aws_iam_role_policy.vending]
}
