# Hand a server's secret to a write-only argument of another provider, so that it is in no state.
ephemeral "oidcs3_client_secret" "web" {
  server_name = "web-01"
}
