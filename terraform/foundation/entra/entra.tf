data "azuread_client_config" "current" {}

locals {
  audience = coalesce(var.audience, "api://${var.tenant_id}/${var.project}-${var.environment}-uploads")
  issuer   = var.token_version == "v1" ? "https://sts.windows.net/${var.tenant_id}/" : "https://login.microsoftonline.com/${var.tenant_id}/v2.0"
}

resource "azuread_application" "uploads" {
  display_name            = "${var.project}-${var.environment}-uploads"
  description             = "Uploads of servers to S3. Servers ask for tokens for it; it has no users."
  sign_in_audience        = "AzureADMyOrg"
  identifier_uris         = [local.audience]
  prevent_duplicate_names = true
  owners                  = [data.azuread_client_config.current.object_id]

  api {
    requested_access_token_version = var.token_version == "v1" ? 1 : 2
  }

  # What a server is assigned to where assignment is required.
  app_role {
    allowed_member_types = ["Application"]
    description          = "May exchange its tokens for AWS credentials."
    display_name         = "Upload"
    enabled              = true
    id                   = uuidv5("url", "${local.audience}/upload")
    value                = "upload"
  }
}

resource "azuread_service_principal" "uploads" {
  client_id                    = azuread_application.uploads.client_id
  app_role_assignment_required = var.assignment_required
  owners                       = [data.azuread_client_config.current.object_id]
}

resource "aws_iam_openid_connect_provider" "v1" {
  count = var.token_version == "v1" ? 1 : 0

  url            = local.issuer
  client_id_list = [local.audience]
}

# Its list belongs to the servers layer, which puts each server's client id on it.
resource "aws_iam_openid_connect_provider" "v2" {
  count = var.token_version == "v2" ? 1 : 0

  url            = local.issuer
  client_id_list = [azuread_application.uploads.client_id]

  lifecycle {
    ignore_changes = [client_id_list]
  }
}
