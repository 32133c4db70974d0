# Both blocks may go once this has been applied.

# The module's resources leave the state; nothing is destroyed. This stands in place of the module block.
removed {
  from = module.server_access

  lifecycle {
    destroy = false
  }
}

# What they described comes into the state as the servers' access.
import {
  for_each = var.servers

  to = oidcs3_server_access.this[each.key]
  id = "${var.environment}/${each.key}"
}
