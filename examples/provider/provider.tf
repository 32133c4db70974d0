terraform {
  required_providers {
    oidcs3 = {
      source = "oidcs3/oidcs3"
    }
  }
}

# Credentials come from the environment: AWS_*, AUTH0_DOMAIN, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET.
provider "oidcs3" {
  environment = "dev"

  default_tags = {
    ManagedBy = "terraform"
  }
}
