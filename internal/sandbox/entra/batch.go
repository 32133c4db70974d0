package entra

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxBatch is the most requests that one batch may hold. https://learn.microsoft.com/graph/json-batching
const maxBatch = 20

type batchRequest struct {
	ID        string            `json:"id"`
	Method    string            `json:"method"`
	URL       string            `json:"url"` // below /v1.0
	Headers   map[string]string `json:"headers"`
	Body      json.RawMessage   `json:"body"`
	DependsOn []string          `json:"dependsOn"`
}

type batchResponse struct {
	ID      string            `json:"id"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
}

// batch answers several requests in one, in order. One that depends on a failed one fails with 424.
func (g *Graph) batch(r *http.Request, body []byte) (int, any, error) {
	var wanted struct {
		Requests []batchRequest `json:"requests"`
	}
	if json.Unmarshal(body, &wanted) != nil || len(wanted.Requests) == 0 {
		return 0, nil, &graphError{http.StatusBadRequest, "BadRequest", "Unable to read JSON request payload."}
	}
	if len(wanted.Requests) > maxBatch {
		return 0, nil, &graphError{http.StatusBadRequest, "BadRequest", "Number of batch request steps exceeds the maximum value of 20."}
	}
	statuses := map[string]int{}
	answers := []batchResponse{}
	for _, one := range wanted.Requests {
		if _, again := statuses[one.ID]; one.ID == "" || again {
			return 0, nil, &graphError{http.StatusBadRequest, "BadRequest", "Request ids in a batch must be given and unique."}
		}
		answer := batchResponse{ID: one.ID, Status: http.StatusFailedDependency}
		if !slices.ContainsFunc(one.DependsOn, func(id string) bool { return statuses[id] < 200 || statuses[id] > 299 }) {
			answer = g.step(r, one)
		}
		statuses[one.ID] = answer.Status
		answers = append(answers, answer)
	}
	return http.StatusOK, map[string]any{"responses": answers}, nil
}

// step answers one request of a batch.
func (g *Graph) step(outer *http.Request, one batchRequest) batchResponse {
	target, err := url.Parse("/v1.0/" + strings.TrimPrefix(one.URL, "/"))
	if err != nil || strings.HasPrefix(target.Path, "/v1.0/$batch") {
		return batchResponse{ID: one.ID, Status: http.StatusBadRequest}
	}
	inner, err := http.NewRequestWithContext(outer.Context(), one.Method, target.String(), bytes.NewReader(one.Body))
	if err != nil {
		return batchResponse{ID: one.ID, Status: http.StatusBadRequest}
	}
	for name, value := range one.Headers {
		inner.Header.Set(name, value)
	}
	inner.Header.Set("Authorization", outer.Header.Get("Authorization"))
	w := &kept{header: http.Header{}}
	g.ServeHTTP(w, inner)
	answer := batchResponse{ID: one.ID, Status: w.status, Body: w.body.Bytes(), Headers: map[string]string{}}
	for _, name := range []string{"Content-Type", "Request-Id", "Retry-After"} {
		if value := w.header.Get(name); value != "" {
			answer.Headers[name] = value
		}
	}
	return answer
}

// kept is an answer that is not sent by itself.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header { return k.header }

func (k *kept) WriteHeader(status int) { k.status = status }

func (k *kept) Write(data []byte) (int, error) { return k.body.Write(data) }
