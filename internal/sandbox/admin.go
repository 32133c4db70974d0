package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
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

// ownPagesOnly refuses what a page in a browser could be made to send.
func (s *Sandbox) ownPagesOnly(address string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != address || r.Header.Get("Origin") != "" {
			http.Error(w, "this endpoint answers only under its own address, and no browser", http.StatusForbidden)
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

// addFaults takes one rule or a list of them.
func (s *Sandbox) addFaults(w http.ResponseWriter, r *http.Request) {
	var raw json.RawMessage
	if !readJSON(w, r, &raw) {
		return
	}
	var rules []edge.Fault
	if err := strictJSON(raw, &rules); err != nil {
		var one edge.Fault
		if err := strictJSON(raw, &one); err != nil {
			http.Error(w, "a fault, or a list of faults, is wanted: "+err.Error(), http.StatusBadRequest)
			return
		}
		rules = []edge.Fault{one}
	}
	for i, rule := range rules {
		if err := s.edge.Faults().Add(rule); err != nil {
			http.Error(w, fmt.Sprintf("fault %d: %v", i+1, err), http.StatusBadRequest)
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
	if decoder.More() {
		return errors.New("more than one JSON value")
	}
	return nil
}
