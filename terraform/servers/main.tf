# The layer that changes often: one entry of var.servers per server. It reads what the foundation layers left in their
# states, and its only provider is oidcs3.

terraform {
  required_version = ">= 1.11"

  required_providers {
    oidcs3 = {
      source = "oidcs3/oidcs3"
    }
  }

  # Bucket and region come from environments/<environment>/backend.hcl.
  backend "s3" {
    key          = "oidc-s3/servers.tfstate"
    encrypt      = true
    use_lockfile = true
    # Terraform before 1.10 has no lock file in S3. A table with the hash key LockID does instead:
    # dynamodb_table = "terraform-locks"
  }
}

data "terraform_remote_state" "foundation" {
  for_each = var.identity_providers
  backend  = "s3"

  config = {
    bucket = var.foundation_state.bucket
    region = var.foundation_state.region
    key    = "oidc-s3/foundation-${each.key}.tfstate"
  }
}

locals {
  foundation = { for name, state in data.terraform_remote_state.foundation : name => state.outputs }

  # The only identity provider of the environment is everybody's; where there are several, each server names its own.
  default_identity_provider = length(var.identity_providers) == 1 ? one(var.identity_providers) : null

  servers = {
    for name, server in var.servers : name => merge(server, {
      identity_provider = coalesce(server.identity_provider, local.default_identity_provider, "unset")
    })
  }
}
