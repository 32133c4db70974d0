SELECT eventtime, eventname, json_extract_scalar(requestparameters, '$.key') AS key, errorcode, sourceipaddress
FROM ${table}
WHERE split_part(useridentity.principalid, ':', 2) = ?
ORDER BY eventtime DESC
