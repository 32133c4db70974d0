// Package sandbox puts the clouds together: Auth0, Entra ID, IAM, STS and S3 in one process on loopback, over TLS with a CA of its
// own, with a foundation that a platform team would have made, a journal of every call, and faults on demand.
//
// It shares no code with the product beyond the standard library and JOSE: a shared mistake would cancel itself out.
package sandbox

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/auth0"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/cognito"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/dynamodb"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/entra"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/lambda"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/s3"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/secretsmanager"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/ssm"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/sts"
)

// Options say how to run a sandbox. Only Dir is required.
type Options struct {
	Dir       string           // where env, endpoints.json and ca.pem are written; it must exist
	Listen    string           // address to listen on; default 127.0.0.1
	Host      string           // name by which clients reach it, where it is not the address
	TLSSANs   []string         // further host names and addresses that the certificate is valid for
	AccountID string           // default 123456789012
	Region    string           // default eu-west-1; the partition is the region's
	Now       func() time.Time // default time.Now
	Log       io.Writer        // where the HTTP servers complain; default nowhere
	// VendingBinary is the oidcs3-vending that runs behind an HTTP API, as AWS Lambda would run it. Empty: there is no
	// credential vending.
	VendingBinary string
}

const (
	defaultListen  = "127.0.0.1"
	defaultAccount = "123456789012"
	defaultRegion  = "eu-west-1"
)

func (o *Options) setDefaults() {
	if o.Listen == "" {
		o.Listen = defaultListen
	}
	if o.AccountID == "" {
		o.AccountID = defaultAccount
	}
	if o.Region == "" {
		o.Region = defaultRegion
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
}

// partition is the region's.
// https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
func (o *Options) partition() string {
	switch {
	case strings.HasPrefix(o.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(o.Region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// names are those of the certificate that follow from the other options.
func (o *Options) names() []string {
	if o.Host == "" {
		return nil
	}
	return []string{o.Host}
}

// Sandbox is the running clouds.
type Sandbox struct {
	options   Options
	authority *authority
	edge      *edge.Edge
	servers   []*http.Server
	states    map[string]func(context.Context) any // what each service holds, by its name

	auth0  *auth0.Tenant
	entra  *entra.Tenant
	iam    *iam.Service
	engine *authz.Engine
	sts    *sts.Service
	s3     *s3.Service

	dynamodb *dynamodb.Service
	cognito  *cognito.Service
	function *lambda.Function // nil without Options.VendingBinary

	environment environment
	closing     sync.Once
	closed      error
}

// Start runs a sandbox until Close. The environment that leads clients to it is in Env and in Options.Dir.
func Start(ctx context.Context, options Options) (*Sandbox, error) {
	options.setDefaults()
	if err := options.checkDir(); err != nil {
		return nil, fmt.Errorf("start the sandbox: %w", err)
	}
	s := &Sandbox{options: options, edge: edge.New(options.Now), states: map[string]func(context.Context) any{}}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start the sandbox: %w", err), s.Close())
	}
	return s, nil
}

func (s *Sandbox) start(ctx context.Context) (err error) {
	if s.authority, err = newAuthority(s.options.Listen, append(s.options.names(), s.options.TLSSANs...)); err != nil {
		return err
	}
	if err := s.startAuth0(); err != nil {
		return err
	}
	if err := s.startEntra(); err != nil {
		return err
	}
	if err := s.startAWS(); err != nil {
		return err
	}
	if err := s.startAdmin(); err != nil {
		return err
	}
	if err := s.lay(ctx); err != nil {
		return fmt.Errorf("lay the foundation: %w", err)
	}
	return s.publish()
}

func (s *Sandbox) startAuth0() error {
	listener, address, err := s.listen()
	if err != nil {
		return err
	}
	if s.auth0, err = auth0.New(auth0.Config{Now: s.options.Now, Domain: address}); err != nil {
		return err
	}
	s.serve(listener, s.edge.Wrap(s.auth0))
	s.states["auth0"] = s.auth0.State
	return nil
}

func (s *Sandbox) startEntra() error {
	login, loginHost, err := s.listen()
	if err != nil {
		return err
	}
	graph, graphHost, err := s.listen()
	if err != nil {
		return errors.Join(err, login.Close())
	}
	if s.entra, err = entra.New(entra.Config{Now: s.options.Now, LoginHost: loginHost, GraphHost: graphHost}); err != nil {
		return errors.Join(err, login.Close(), graph.Close())
	}
	s.serve(login, s.edge.Wrap(s.entra.Login()))
	s.serve(graph, s.edge.Wrap(s.entra.Graph()))
	s.environment.loginHost, s.environment.graphURL = loginHost, "https://"+graphHost
	s.states["entra"] = s.entra.State
	return nil
}

func (s *Sandbox) startAWS() error {
	directory := iam.NewDirectory(iam.DirectoryConfig{Now: s.options.Now, AccountID: s.options.AccountID, Partition: s.options.partition()})
	s.engine = authz.New(authz.Config{Now: s.options.Now, AccountID: s.options.AccountID, Region: s.options.Region, Directory: directory})
	s.iam = iam.New(iam.Config{Directory: directory, Guard: s.engine})
	s.sts = sts.New(sts.Config{
		Now: s.options.Now, AccountID: s.options.AccountID, Partition: s.options.partition(), Directory: directory, Engine: s.engine, HTTPClient: s.Client(),
	})
	var err error
	s.s3, err = s3.New(s3.Config{Now: s.options.Now, AccountID: s.options.AccountID, Region: s.options.Region, Partition: s.options.partition(), Guard: s.engine})
	if err != nil {
		return err
	}
	s.states["iam"], s.states["sts"], s.states["s3"] = s.iam.State, s.sts.State, s.s3.State
	s.dynamodb = dynamodb.New(dynamodb.Config{
		Now: s.options.Now, AccountID: s.options.AccountID, Region: s.options.Region, Partition: s.options.partition(), Guard: s.engine,
	})
	domains, domainHost, err := s.listen()
	if err != nil {
		return err
	}
	s.cognito = cognito.New(cognito.Config{
		Now: s.options.Now, AccountID: s.options.AccountID, Region: s.options.Region, Partition: s.options.partition(), Guard: s.engine, Host: domainHost,
	})
	s.serve(domains, s.edge.Wrap(s.cognito.Domain()))
	s.environment.cognitoHost = domainHost
	secrets := secretsmanager.New(secretsmanager.Config{
		Now: s.options.Now, AccountID: s.options.AccountID, Region: s.options.Region, Partition: s.options.partition(), Guard: s.engine,
	})
	parameters := ssm.New(ssm.Config{
		Now: s.options.Now, AccountID: s.options.AccountID, Region: s.options.Region, Partition: s.options.partition(), Guard: s.engine,
	})
	s.states["dynamodb"], s.states["cognito"] = s.dynamodb.State, s.cognito.State
	s.states["secretsmanager"], s.states["ssm"] = secrets.State, parameters.State
	listener, address, err := s.listen()
	if err != nil {
		return err
	}
	s.environment.awsEndpoint = "https://" + address
	s.serve(listener, &dispatcher{
		query: []queryService{{s.iam, s.edge.Wrap(s.iam)}, {s.sts, s.edge.Wrap(s.sts)}},
		json: []jsonService{
			{s.dynamodb, s.edge.Wrap(s.dynamodb)}, {s.cognito, s.edge.Wrap(s.cognito)},
			{secrets, s.edge.Wrap(secrets)}, {parameters, s.edge.Wrap(parameters)},
		},
		object: s.edge.Wrap(s.s3),
	})
	return nil
}

// listen opens a port; address is what clients connect to.
func (s *Sandbox) listen() (listener net.Listener, address string, err error) {
	listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort(s.options.Listen, "0"))
	if err != nil {
		return nil, "", err
	}
	host := s.options.Listen
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = defaultListen
	}
	if s.options.Host != "" {
		host = s.options.Host
	}
	port := listener.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener has a TCP address
	return listener, net.JoinHostPort(host, strconv.Itoa(port)), nil
}

// serve answers on a listener over TLS and HTTP/1.1, which is what S3 speaks.
func (s *Sandbox) serve(listener net.Listener, handler http.Handler) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler: handler, TLSConfig: s.authority.serverConfig(), Protocols: protocols,
		ReadHeaderTimeout: 30 * time.Second, ErrorLog: log.New(s.options.Log, "", log.LstdFlags),
	}
	s.servers = append(s.servers, server)
	go func() { _ = server.ServeTLS(listener, "", "") }() // it ends when Close closes it
}

// Close ends the sandbox. What it held is gone; the files in Options.Dir stay.
func (s *Sandbox) Close() error {
	s.closing.Do(func() {
		for _, server := range s.servers {
			s.closed = errors.Join(s.closed, server.Close())
		}
		if s.function != nil {
			s.closed = errors.Join(s.closed, s.function.Close())
		}
		if s.s3 != nil {
			s.closed = errors.Join(s.closed, s.s3.Close())
		}
	})
	return s.closed
}

// Edge is where calls are recorded and faults, latency and limits are set.
func (s *Sandbox) Edge() *edge.Edge { return s.edge }

// Auth0 is the Auth0 tenant.
func (s *Sandbox) Auth0() *auth0.Tenant { return s.auth0 }

// Entra is the Entra tenant.
func (s *Sandbox) Entra() *entra.Tenant { return s.entra }

// IAM is the account's IAM.
func (s *Sandbox) IAM() *iam.Service { return s.iam }

// STS is the account's STS.
func (s *Sandbox) STS() *sts.Service { return s.sts }

// S3 is the account's S3.
func (s *Sandbox) S3() *s3.Service { return s.s3 }

// Cognito is the account's Cognito.
func (s *Sandbox) Cognito() *cognito.Service { return s.cognito }

// DynamoDB is the account's DynamoDB.
func (s *Sandbox) DynamoDB() *dynamodb.Service { return s.dynamodb }

// Authorization decides what callers may do; its SetRolePropagation delays what is changed in IAM.
func (s *Sandbox) Authorization() *authz.Engine { return s.engine }

// CertPool holds the sandbox's CA.
func (s *Sandbox) CertPool() *x509.CertPool { return s.authority.pool() }

// Client is an HTTP client that trusts the sandbox's CA and nothing else. It finds Options.Host without a resolver.
func (s *Sandbox) Client() *http.Client {
	dialer := &net.Dialer{}
	transport := &http.Transport{TLSClientConfig: s.authority.clientConfig()}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, port, err := net.SplitHostPort(address); err == nil && host == s.options.Host {
			address = net.JoinHostPort(s.options.Listen, port)
		}
		return dialer.DialContext(ctx, network, address)
	}
	return &http.Client{Timeout: 30 * time.Second, Transport: transport}
}

// Env is the environment that leads clients to the sandbox: what the file env exports.
func (s *Sandbox) Env() map[string]string {
	env := map[string]string{}
	for _, v := range s.environment.variables {
		env[v.name] = v.value
	}
	return env
}

// State is what all services hold, by service. No secret is in it.
func (s *Sandbox) State(ctx context.Context) map[string]any {
	state := map[string]any{}
	for name, of := range s.states {
		state[name] = of(ctx)
	}
	return state
}

// checkDir makes Dir absolute, since clients are led to its files from anywhere, and refuses one that is not there.
func (o *Options) checkDir() (err error) {
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return err
	}
	info, err := os.Stat(o.Dir)
	if err != nil {
		return fmt.Errorf("the directory for env and ca.pem: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", o.Dir)
	}
	return nil
}
