# What servers of Entra ID build on: the API's application, the IAM OIDC provider that trusts the tenant, and the bucket.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0, < 7.0"
    }
    azuread = {
      source  = "hashicorp/azuread"
      version = ">= 3.0, < 4.0"
    }
  }

  # Bucket and region come from environments/<environment>/backend.hcl.
  backend "s3" {
    key          = "oidc-s3/foundation-entra.tfstate"
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

# Credentials come from ARM_TENANT_ID, ARM_CLIENT_ID and ARM_CLIENT_SECRET, or az login.
provider "azuread" {
  tenant_id = var.tenant_id
}
