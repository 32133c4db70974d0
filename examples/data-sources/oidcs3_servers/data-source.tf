data "oidcs3_servers" "all" {}

# What an interrupted apply has left: the next one goes on with it.
output "unfinished" {
  value = [for server in data.oidcs3_servers.all.servers : server.id if server.phase != "ready"]
}
