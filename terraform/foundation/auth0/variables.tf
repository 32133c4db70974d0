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

variable "auth0_domain" {
  description = "Domain of the tenant, or its custom domain, without https://: the one that tokens name as issuer."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]+$", var.auth0_domain))
    error_message = "auth0_domain is a host name, without https:// and without a slash."
  }
}

variable "audience" {
  description = "Identifier of the API. Default: https://{project}-uploads.{environment}.example.com; it is a name, nothing has to answer there."
  type        = string
  default     = null
}

variable "token_lifetime" {
  description = "How long a token is valid, in seconds. Hosts get a new one by themselves; Auth0 bills each."
  type        = number
  default     = 3600
}
