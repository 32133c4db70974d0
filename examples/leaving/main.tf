# The way out: oidcs3 forgets the servers and destroys nothing. This stands in place of the resource block.

terraform {
  required_version = ">= 1.7"

  required_providers {
    oidcs3 = {
      source = "oidcs3/oidcs3"
    }
  }
}

provider "oidcs3" {
  environment = "dev"
}

removed {
  from = oidcs3_server_access.this

  lifecycle {
    destroy = false
  }
}
