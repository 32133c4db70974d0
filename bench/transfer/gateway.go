package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// The gateway's only user. It lives as long as the run.
const (
	accessKey = "AKIABENCH"
	secretKey = "bench-secret-of-this-run-only"
	region    = "us-east-1"
	bucket    = "bench"
)

// gateway is versitygw, and an identity provider and a vending API that give its keys to oidcs3-upload.
type gateway struct {
	address  string // host:port
	ca       string // PEM file
	data     string // the bucket's directory
	config   string // of oidcs3-upload
	identity *httptest.Server
	process  *exec.Cmd
}

func startGateway(ctx context.Context, dir string) (*gateway, error) {
	g := &gateway{ca: filepath.Join(dir, "ca.pem"), data: filepath.Join(dir, "s3"), config: filepath.Join(dir, "config.json")}
	cert, err := certificate(g.ca, filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g.address = l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(g.data, 0o700); err != nil {
		return nil, err
	}
	g.process = exec.CommandContext(ctx, "versitygw", "--port", g.address, "--cert", g.ca, "--key", filepath.Join(dir, "key.pem"),
		"--region", region, "--keep-alive", "--quiet", "posix", g.data) // #nosec G204 -- our own arguments
	g.process.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID="+accessKey, "ROOT_SECRET_ACCESS_KEY="+secretKey)
	g.process.Stderr = os.Stderr
	if err := g.process.Start(); err != nil {
		return nil, fmt.Errorf("start versitygw (go install github.com/versity/versitygw/cmd/versitygw@v1.8.0): %w", err)
	}
	g.identity = identity(cert)
	if err := g.configure(); err != nil {
		return nil, err
	}
	for range 100 {
		if c, err := net.Dial("tcp", g.address); err == nil {
			return g, c.Close() // compare makes the bucket
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, fmt.Errorf("versitygw does not listen on %s", g.address)
}

func (g *gateway) stop() {
	g.identity.Close()
	_ = g.process.Process.Kill()
	_ = g.process.Wait()
}

func (g *gateway) endpoint() string { return "https://" + g.address }

func (g *gateway) configure() error {
	host := g.identity.Listener.Addr().String()
	text, err := json.Marshal(map[string]string{"identity_provider": "cognito", "cognito_domain": host, "cognito_client_id": "bench",
		"cognito_scopes": "uploads/write", "credential_vending_url": "https://" + host, "aws_region": region, "s3_bucket": bucket,
		"s3_path_prefix": "ours/", "server_name": "bench"})
	if err != nil {
		return err
	}
	return os.WriteFile(g.config, text, 0o600)
}

// identity gives a token to everybody, and the gateway's keys for it.
func identity(cert tls.Certificate) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/credentials" {
			_, _ = fmt.Fprintf(w, `{"AccessKeyId":%q,"SecretAccessKey":%q,"Expiration":%q}`, accessKey, secretKey, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"opaque","token_type":"Bearer","expires_in":3600}`)
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	return s
}

// certificate makes one for loopback, which is its own authority.
func certificate(certFile, keyFile string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "oidcs3 bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	var certPEM, keyPEM bytes.Buffer
	_ = pem.Encode(&certPEM, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	_ = pem.Encode(&keyPEM, &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	if err := os.WriteFile(certFile, certPEM.Bytes(), 0o600); err != nil {
		return tls.Certificate{}, err
	}
	if err := os.WriteFile(keyFile, keyPEM.Bytes(), 0o600); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certPEM.Bytes(), keyPEM.Bytes())
}
