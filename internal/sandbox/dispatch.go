package sandbox

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

// dispatcher tells the AWS services on one port apart, as AWS_ENDPOINT_URL puts them there.
type dispatcher struct {
	query  []queryService // told apart by the form's Action
	json   []jsonService  // told apart by X-Amz-Target
	object http.Handler   // S3: all else
}

// jsonService speaks one of AWS's JSON protocols.
type jsonService struct {
	service interface {
		edge.Service
		Handles(r *http.Request) bool
	}
	handler http.Handler
}

// queryService speaks AWS's query protocol.
type queryService struct {
	service interface {
		edge.Service
		Handles(action string) bool
	}
	handler http.Handler
}

// largestForm bounds how much of a query call is read to find its Action.
const largestForm = 1 << 20

func (d *dispatcher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Amz-Target") != "" {
		for _, j := range d.json {
			if j.service.Handles(r) {
				j.handler.ServeHTTP(w, r)
				return
			}
		}
		http.Error(w, `{"__type":"UnknownOperationException"}`, http.StatusBadRequest)
		return
	}
	if r.URL.Path == "/" && r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(edge.PeekBody(r, largestForm)))
		if err == nil && form.Get("Action") != "" {
			d.byAction(w, r, form.Get("Action"))
			return
		}
	}
	if action := r.URL.Query().Get("Action"); action != "" && r.URL.Path == "/" {
		d.byAction(w, r, action)
		return
	}
	d.object.ServeHTTP(w, r)
}

// byAction picks the service of the action. One that nobody knows goes to the first, which says so in AWS's words.
func (d *dispatcher) byAction(w http.ResponseWriter, r *http.Request, action string) {
	for _, q := range d.query {
		if q.service.Handles(action) {
			q.handler.ServeHTTP(w, r)
			return
		}
	}
	d.query[0].handler.ServeHTTP(w, r)
}
