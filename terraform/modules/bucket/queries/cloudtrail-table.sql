-- https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
CREATE EXTERNAL TABLE IF NOT EXISTS ${table} (
  eventtime string, eventname string, sourceipaddress string, errorcode string, errormessage string,
  requestparameters string, requestid string, eventid string,
  useridentity struct<type: string, principalid: string, arn: string, accountid: string,
    sessioncontext: struct<sessionissuer: struct<arn: string, username: string>>>
)
ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'
STORED AS INPUTFORMAT 'com.amazon.emr.cloudtrail.CloudTrailInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION '${location}'
