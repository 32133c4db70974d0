package auth0

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// apiError is an error of the Management API.
type apiError struct {
	status        int
	code, message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func invalidBody(format string, args ...any) error {
	return &apiError{status: http.StatusBadRequest, code: "invalid_body", message: "Payload validation error: " + fmt.Sprintf(format, args...)}
}

func notFound(code, what string) error {
	return &apiError{status: http.StatusNotFound, code: code, message: "The " + what + " does not exist"}
}

func answerError(w http.ResponseWriter, e *apiError) {
	answer(w, e.status, map[string]any{
		"statusCode": e.status, "error": http.StatusText(e.status), "message": e.message, "errorCode": e.code,
	})
}

func answer(w http.ResponseWriter, status int, body any) {
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone away: nobody to tell
}
