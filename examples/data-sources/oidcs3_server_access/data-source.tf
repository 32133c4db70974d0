data "oidcs3_server_access" "web" {
  server_name = "web-01"
}

# Somebody else's configuration made it; the bucket's policy may be yours.
output "role_of_web_01" {
  value = data.oidcs3_server_access.web.role_arn
}
