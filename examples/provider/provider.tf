terraform {
  required_providers {
    oidcs3 = {
      source = "oidcs3/oidcs3"
    }
  }
}

# Credentials come from the environment: AWS_*; AUTH0_DOMAIN, AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET for Auth0; ARM_TENANT_ID,
# ARM_CLIENT_ID and ARM_CLIENT_SECRET for Entra ID. Only what the servers use is needed.
provider "oidcs3" {
  environment = "dev"

  default_tags = {
    ManagedBy = "terraform"
  }
}
