output "permissions_policy" {
  value = provider::oidcs3::permissions_policy({
    bucket_name    = "company-uploads-dev"
    s3_path_prefix = "backups/server-01/"
    s3_permissions = "read-write"
  })
}
