# The configuration file of a host whose access is made by other means.
output "host_config" {
  value = provider::oidcs3::host_config({
    identity_provider = "auth0"
    auth0_domain      = "tenant.eu.auth0.com"
    auth0_client_id   = "abcdefghijklmnopqrstuvwxyz012345"
    auth0_audience    = "https://s3.example.com/uploads"
    aws_role_arn      = "arn:aws:iam::123456789012:role/oidc-s3-dev-server-01"
    aws_region        = "eu-west-1"
    s3_bucket         = "company-uploads-dev"
    s3_path_prefix    = "backups/server-01/"
    server_name       = "server-01"
  })
}
