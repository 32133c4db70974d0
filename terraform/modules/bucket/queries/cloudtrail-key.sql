-- The principal of a session is <role id>:<server>.
SELECT eventtime, split_part(useridentity.principalid, ':', 2) AS server, useridentity.sessioncontext.sessionissuer.username AS role,
  eventname, sourceipaddress
FROM ${table}
WHERE json_extract_scalar(requestparameters, '$.key') = ? AND errorcode IS NULL
  AND eventname IN ('PutObject', 'CompleteMultipartUpload', 'CopyObject', 'DeleteObject', 'DeleteObjects')
ORDER BY eventtime DESC
