# terraform apply -invoke=action.oidcs3_rotate_secret.backup
action "oidcs3_rotate_secret" "backup" {
  config {
    server_name    = "backup-server-01"
    allow_downtime = true # at Auth0, where the former secret ends at once
  }
}
