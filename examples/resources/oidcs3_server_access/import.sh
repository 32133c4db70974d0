# By <environment>/<server_name>, or by <server_name> in the provider's environment.
terraform import oidcs3_server_access.backup dev/backup-server-01

# By the role: its name or its ARN.
terraform import oidcs3_server_access.backup oidc-s3-dev-backup-server-01
