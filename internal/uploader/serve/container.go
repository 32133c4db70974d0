package serve

import (
	"crypto/subtle"
	"net/http"
)

// ContainerPath is where the container credentials are.
const ContainerPath = "/credentials"

// Container is the endpoint that AWS_CONTAINER_CREDENTIALS_FULL_URI names. Callers send the token, bare or after
// "Bearer ", as AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE makes SDKs do.
func Container(o Options, token string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(ContainerPath, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet:
			w.Header().Set("Allow", http.MethodGet)
			refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "only GET is served")
		case !authorized(r.Header, token):
			refuse(w, http.StatusUnauthorized, "Unauthorized", "the Authorization header does not hold the token")
		default:
			o.container(w, r)
		}
	})
	mux.HandleFunc("/", notFound)
	return o.guarded(mux)
}

func (o Options) container(w http.ResponseWriter, r *http.Request) {
	a, err := o.answer(r)
	if err != nil {
		o.Log.Error("no credentials to serve", "error", err)
		refuse(w, http.StatusServiceUnavailable, "NoCredentials", "no credentials at the moment; the log of oidcs3-upload says why")
		return
	}
	a.RoleARN = o.RoleARN
	write(w, http.StatusOK, a)
}

// authorized compares in constant time. An empty token opens nothing.
func authorized(h http.Header, token string) bool {
	values := h.Values("Authorization")
	if len(values) != 1 || token == "" {
		return false
	}
	bare := subtle.ConstantTimeCompare([]byte(values[0]), []byte(token))
	bearer := subtle.ConstantTimeCompare([]byte(values[0]), []byte("Bearer "+token))
	return bare|bearer == 1
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	refuse(w, http.StatusNotFound, "NotFound", "nothing is served here")
}
