variable "project" {
  description = "Begins the name of everything: {project}-{environment}-{component}."
  type        = string
  default     = "oidc-s3"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,20}[a-z0-9]$", var.project))
    error_message = "project begins bucket names: lower-case letters, digits and hyphens, 2 to 22 of them."
  }
}

variable "environment" {
  description = "dev, prod, or another name. dev and prod decide the defaults of var.bucket."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,14}[a-z0-9])?$", var.environment))
    error_message = "environment begins bucket names: lower-case letters, digits and hyphens, 1 to 16 of them."
  }
}

variable "aws_region" {
  description = "AWS region of the bucket."
  type        = string
}

variable "bucket" {
  description = "The bucket: see modules/bucket."
  type = object({
    name                 = optional(string)
    create               = optional(bool, true)
    versioning           = optional(bool)
    expiration_days      = optional(number)
    abort_multipart_days = optional(number, 7)
    kms_key_arn          = optional(string)
    administrator_arns   = optional(set(string), [])
    access_log           = optional(string, "none")
    access_log_days      = optional(number, 400)
    force_destroy        = optional(bool, false)
  })
  default = {}
}

variable "common_tags" {
  description = "Tags of every AWS resource."
  type        = map(string)
  default     = {}
}

variable "domain" {
  description = "Prefix of the user pool's domain. Default: {project}-{environment}-{account}."
  type        = string
  default     = null
}

variable "resource_server_identifier" {
  description = "Begins the names of the scopes. Default: https://{project}-uploads.{environment}.example.com; it is a name, nothing has to answer there."
  type        = string
  default     = null
}

variable "vending_zip" {
  description = "The vending service for arm64, as make lambda builds it."
  type        = string
  default     = "../../../dist/oidcs3-vending-lambda-arm64.zip"
}

variable "authorizer_client_ids" {
  description = <<-EOT
    Client ids for a JWT authorizer in front of the vending service, 50 at most. API Gateway compares a token without aud
    by its client_id, so every server has to be listed: apply this layer again after each new one. Without the list the
    vending service alone checks the tokens, as it does in any case.
  EOT
  type        = set(string)
  default     = []

  validation {
    condition     = length(var.authorizer_client_ids) <= 50
    error_message = "An authorizer takes 50 audiences at most."
  }
}

variable "requests_per_second" {
  description = "Requests per second that the HTTP API lets through in all; twice as many in a burst."
  type        = number
  default     = 50
}

variable "reserved_concurrency" {
  description = "Concurrent runs of the vending service; -1 for no limit of its own."
  type        = number
  default     = -1
}

variable "log_days" {
  description = "How long the logs of the vending service and of its API are kept, in days."
  type        = number
  default     = 90
}

variable "alarm_topic_arns" {
  description = "SNS topics that alarms go to."
  type        = set(string)
  default     = []
}
