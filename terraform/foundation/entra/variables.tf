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

variable "tenant_id" {
  description = "The Entra ID tenant."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.tenant_id))
    error_message = "tenant_id is a GUID in lower case."
  }
}

variable "audience" {
  description = "Identifier URI of the API's application. Default: api://{tenant}/{project}-{environment}-uploads, a form that every tenant's policy takes."
  type        = string
  default     = null
}

variable "token_version" {
  description = "v1: the tokens name the API in aud, and trust policies ask for that. v2: they name the client in azp, and each server's client id goes on the OIDC provider's list, which holds 100."
  type        = string
  default     = "v1"

  validation {
    condition     = contains(["v1", "v2"], var.token_version)
    error_message = "token_version takes v1 and v2."
  }
}

variable "assignment_required" {
  description = "Whether Entra ID gives tokens for the API only to clients that were assigned to it. The servers layer assigns them; it needs AppRoleAssignment.ReadWrite.All for that."
  type        = bool
  default     = false
}
