output "server_configurations" {
  description = "Configuration file of each server's oidcs3-upload. No secret is in it."
  value       = { for name, server in oidcs3_server_access.this : name => jsondecode(server.server_configuration) }
}

output "server_secrets" {
  description = "Client secret of each server that has one."
  value       = { for name, server in oidcs3_server_access.this : name => server.client_secret if var.servers[name].public_key_pem == null }
  sensitive   = true
}

output "server_permissions" {
  description = "Permission level of each server."
  value       = { for name, server in oidcs3_server_access.this : name => server.s3_permissions }
}
