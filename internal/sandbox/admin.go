package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

// startAdmin opens the control endpoint.
func (s *Sandbox) startAdmin() error {
	listener, address, err := s.listen()
	if err != nil {
		return err
	}
	s.environment.adminURL = "https://" + address
	s.serve(listener, s.ownPagesOnly(address, s.admin()))
	return nil
}

// ownPagesOnly refuses what a page in a browser could be made to send. The endpoint's own names are those that its
// certificate was asked for.
func (s *Sandbox) ownPagesOnly(address string, next http.Handler) http.Handler {
	_, port, _ := net.SplitHostPort(address) // listen has joined it
	own := []string{address, net.JoinHostPort("localhost", port)}
	for _, name := range s.options.TLSSANs {
		own = append(own, net.JoinHostPort(name, port))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(own, r.Host) || r.Header.Get("Origin") != "" {
			http.Error(w, "this endpoint answers only under its own names, and no browser", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Sandbox) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /calls", s.showCalls)
	mux.HandleFunc("DELETE /calls", func(w http.ResponseWriter, _ *http.Request) {
		s.edge.Calls().Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /faults", s.addFaults)
	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) {
		s.edge.Faults().Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("PUT /limits", s.setLimits)
	mux.HandleFunc("PUT /propagation", s.setPropagation)
	mux.HandleFunc("GET /state", s.showState)
	return mux
}

// showCalls answers one JSON object a line; ?service= picks one service.
func (s *Sandbox) showCalls(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/jsonl")
	encoder := json.NewEncoder(w)
	for _, call := range s.edge.Calls().Calls() {
		if service := r.URL.Query().Get("service"); service != "" && service != call.Service {
			continue
		}
		if encoder.Encode(call) != nil {
			return // the client has gone away
		}
	}
}

// addFaults takes one rule or a list of them: all come into force, or none.
func (s *Sandbox) addFaults(w http.ResponseWriter, r *http.Request) {
	var raw json.RawMessage
	if !readJSON(w, r, &raw) {
		return
	}
	rules := make([]edge.Fault, 1)
	into := any(&rules[0])
	if raw[0] == '[' {
		into = &rules
	}
	if err := strictJSON(raw, into); err != nil {
		http.Error(w, "a fault, or a list of faults, is wanted: "+err.Error(), http.StatusBadRequest)
		return
	}
	var trial edge.Faults
	for i, rule := range rules {
		if err := trial.Add(rule); err != nil {
			http.Error(w, fmt.Sprintf("fault %d: %v", i+1, err), http.StatusBadRequest)
			return
		}
	}
	for _, rule := range rules {
		if err := s.edge.Faults().Add(rule); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Sandbox) setLimits(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Service   string  `json:"service"`
		LatencyMS int     `json:"latency_ms"`
		Rate      float64 `json:"rate"`
		Burst     int     `json:"burst"`
	}
	if !readJSON(w, r, &body) {
		return
	}
	if body.Service == "" || body.LatencyMS < 0 || body.Rate < 0 || body.Burst < 0 {
		http.Error(w, "service is wanted; latency_ms, rate and burst must not be negative", http.StatusBadRequest)
		return
	}
	s.edge.Limits().Set(body.Service, edge.Settings{
		Latency: time.Duration(body.LatencyMS) * time.Millisecond, Rate: body.Rate, Burst: body.Burst,
	})
	w.WriteHeader(http.StatusNoContent)
}

// setPropagation delays what is changed in IAM.
func (s *Sandbox) setPropagation(w http.ResponseWriter, r *http.Request) {
	var body struct {
		DelayMS int `json:"delay_ms"`
	}
	if !readJSON(w, r, &body) {
		return
	}
	if body.DelayMS < 0 {
		http.Error(w, "delay_ms must not be negative", http.StatusBadRequest)
		return
	}
	s.engine.SetRolePropagation(time.Duration(body.DelayMS) * time.Millisecond)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Sandbox) showState(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(s.State(r.Context())) // the client has gone away: nobody to tell
}

const largestAdminBody = 1 << 20

func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestAdminBody))
	if err == nil {
		err = strictJSON(raw, into)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

// strictJSON reads one JSON value of which every field is known.
func strictJSON(raw []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}
