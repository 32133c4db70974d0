package vending_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/vending"
)

func assumed() *awssts.AssumeRoleOutput {
	return &awssts.AssumeRoleOutput{Credentials: &ststypes.Credentials{
		AccessKeyId: aws.String("ASIAEXAMPLE"), SecretAccessKey: aws.String("secret"), SessionToken: aws.String("session"), Expiration: aws.Time(time.Now().Add(time.Hour)),
	}}
}

// BenchmarkServer measures the HTTPS front: warm with keys and rows in memory, cold with a row that is read every time.
// STS and DynamoDB are memory, so that the service itself is what is measured; "clouds" has both behind HTTPS, on the
// same processors.
func BenchmarkServer(b *testing.B) {
	for _, c := range []struct {
		name   string
		cache  int
		clouds bool
	}{{"warm", 300, false}, {"cold", 0, false}, {"clouds", 300, true}} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b)
			cfg := w.settings()
			cfg.RowCacheSeconds, cfg.RequestsPerMinute, cfg.RequestBurst = c.cache, 60000, 10000
			d := vending.Dependencies{Rows: memoryRows{}, STS: memorySTS{}, HTTP: vending.KeyClient(w.aws.Client().Transport), Now: time.Now, Log: discardLog()}
			if c.clouds {
				row := w.onboard(b, "client-0", "web-0", "web/0/")
				for n := 1; n < 64; n++ {
					row.ClientID = fmt.Sprintf("client-%d", n)
					if err := w.rows.Put(context.Background(), table, row); err != nil {
						b.Fatal(err)
					}
				}
				d.Rows, d.STS = w.rows, awssts.NewFromConfig(w.config(w.session))
			}
			s, err := vending.New(cfg, d)
			if err != nil {
				b.Fatal(err)
			}
			measure(b, w, s)
		})
	}
}

type memoryRows struct{}

func (memoryRows) Read(_ context.Context, _, key string) (rolemap.Row, error) {
	return rolemap.Row{ClientID: key, RoleARN: "arn:aws:iam::123456789012:role/oidc-s3-dev-web-0", ServerName: "web-0", Prefix: "web/0/"}, nil
}

type memorySTS struct{}

func (memorySTS) AssumeRole(context.Context, *awssts.AssumeRoleInput, ...func(*awssts.Options)) (*awssts.AssumeRoleOutput, error) {
	return assumed(), nil
}

// measure asks from 16 connections with 64 clients' tokens, and reports requests a second and the 99th percentile.
func measure(b *testing.B, w *world, s *vending.Service) {
	b.Helper()
	dir := b.TempDir()
	writePair(b, dir, 1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener, dir+"/cert.pem", dir+"/key.pem") }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}()
	tokens := make([]string, 64)
	for n := range tokens {
		tokens[n] = w.issuers["cognito"].token(b, fmt.Sprintf("client-%d", n), nil)
	}
	transport := trusting(b, dir)
	transport.MaxIdleConnsPerHost, transport.MaxConnsPerHost = 16, 16
	client := &http.Client{Transport: transport}
	url := "https://" + listener.Addr().String() + "/credentials"
	var next atomic.Int64
	var mu sync.Mutex
	var all []time.Duration
	b.SetParallelism(8) // of 2 processors: 16 at once
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var mine []time.Duration
		for pb.Next() {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("Authorization", tokens[next.Add(1)%int64(len(tokens))])
			began := time.Now()
			resp, err := client.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			mine = append(mine, time.Since(began))
			if resp.StatusCode != http.StatusOK {
				b.Errorf("status %d", resp.StatusCode)
				return
			}
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, mine...)
	})
	b.StopTimer()
	slices.Sort(all)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	if len(all) > 0 {
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	}
}
