# State bucket of the environment, the same for all layers. It exists before Terraform: versioned, private, not the
# bucket that servers write to. Each layer's key stands in its backend block.
bucket = "oidc-s3-dev-terraform-state"
region = "eu-west-1"
