variable "environment" {
  type        = string
  description = "Environment of the servers."
}

variable "bucket_name" {
  type        = string
  description = "Bucket that the servers upload to."
}

variable "common_tags" {
  type        = map(string)
  default     = {}
  description = "Tags of every role."
}

variable "servers" {
  type = map(object({
    identity_provider    = optional(string, "auth0")
    s3_path_prefix       = string
    s3_permissions       = optional(string, "write")
    max_session_duration = optional(number, 3600)
  }))
  description = "Servers by their names."
}

variable "auth0" {
  type = object({
    audience          = string
    oidc_provider_arn = string
  })
  default     = null
  description = "Foundation of the Auth0 servers."
}

variable "entra" {
  type = object({
    audience          = string
    oidc_provider_arn = string
  })
  default     = null
  description = "Foundation of the Entra servers."
}

variable "cognito" {
  type = object({
    user_pool_id            = string
    domain                  = string
    allowed_scopes          = set(string)
    vending_role_arn        = string
    vending_url             = string
    client_roles_table_name = string
  })
  default     = null
  description = "Foundation of the Cognito servers."
}
