variable "servers" {
  description = "The servers: prefix, permission level and identity provider of each."
  type = map(object({
    s3_path_prefix    = string
    s3_permissions    = optional(string, "write")
    identity_provider = optional(string, "auth0")
  }))
  default = {
    "log-shipper" = {
      s3_path_prefix = "logs/log-shipper/"
    }
    "backup-server-01" = {
      s3_path_prefix    = "backups/server-01/"
      s3_permissions    = "read-write"
      identity_provider = "entra"
    }
    "data-sync" = {
      s3_path_prefix    = "sync/"
      s3_permissions    = "full"
      identity_provider = "cognito"
    }
  }
}

variable "bucket_name" {
  description = "Bucket of the environment."
  type        = string
}

variable "auth0" {
  description = "The Auth0 API, and the IAM OIDC provider that trusts the tenant."
  type = object({
    audience          = string
    oidc_provider_arn = string
  })
  default = null
}

variable "entra" {
  description = "The API's application in Entra ID, and the IAM OIDC provider that trusts the tenant."
  type = object({
    audience          = string
    oidc_provider_arn = string
  })
  default = null
}

variable "cognito" {
  description = "The Cognito user pool, and the credential vending service."
  type = object({
    user_pool_id            = string
    domain                  = string
    allowed_scopes          = set(string)
    vending_role_arn        = string
    vending_url             = string
    client_roles_table_name = string
  })
  default = null
}
