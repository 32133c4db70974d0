package cli_test

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"hash/crc64"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// cloud is what the sessions meet: three token endpoints, STS, a vending API and S3 on one port, with the faults that
// names ask for. It checks no signature and no policy: the sandbox does.
type cloud struct {
	server      *httptest.Server
	partStarted chan string // of an upload

	mu      sync.Mutex
	calls   map[string]int
	faults  map[string]*cloudFault
	objects map[string]stored
	uploads map[string]map[int][]byte
	keys    map[string]string // of uploads
	whole   bool              // bucket cut takes more than two parts
}

type cloudFault struct{ left, status int }

type stored struct {
	content     []byte
	contentType string
	header      http.Header
}

func newCloud() *cloud {
	c := &cloud{partStarted: make(chan string, 64), calls: map[string]int{}, faults: map[string]*cloudFault{}, objects: map[string]stored{}, uploads: map[string]map[int][]byte{}, keys: map[string]string{}}
	c.server = httptest.NewUnstartedServer(c)
	c.server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused certificates are what some sessions are about
	c.server.StartTLS()
	return c
}

func (c *cloud) close() { c.server.CloseClientConnections(); c.server.Close() }

func (c *cloud) certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.server.Certificate().Raw})
}

func (c *cloud) begin(w http.ResponseWriter, operation string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[operation]++
	f := c.faults[operation]
	if f == nil || f.left == 0 {
		return true
	}
	f.left--
	w.WriteHeader(f.status)
	return false
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/token"):
		if c.begin(w, "token") {
			serveToken(w, r)
		}
	case r.URL.Path == "/vending/credentials":
		if c.begin(w, "vending") {
			serveVending(w, r)
		}
	case r.URL.Path == "/":
		if c.begin(w, "assume") {
			serveSTS(w, r)
		}
	default:
		c.serveS3(w, r)
	}
}

func serveToken(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fields := map[string]string{}
	if json.Unmarshal(body, &fields) != nil {
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		_ = r.ParseForm()
		for k := range r.PostForm {
			fields[k] = r.PostForm.Get(k)
		}
	}
	if id, secret, ok := r.BasicAuth(); ok {
		secret = strings.ReplaceAll(secret, "+", " ")
		fields["client_id"], fields["client_secret"] = id, secret
	}
	if fields["client_secret"] != "correct horse" && fields["client_assertion"] == "" {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"the secret is wrong"}`)
		return
	}
	header, claims := `{"typ":"JWT"}`, map[string]any{"iss": "https://tenant.example/", "aud": fields["audience"] + fields["scope"], "sub": fields["client_id"] + "@clients", "client_id": fields["client_id"], "exp": time.Now().Add(time.Hour).Unix()}
	switch fields["audience"] {
	case "urn:azp":
		claims["azp"] = fields["client_id"]
	case "urn:rfc9068":
		header = `{"typ":"at+jwt"}`
	}
	text, _ := json.Marshal(claims)
	b64 := base64.RawURLEncoding.EncodeToString
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": b64([]byte(header)) + "." + b64(text) + ".c2ln", "token_type": "Bearer", "expires_in": 3600})
}

func serveVending(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.Header.Get("Authorization"), ".")
	claims := ""
	if len(parts) == 3 {
		text, _ := base64.RawURLEncoding.DecodeString(parts[1])
		claims = string(text)
	}
	if strings.Contains(claims, `"client_id":"unmapped"`) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"code":"NotMapped","message":"no role for this client"}`)
		return
	}
	_, _ = fmt.Fprintf(w, `{"AccessKeyId":"ASIAVENDED","SecretAccessKey":"s","Token":"t","Expiration":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

func serveSTS(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	refuse := func(status int, code, message string) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>req-1</RequestId></ErrorResponse>`, code, message)
	}
	switch role := r.PostForm.Get("RoleArn"); {
	case strings.HasSuffix(role, "/denied"):
		refuse(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	case strings.HasSuffix(role, "/invalid"):
		refuse(400, "InvalidIdentityToken", "Incorrect token audience")
	default:
		_, _ = fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA%s</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
			strings.ToUpper(strings.ReplaceAll(r.PostForm.Get("RoleSessionName"), "-", "")), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}
}

func refuseS3(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Amz-Request-Id", "REQ1")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<Error><Code>%s</Code><Message>%s</Message></Error>`, code, message)
}

func (c *cloud) serveS3(w http.ResponseWriter, r *http.Request) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	trailing := strings.Contains(r.Header.Get("X-Amz-Content-Sha256"), "TRAILER")
	switch {
	case bucket == "missing":
		refuseS3(w, 404, "NoSuchBucket", "The specified bucket does not exist")
		return
	case bucket == "elsewhere":
		w.Header().Set("X-Amz-Bucket-Region", "us-east-2")
		refuseS3(w, 301, "PermanentRedirect", "The bucket must be addressed elsewhere")
		return
	case bucket == "skewed":
		refuseS3(w, 403, "RequestTimeTooSkewed", "The difference is too large")
		return
	case bucket == "old" && trailing:
		refuseS3(w, 501, "NotImplemented", "A header you provided implies functionality that is not implemented")
		return
	case bucket == "neighbour" || strings.HasPrefix(key, "web-02/") || strings.HasSuffix(key, "/forbidden"):
		refuseS3(w, 403, "AccessDenied", "Access Denied")
		return
	}
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodGet && q.Has("uploads"):
		c.pending(w, bucket, q.Get("prefix"))
	case r.Method == http.MethodGet && q.Has("uploadId"):
		c.listParts(w, q.Get("uploadId"))
	case r.Method == http.MethodGet && key == "":
		c.list(w, q.Get("prefix"))
	case r.Method == http.MethodPost && q.Has("uploads"):
		c.create(w, bucket, key)
	case r.Method == http.MethodPut && q.Has("partNumber"):
		c.part(w, r, bucket, q.Get("uploadId"), q.Get("partNumber"))
	case r.Method == http.MethodPost:
		c.complete(w, r, key, q.Get("uploadId"))
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		c.mu.Lock()
		delete(c.uploads, q.Get("uploadId"))
		c.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut:
		c.put(w, r, key)
	case r.Method == http.MethodDelete:
		c.mu.Lock()
		delete(c.objects, key)
		c.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	default:
		c.get(w, r, key)
	}
}

func (c *cloud) list(w http.ResponseWriter, prefix string) {
	if prefix == "" || !strings.HasPrefix(prefix, "web-01/") {
		refuseS3(w, 403, "AccessDenied", "Access Denied")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = io.WriteString(w, `<ListBucketResult><IsTruncated>false</IsTruncated>`)
	for _, k := range slices.Sorted(maps.Keys(c.objects)) {
		if strings.HasPrefix(k, prefix) {
			_, _ = fmt.Fprintf(w, `<Contents><Key>%s</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>%d</Size></Contents>`, k, len(c.objects[k].content))
		}
	}
	_, _ = io.WriteString(w, `</ListBucketResult>`)
}

// body reads a request's body and the checksum that came with it, decoding aws-chunked.
func body(r *http.Request) (content []byte, sum string, err error) {
	sum = r.Header.Get("X-Amz-Checksum-Crc64nvme")
	if !strings.Contains(r.Header.Get("X-Amz-Content-Sha256"), "TRAILER") {
		content, err = io.ReadAll(r.Body)
		return content, sum, err
	}
	in := bufio.NewReader(r.Body)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, "", err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 64)
		if err != nil {
			return nil, "", err
		}
		if n == 0 {
			break
		}
		chunk := make([]byte, n+2)
		if _, err := io.ReadFull(in, chunk); err != nil {
			return nil, "", err
		}
		content = append(content, chunk[:n]...)
	}
	rest, err := io.ReadAll(in)
	for line := range strings.Lines(string(rest)) {
		if v, ok := strings.CutPrefix(line, "x-amz-checksum-crc64nvme:"); ok {
			sum = strings.TrimSpace(v)
		}
	}
	return content, sum, err
}

func nvme(content []byte) string {
	h := crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5))
	_, _ = h.Write(content)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func (c *cloud) put(w http.ResponseWriter, r *http.Request, key string) {
	content, sum, err := body(r)
	if err != nil || !c.begin(w, "put") {
		return
	}
	if sum != "" && sum != nvme(content) {
		refuseS3(w, 400, "BadDigest", "The checksum did not match")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.objects[key]; there && r.Header.Get("If-None-Match") == "*" {
		refuseS3(w, 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
		return
	}
	c.objects[key] = stored{content, r.Header.Get("Content-Type"), r.Header}
	w.Header().Set("ETag", `"`+hex.EncodeToString([]byte(nvme(content)))+`"`)
	w.Header().Set("X-Amz-Checksum-Crc64nvme", nvme(content))
}

func (c *cloud) create(w http.ResponseWriter, bucket, key string) {
	if !c.begin(w, "create") {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id := fmt.Sprintf("upload-%d", c.calls["create"])
	c.uploads[id], c.keys[id] = map[int][]byte{}, key
	_, _ = fmt.Fprintf(w, `<InitiateMultipartUploadResult><Bucket>%s</Bucket><Key>%s</Key><UploadId>%s</UploadId></InitiateMultipartUploadResult>`, bucket, key, id)
}

func (c *cloud) listParts(w http.ResponseWriter, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	parts, there := c.uploads[id]
	if !there {
		refuseS3(w, 404, "NoSuchUpload", "The specified upload does not exist.")
		return
	}
	_, _ = io.WriteString(w, `<ListPartsResult><IsTruncated>false</IsTruncated>`)
	for _, n := range slices.Sorted(maps.Keys(parts)) {
		_, _ = fmt.Fprintf(w, `<Part><PartNumber>%d</PartNumber><ETag>&quot;p%d&quot;</ETag><Size>%d</Size><ChecksumCRC64NVME>%s</ChecksumCRC64NVME></Part>`, n, n, len(parts[n]), nvme(parts[n]))
	}
	_, _ = io.WriteString(w, `</ListPartsResult>`)
}

func (c *cloud) pending(w http.ResponseWriter, bucket, prefix string) {
	if bucket == "unlistable" || !strings.HasPrefix(prefix, "web-01/") {
		refuseS3(w, 403, "AccessDenied", "Access Denied")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = io.WriteString(w, `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>`)
	for _, id := range slices.Sorted(maps.Keys(c.uploads)) {
		_, _ = fmt.Fprintf(w, `<Upload><Key>%s</Key><UploadId>%s</UploadId><Initiated>%s</Initiated></Upload>`, c.keys[id], id, time.Now().UTC().Format(time.RFC3339))
	}
	_, _ = io.WriteString(w, `</ListMultipartUploadsResult>`)
}

func (c *cloud) part(w http.ResponseWriter, r *http.Request, bucket, id, number string) {
	select {
	case c.partStarted <- id:
	default:
	}
	c.mu.Lock()
	enough := bucket == "cut" && !c.whole && len(c.uploads[id]) >= 2
	c.mu.Unlock()
	if bucket == "slow" || enough {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		return
	}
	content, sum, err := body(r)
	if err != nil || !c.begin(w, "part") {
		return
	}
	if sum != "" && sum != nvme(content) {
		refuseS3(w, 400, "BadDigest", "The checksum did not match")
		return
	}
	n, _ := strconv.Atoi(number)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uploads[id][n] = content
	w.Header().Set("ETag", `"p`+number+`"`)
	w.Header().Set("X-Amz-Checksum-Crc64nvme", nvme(content))
}

func (c *cloud) complete(w http.ResponseWriter, r *http.Request, key, id string) {
	var in struct {
		Part []struct{ PartNumber int }
	}
	_ = xml.NewDecoder(r.Body).Decode(&in)
	c.mu.Lock()
	defer c.mu.Unlock()
	parts := c.uploads[id]
	if !sort.SliceIsSorted(in.Part, func(i, j int) bool { return in.Part[i].PartNumber < in.Part[j].PartNumber }) || len(in.Part) != len(parts) {
		refuseS3(w, 400, "InvalidPartOrder", "parts")
		return
	}
	var content []byte
	for _, p := range in.Part {
		content = append(content, parts[p.PartNumber]...)
	}
	if sum := r.Header.Get("X-Amz-Checksum-Crc64nvme"); sum != "" && sum != nvme(content) {
		refuseS3(w, 400, "BadDigest", "The whole checksum did not match")
		return
	}
	delete(c.uploads, id)
	c.objects[key] = stored{content: content}
	_, _ = fmt.Fprintf(w, `<CompleteMultipartUploadResult><ETag>&quot;m&quot;</ETag><ChecksumCRC64NVME>%s</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType></CompleteMultipartUploadResult>`, nvme(content))
}

func (c *cloud) get(w http.ResponseWriter, r *http.Request, key string) {
	if !c.begin(w, strings.ToLower(r.Method)) {
		return
	}
	c.mu.Lock()
	o, there := c.objects[key]
	c.mu.Unlock()
	if !there {
		refuseS3(w, 404, "NoSuchKey", "The specified key does not exist.")
		return
	}
	etag := `"` + hex.EncodeToString([]byte(nvme(o.content))) + `"`
	if strings.HasSuffix(key, "/replaced") && r.Method == http.MethodGet {
		etag = `"other"`
	}
	w.Header().Set("ETag", etag)
	sum := nvme(o.content)
	if strings.HasSuffix(key, "/damaged") {
		sum = nvme([]byte("something else"))
	}
	if r.Method == http.MethodHead {
		w.Header().Set("X-Amz-Checksum-Crc64nvme", sum)
		w.Header().Set("X-Amz-Checksum-Type", "FULL_OBJECT")
	}
	http.ServeContent(w, r, "", time.Unix(1_700_000_000, 0), strings.NewReader(string(o.content)))
}
