data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

module "bucket" {
  source = "../../modules/bucket"

  project     = var.project
  environment = var.environment
  bucket      = var.bucket
  account_id  = data.aws_caller_identity.current.account_id
  partition   = data.aws_partition.current.partition
}
