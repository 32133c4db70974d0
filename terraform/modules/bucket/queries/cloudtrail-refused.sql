SELECT eventtime, useridentity.arn AS caller, eventname, json_extract_scalar(requestparameters, '$.key') AS key, errorcode, errormessage, sourceipaddress
FROM ${table}
WHERE errorcode = 'AccessDenied'
ORDER BY eventtime DESC
