# terraform query -generate-config-out=servers.tf
list "oidcs3_server_access" "dev" {
  provider = oidcs3

  config {
    environment = "dev"
  }
}
