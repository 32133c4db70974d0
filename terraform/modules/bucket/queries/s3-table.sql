-- The fields of https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html up to the error code; the rest in one.
CREATE EXTERNAL TABLE IF NOT EXISTS ${table} (
  bucket_owner string, bucket string, requested_at string, remote_ip string, requester string, request_id string,
  operation string, key string, request_uri string, http_status string, error_code string, rest string
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe'
WITH SERDEPROPERTIES (
  'input.regex' = '([^ ]*) ([^ ]*) [[]([^]]*)[]] ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ("[^"]*"|-) ([^ ]*) ([^ ]*)(.*)'
)
LOCATION '${location}'
