# What servers of Cognito build on: the user pool, the credential vending service, and the bucket.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0, < 7.0"
    }
  }

  # Bucket and region come from environments/<environment>/backend.hcl.
  backend "s3" {
    key          = "oidc-s3/foundation-cognito.tfstate"
    encrypt      = true
    use_lockfile = true
    # Terraform before 1.10 has no lock file in S3. A table with the hash key LockID does instead:
    # dynamodb_table = "terraform-locks"
  }
}

provider "aws" {
  region = var.aws_region

  default_tags {
    tags = merge(var.common_tags, {
      Project     = var.project
      Environment = var.environment
      ManagedBy   = "terraform"
    })
  }
}
