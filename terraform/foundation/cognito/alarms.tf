locals {
  alarms = {
    errors = {
      description = "The vending service fails: servers get no credentials."
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      dimensions  = { FunctionName = aws_lambda_function.vending.function_name }
      threshold   = 1
    }
    throttles = {
      description = "The vending service is throttled: raise reserved_concurrency or the account's limit."
      namespace   = "AWS/Lambda"
      metric      = "Throttles"
      dimensions  = { FunctionName = aws_lambda_function.vending.function_name }
      threshold   = 1
    }
    refusals = {
      description = "Many requests are refused: a removed server that still asks, or somebody who tries."
      namespace   = "AWS/ApiGateway"
      metric      = "4xx"
      dimensions  = { ApiId = aws_apigatewayv2_api.vending.id }
      threshold   = 50
    }
    failures = {
      description = "The vending API answers with server errors."
      namespace   = "AWS/ApiGateway"
      metric      = "5xx"
      dimensions  = { ApiId = aws_apigatewayv2_api.vending.id }
      threshold   = 1
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "vending" {
  for_each = local.alarms

  alarm_name          = "${local.vending_name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
}
