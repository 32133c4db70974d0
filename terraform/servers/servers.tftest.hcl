# terraform init -backend=false && terraform test: no account and no state are needed.

mock_provider "oidcs3" {
  mock_resource "oidcs3_server_access" {
    defaults = {
      server_configuration = "{\"identity_provider\":\"auth0\"}"
      client_secret        = "a secret"
    }
  }
}

override_data {
  target = data.terraform_remote_state.foundation
  values = {
    outputs = {
      project     = "oidc-s3"
      environment = "dev"
      bucket_name = "oidc-s3-dev-uploads"
      kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
      auth0 = {
        audience          = "https://oidc-s3-uploads.dev.example.com"
        oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/tenant.eu.auth0.com/"
      }
    }
  }
}

variables {
  environment      = "dev"
  foundation_state = { bucket = "oidc-s3-dev-terraform-state", region = "eu-west-1" }
}

run "the_foundation_reaches_every_server" {
  variables {
    servers = {
      "log-shipper" = { s3_path_prefix = "logs/log-shipper/" }
      "data-sync"   = { s3_path_prefix = "sync/", s3_permissions = "full", max_session_duration = 7200 }
      "vault-01" = {
        s3_path_prefix = "vault/"
        tags           = { Team = "vault" }
        public_key_pem = <<-EOT
          -----BEGIN PUBLIC KEY-----
          MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuKbeRPRECb3Kh28q0Dwm
          jAe0TbeG9KYGoYQRV6QkYLFM9vYBekx6BNJIbS2dYnn5qxUYj4sylH2KQnH/sh9i
          2C6RGxW2zWnpwIZL1QoMBv7dZ6OZFijXXVFrSJEa4NxeTA0crfQocwHph2750+N7
          UsVCYL85TkV4Wm+Dfh2HfzFMv0RLZl7A80/0UVI6J9JNm+Mf+k2BBBRhU1Cp6W8q
          8YIY1JRrGLjQ2WJE64TdIk2J3PSZIHJ3g2Cob8g5S973R8FVbryaMNlbpl1AhPDM
          a9bKnp5nks42dt0eWTQKfmFazqSI77fYg8NeMW4X3yMaQ3geMAkz7GUPGk95v6rB
          qwIDAQAB
          -----END PUBLIC KEY-----
        EOT
      }
    }
  }

  assert {
    condition     = alltrue([for server in values(oidcs3_server_access.this) : server.bucket_name == "oidc-s3-dev-uploads"])
    error_message = "A server has another bucket than the foundation's."
  }
  assert {
    condition     = alltrue([for server in values(oidcs3_server_access.this) : server.auth0.oidc_provider_arn == "arn:aws:iam::123456789012:oidc-provider/tenant.eu.auth0.com/"])
    error_message = "A server trusts another OIDC provider than the foundation's."
  }
  assert {
    condition     = alltrue([for server in values(oidcs3_server_access.this) : endswith(server.kms_key_arn, "555555555555") && server.permissions_boundary == null])
    error_message = "Key and boundary are the foundation's; what it does not have is null."
  }
  assert {
    condition     = oidcs3_server_access.this["log-shipper"].s3_permissions == "write" && oidcs3_server_access.this["data-sync"].s3_permissions == "full"
    error_message = "A server may write unless it says otherwise."
  }
  assert {
    condition     = alltrue([for name, server in oidcs3_server_access.this : server.tags["S3PathPrefix"] == server.s3_path_prefix && server.tags["Server"] == name])
    error_message = "The bucket policy goes by the tag S3PathPrefix."
  }
  assert {
    condition     = oidcs3_server_access.this["vault-01"].tags["Team"] == "vault" && oidcs3_server_access.this["vault-01"].client_authentication.method == "private_key_jwt"
    error_message = "Tags and public key of a server are its own."
  }
  assert {
    condition     = keys(output.server_configurations) == ["data-sync", "log-shipper", "vault-01"] && keys(output.server_secrets) == ["data-sync", "log-shipper"]
    error_message = "Each server has a configuration, and each without a key of its own a secret."
  }
}

run "a_server_cannot_use_what_the_environment_does_not_have" {
  command = plan

  variables {
    servers = { "web-01" = { s3_path_prefix = "web/", identity_provider = "entra" } }
  }

  expect_failures = [oidcs3_server_access.this["web-01"]]
}

run "a_prefix_ends_in_a_slash" {
  command = plan

  variables {
    servers = { "web-01" = { s3_path_prefix = "web" } }
  }

  expect_failures = [var.servers]
}

run "an_unknown_identity_provider" {
  command = plan

  variables {
    identity_providers = ["okta"]
  }

  expect_failures = [var.identity_providers]
}
