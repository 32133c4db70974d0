# Credentials come from the environment: AWS_*, and what the identity providers in use need (AUTH0_*, ARM_*).
provider "oidcs3" {
  project     = var.project
  environment = var.environment

  default_tags = merge(var.common_tags, {
    Project     = var.project
    Environment = var.environment
    ManagedBy   = "terraform"
  })
}
