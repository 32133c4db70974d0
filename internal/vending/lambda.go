package vending

import (
	"context"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// Lambda is the front for an HTTP API with payload format 2.0: pass it to lambda.Start.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func (s *Service) Lambda(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	r := Request{Method: event.RequestContext.HTTP.Method, Path: eventPath(event), ID: event.RequestContext.RequestID}
	for name, value := range event.Headers { // in lower case, several values joined by commas, which no JWT has
		if strings.EqualFold(name, "authorization") {
			r.Authorization = append(r.Authorization, value)
		}
	}
	out := s.Answer(ctx, r)
	return events.APIGatewayV2HTTPResponse{StatusCode: out.Status, Headers: out.Header, Body: string(out.Body)}, nil
}

// eventPath is the path without the stage, which a stage other than $default puts before it.
func eventPath(event events.APIGatewayV2HTTPRequest) string {
	stage := event.RequestContext.Stage
	if stage == "" || stage == "$default" {
		return event.RawPath
	}
	if rest, ok := strings.CutPrefix(event.RawPath, "/"+stage); ok && strings.HasPrefix(rest, "/") {
		return rest
	}
	return event.RawPath
}
