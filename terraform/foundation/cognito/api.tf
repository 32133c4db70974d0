locals {
  authorized = length(var.authorizer_client_ids) > 0
}

resource "aws_apigatewayv2_api" "vending" {
  name          = local.vending_name
  description   = "Credential vending."
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_integration" "vending" {
  api_id                 = aws_apigatewayv2_api.vending.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = aws_lambda_function.vending.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 20000
}

# A first check at the door, by choice. See var.authorizer_client_ids.
resource "aws_apigatewayv2_authorizer" "cognito" {
  count = local.authorized ? 1 : 0

  api_id           = aws_apigatewayv2_api.vending.id
  name             = "cognito"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = "https://${aws_cognito_user_pool.uploads.endpoint}"
    audience = sort(var.authorizer_client_ids)
  }
}

resource "aws_apigatewayv2_route" "credentials" {
  api_id               = aws_apigatewayv2_api.vending.id
  route_key            = "GET /credentials"
  target               = "integrations/${aws_apigatewayv2_integration.vending.id}"
  authorization_type   = local.authorized ? "JWT" : "NONE"
  authorizer_id        = local.authorized ? aws_apigatewayv2_authorizer.cognito[0].id : null
  authorization_scopes = local.authorized ? [local.scopes.write] : null
}

resource "aws_cloudwatch_log_group" "api" {
  name              = "/aws/apigateway/${local.vending_name}"
  retention_in_days = var.log_days
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.vending.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit    = var.requests_per_second
    throttling_burst_limit   = 2 * var.requests_per_second
    detailed_metrics_enabled = true
  }

  # No header is logged: the token is in one.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api.arn
    format = jsonencode({
      requestId = "$context.requestId"
      time      = "$context.requestTime"
      sourceIp  = "$context.identity.sourceIp"
      route     = "$context.routeKey"
      status    = "$context.status"
      latency   = "$context.responseLatency"
      error     = "$context.error.message"
    })
  }
}

resource "aws_lambda_permission" "api" {
  statement_id  = "AllowHTTPAPI"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.vending.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.vending.execution_arn}/*/GET/credentials"
}
