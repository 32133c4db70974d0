SELECT requested_at, operation, url_decode(url_decode(key)) AS key, http_status, error_code, remote_ip
FROM ${table}
WHERE split_part(requester, '/', 3) = ?
ORDER BY parse_datetime(requested_at, 'dd/MMM/yyyy:HH:mm:ss Z') DESC
