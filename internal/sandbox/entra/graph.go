package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

const maxBody = 4 << 20

// Graph is the tenant's Microsoft Graph v1.0.
type Graph struct{ tenant *Tenant }

var _ edge.Service = (*Graph)(nil)

// Graph returns the service of Microsoft Graph, "graph" in the journal.
func (t *Tenant) Graph() *Graph { return &Graph{t} }

// Name implements edge.Service.
func (*Graph) Name() string { return "graph" }

// Operation implements edge.Service: the method and the path below /v1.0 with its ids left out, such as
// "GET /applications(appId)" or "POST /applications/{id}/addPassword".
func (*Graph) Operation(r *http.Request) string {
	p, err := parsePath(r.URL)
	if err != nil {
		return r.Method + " " + r.URL.Path
	}
	return r.Method + " " + p.name
}

// Refuse implements edge.Service.
func (g *Graph) Refuse(w http.ResponseWriter, r *http.Request, status int) {
	fault := &graphError{status: status, code: "InternalServerError", message: "Unexpected error occurred, please retry."}
	switch status {
	case http.StatusTooManyRequests:
		fault.code, fault.message = "TooManyRequests", "Too many requests."
	case http.StatusServiceUnavailable:
		fault.code, fault.message = "ServiceUnavailable", "Service is temporarily unavailable. Please wait and retry again."
	}
	g.fail(w, r, fault)
}

// call is one request that has passed the gate.
type call struct {
	tenant *Tenant
	ctx    context.Context // the moment that reads see
	r      *http.Request
	path   path
	query  url.Values
	body   []byte
	caller caller
	header http.Header // of the answer
}

// handler answers a call. An answer without a body has status 204.
type handler func(*call) (status int, body any, err error)

// ServeHTTP implements http.Handler.
func (g *Graph) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, body, err := g.serve(w, r)
	if err != nil {
		var fault *graphError
		if !errors.As(err, &fault) {
			fault = &graphError{status: http.StatusInternalServerError, code: "InternalServerError", message: "Unexpected error occurred, please retry."}
		}
		g.fail(w, r, fault)
		return
	}
	g.requestID(w, r)
	if body == nil {
		w.WriteHeader(status)
		return
	}
	writeJSON(w, status, "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8", body)
}

func (g *Graph) serve(w http.ResponseWriter, r *http.Request) (int, any, error) {
	who, err := g.authenticate(r)
	if err != nil {
		return 0, nil, err
	}
	edge.SetCaller(r.Context(), who.appID)
	p, err := parsePath(r.URL)
	if err != nil {
		return 0, nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return 0, nil, invalid("Unable to read the request payload.")
	}
	if p.pattern == "/$batch" && r.Method == http.MethodPost {
		return g.batch(r, body)
	}
	one, found := routes()[r.Method+" "+p.pattern]
	if !found {
		return 0, nil, noRoute(r, p)
	}
	if !who.has(one.roles...) {
		return 0, nil, denied()
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return 0, nil, invalid("The query string is malformed.")
	}
	t := g.tenant
	ctx := t.lag.context(r.Context(), r.Method+" "+r.URL.Path, t.cfg.Now())
	return one.handle(&call{tenant: t, ctx: ctx, r: r, path: p, query: query, body: body, caller: who, header: w.Header()})
}

// route is an operation and the app roles any of which allows it.
type route struct {
	handle handler
	roles  []string
}

// routes are the operations, by method and path pattern.
// https://learn.microsoft.com/graph/api/resources/application
func routes() map[string]route {
	read := []string{applicationRead, applicationReadWrite, applicationOwnedBy, directoryRead, directoryReadWrite}
	write := []string{applicationReadWrite, applicationOwnedBy}
	assign := []string{assignmentReadWrite}
	return map[string]route{
		"GET /applications":                                            {listApplications, read},
		"POST /applications":                                           {createApplication, write},
		"GET /applications/*":                                          {getApplication, read},
		"PATCH /applications/*":                                        {changeApplication, write},
		"DELETE /applications/*":                                       {deleteApplication, write},
		"POST /applications/*/addPassword":                             {addPassword, write},
		"POST /applications/*/removePassword":                          {removePassword, write},
		"GET /applications/*/owners":                                   {applicationOwners, read},
		"GET /servicePrincipals":                                       {listPrincipals, read},
		"POST /servicePrincipals":                                      {createPrincipal, write},
		"GET /servicePrincipals/*":                                     {getPrincipal, read},
		"PATCH /servicePrincipals/*":                                   {changePrincipal, write},
		"DELETE /servicePrincipals/*":                                  {deletePrincipal, write},
		"GET /servicePrincipals/*/owners":                              {principalOwners, read},
		"GET /servicePrincipals/*/appRoleAssignments":                  {listAssignments, append(read, assign...)},
		"POST /servicePrincipals/*/appRoleAssignments":                 {createAssignment, assign},
		"GET /servicePrincipals/*/appRoleAssignments/*":                {getAssignment, append(read, assign...)},
		"DELETE /servicePrincipals/*/appRoleAssignments/*":             {deleteAssignment, assign},
		"GET /servicePrincipals/*/appRoleAssignedTo":                   {listAssignments, append(read, assign...)},
		"POST /servicePrincipals/*/appRoleAssignedTo":                  {createAssignment, assign},
		"GET /servicePrincipals/*/appRoleAssignedTo/*":                 {getAssignment, append(read, assign...)},
		"DELETE /servicePrincipals/*/appRoleAssignedTo/*":              {deleteAssignment, assign},
		"GET /directory/deletedItems/*":                                {getDeleted, read},
		"DELETE /directory/deletedItems/*":                             {purgeDeleted, write},
		"POST /directory/deletedItems/*/restore":                       {restoreDeleted, write},
		"GET /directory/deletedItems/microsoft.graph.application":      {listDeletedApplications, read},
		"GET /directory/deletedItems/microsoft.graph.servicePrincipal": {listDeletedPrincipals, read},
		"GET /organization":                                            {organization, append(read, organizationRead)},
	}
}

// graphError is a refusal of Graph. https://learn.microsoft.com/graph/errors
type graphError struct {
	status        int
	code, message string
}

func (e *graphError) Error() string { return fmt.Sprintf("%s: %s", e.code, e.message) }

func invalid(format string, args ...any) *graphError {
	return &graphError{http.StatusBadRequest, "Request_BadRequest", fmt.Sprintf(format, args...)}
}

func notFound(id string) *graphError {
	return &graphError{http.StatusNotFound, "Request_ResourceNotFound",
		"Resource '" + id + "' does not exist or one of its queried reference-property objects are not present."}
}

func denied() *graphError {
	return &graphError{http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."}
}

func noRoute(r *http.Request, p path) *graphError {
	for _, method := range []string{"GET", "POST", "PATCH", "DELETE"} {
		if _, ok := routes()[method+" "+p.pattern]; ok {
			return &graphError{http.StatusMethodNotAllowed, "Request_BadRequest", "Specified HTTP method is not allowed for the request target."}
		}
	}
	return invalid("Resource not found for the segment '%s'.", strings.TrimPrefix(r.URL.Path, "/v1.0/"))
}

// requestID names the request for the vendor's support.
func (g *Graph) requestID(w http.ResponseWriter, r *http.Request) (id, clientID string) {
	id, clientID = g.tenant.guid(), r.Header.Get("Client-Request-Id")
	if clientID == "" {
		clientID = id
	}
	w.Header().Set("Request-Id", id)
	w.Header().Set("Client-Request-Id", clientID)
	return id, clientID
}

func (g *Graph) fail(w http.ResponseWriter, r *http.Request, fault *graphError) {
	id, clientID := g.requestID(w, r)
	if fault.status == http.StatusUnauthorized {
		w.Header().Set("Www-Authenticate", `Bearer realm="", authorization_uri="https://`+g.tenant.cfg.LoginHost+`/common/oauth2/authorize"`)
	}
	writeJSON(w, fault.status, "application/json", map[string]any{"error": map[string]any{
		"code": fault.code, "message": fault.message,
		"innerError": map[string]any{
			"date": g.tenant.now().Format("2006-01-02T15:04:05"), "request-id": id, "client-request-id": clientID,
		},
	}})
}

// properties reads the body as an object, without OData annotations.
func (c *call) properties() (map[string]json.RawMessage, error) {
	var body map[string]json.RawMessage
	if json.Unmarshal(c.body, &body) != nil || body == nil {
		return nil, &graphError{http.StatusBadRequest, "BadRequest", "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format."}
	}
	for name := range body {
		if strings.Contains(name, "@odata.") {
			delete(body, name)
		}
	}
	return body, nil
}

// single makes an answer of one object.
func (c *call) single(entity string, properties map[string]any) map[string]any {
	properties["@odata.context"] = "https://" + c.tenant.cfg.GraphHost + "/v1.0/$metadata#" + entity + "/$entity"
	return properties
}

func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}
