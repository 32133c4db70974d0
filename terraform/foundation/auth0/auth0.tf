resource "auth0_resource_server" "uploads" {
  name        = "${var.project}-${var.environment}-uploads"
  identifier  = coalesce(var.audience, "https://${var.project}-uploads.${var.environment}.example.com")
  signing_alg = "RS256" # the one that AWS STS takes, and the tenant's keys are published

  # The default dialect puts the client id into azp, which STS takes for the audience: the API's identifier would then
  # match nothing. This one has no azp.
  token_dialect    = "rfc9068_profile"
  token_lifetime   = var.token_lifetime
  enforce_policies = false

  allow_offline_access = false
}

# The issuer ends in a slash, and so does the provider's ARN.
resource "aws_iam_openid_connect_provider" "auth0" {
  url            = "https://${var.auth0_domain}/"
  client_id_list = [auth0_resource_server.uploads.identifier]
}
