# One file for the foundations of all identity providers: each takes what it declares, and terraform warns of the rest.
environment = "dev"
aws_region  = "eu-west-1"

# auth0
auth0_domain = "your-tenant.eu.auth0.com"

# entra
# tenant_id = "00000000-0000-0000-0000-000000000000"

# Where an environment has several identity providers, one foundation makes the bucket, and the others are given
# -var 'bucket={create=false,name="oidc-s3-dev-uploads"}'.
bucket = {
  force_destroy = true
}
