variable "project" {
  description = "Begins the name of every role: {project}-{environment}-{server}. The foundation's."
  type        = string
  default     = "oidc-s3"
}

variable "environment" {
  description = "Environment, as in the foundation: dev, prod."
  type        = string
}

variable "foundation_state" {
  description = "Bucket and region of the foundation's states: those of backend.hcl."
  type = object({
    bucket = string
    region = string
  })
}

variable "identity_providers" {
  description = "The identity providers whose foundations the environment has."
  type        = set(string)
  default     = ["auth0"]

  validation {
    condition     = length(var.identity_providers) > 0 && length(setsubtract(var.identity_providers, ["auth0", "entra", "cognito"])) == 0
    error_message = "identity_providers takes auth0, entra and cognito, at least one of them."
  }
}

variable "servers" {
  description = <<-EOT
    The servers by name. s3_permissions: write (the default), read-write or full. identity_provider: needed where the
    environment has several. public_key_pem: public half of a key that the host made with oidcs3-upload keygen; without
    it the server gets a client secret.
  EOT
  type = map(object({
    s3_path_prefix       = string
    s3_permissions       = optional(string, "write")
    identity_provider    = optional(string)
    max_session_duration = optional(number, 3600)
    deletion_protection  = optional(bool, false)
    public_key_pem       = optional(string)
    tags                 = optional(map(string), {})
  }))
  default = {}

  validation {
    # The prefix is a tag of the role too, and IAM bounds a tag's value.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
    condition     = alltrue([for server in values(var.servers) : can(regex("^[A-Za-z0-9 _.:/=+@-]{1,255}/$", server.s3_path_prefix))])
    error_message = "An s3_path_prefix ends in /, has at most 256 characters, and takes letters, digits, spaces and _.:/=+@- only."
  }
}

variable "common_tags" {
  description = "Tags of every role."
  type        = map(string)
  default     = {}
}
