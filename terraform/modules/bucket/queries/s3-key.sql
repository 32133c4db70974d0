-- The requester of a session is arn:…:assumed-role/<role>/<server>.
SELECT requested_at, split_part(requester, '/', 3) AS server, split_part(requester, '/', 2) AS role, operation, http_status, remote_ip
FROM ${table}
WHERE url_decode(url_decode(key)) = ? AND http_status LIKE '2%'
  AND (operation LIKE 'REST.PUT.%' OR operation LIKE 'REST.POST.UPLOAD%' OR operation LIKE 'REST.COPY.%' OR operation LIKE '%DELETE%')
ORDER BY parse_datetime(requested_at, 'dd/MMM/yyyy:HH:mm:ss Z') DESC
