# terraform apply -invoke=action.oidcs3_disable_server.backup
action "oidcs3_disable_server" "backup" {
  config {
    server_name = "backup-server-01"
  }
}
