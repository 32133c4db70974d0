# The trust policy of a role that is made by other means.
output "trust_policy" {
  value = provider::oidcs3::trust_policy({
    mode              = "plain"
    oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/tenant.eu.auth0.com/"
    audience          = "https://s3.example.com/uploads"
    subject           = "abcdefghijklmnopqrstuvwxyz012345@clients"
  })
}
