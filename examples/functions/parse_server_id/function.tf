# { environment = "dev", server_name = "server-01" }
output "server" {
  value = provider::oidcs3::parse_server_id("arn:aws:iam::123456789012:role/oidc-s3-dev-server-01", "oidc-s3", "dev", "prod")
}
