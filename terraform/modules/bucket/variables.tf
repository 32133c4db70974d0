variable "project" {
  description = "Begins the name of everything: {project}-{environment}-{component}."
  type        = string
}

variable "environment" {
  description = "dev, prod, or another name."
  type        = string
}

variable "bucket" {
  description = <<-EOT
    name: default {project}-{environment}-uploads. create: false where another foundation of the environment made the
    bucket. versioning, expiration_days: as in prod and in dev by default. abort_multipart_days: after how many days S3
    drops the parts of an upload that nobody finished. kms_key_arn: SSE-KMS with this key instead of SSE-S3.
    administrator_arns: where there are any, nobody but they and the servers' roles reads, writes or deletes objects.
    access_log: none, s3 (server access logs) or cloudtrail (data events). force_destroy: a destroy deletes the objects.
  EOT
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

  validation {
    condition     = contains(["none", "s3", "cloudtrail"], var.bucket.access_log)
    error_message = "bucket.access_log takes none, s3 and cloudtrail."
  }
  validation {
    condition     = var.bucket.create || var.bucket.name != null
    error_message = "Without bucket.create, bucket.name says which bucket to use."
  }
}

variable "account_id" {
  description = "AWS account."
  type        = string
}

variable "partition" {
  description = "AWS partition: aws, aws-cn, aws-us-gov."
  type        = string
}
