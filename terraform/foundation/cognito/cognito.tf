resource "aws_cognito_user_pool" "uploads" {
  name                = "${var.project}-${var.environment}"
  deletion_protection = var.environment == "prod" ? "ACTIVE" : "INACTIVE"

  # It holds app clients; nobody signs in to it.
  admin_create_user_config {
    allow_admin_create_user_only = true
  }
}

resource "aws_cognito_user_pool_domain" "uploads" {
  domain       = coalesce(var.domain, "${var.project}-${var.environment}-${data.aws_caller_identity.current.account_id}")
  user_pool_id = aws_cognito_user_pool.uploads.id
}

# Hosts ask for write, and for read where their permission level has it.
resource "aws_cognito_resource_server" "uploads" {
  identifier   = coalesce(var.resource_server_identifier, "https://${var.project}-uploads.${var.environment}.example.com")
  name         = "${var.project}-${var.environment}-uploads"
  user_pool_id = aws_cognito_user_pool.uploads.id

  scope {
    scope_name        = "read"
    scope_description = "Download and list."
  }
  scope {
    scope_name        = "write"
    scope_description = "Upload."
  }
}

# Which client may become which role. The servers layer writes it, the vending service reads it.
resource "aws_dynamodb_table" "client_roles" {
  name                        = "${var.project}-${var.environment}-client-roles"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "client_id"
  deletion_protection_enabled = var.environment == "prod"

  attribute {
    name = "client_id"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}
