variable "servers" {
  description = "The servers: prefix and permission level of each."
  type = map(object({
    s3_path_prefix = string
    s3_permissions = optional(string, "write")
  }))
  default = {
    "log-shipper" = {
      s3_path_prefix = "logs/log-shipper/"
    }
    "backup-server-01" = {
      s3_path_prefix = "backups/server-01/"
      s3_permissions = "read-write"
    }
    "data-sync" = {
      s3_path_prefix = "sync/"
      s3_permissions = "full"
    }
  }
}

variable "bucket_name" {
  description = "Bucket of the environment."
  type        = string
}

variable "auth0_audience" {
  description = "Identifier of the Auth0 API."
  type        = string
}

variable "auth0_oidc_provider_arn" {
  description = "ARN of the IAM OIDC provider that trusts the Auth0 tenant."
  type        = string
}
