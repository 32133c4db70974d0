import {
  to = oidcs3_server_access.backup
  id = "dev/backup-server-01"
}
