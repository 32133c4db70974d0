SELECT requested_at, requester, operation, url_decode(url_decode(key)) AS key, error_code, remote_ip
FROM ${table}
WHERE http_status = '403'
ORDER BY parse_datetime(requested_at, 'dd/MMM/yyyy:HH:mm:ss Z') DESC
