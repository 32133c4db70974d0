package cognito

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cognitoidp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// tokenValidity is how long an access token lives, in hours. Each is billed, and a host keeps one until it expires.
const tokenValidity = 1

// client makes the idp.Client of what was read. An app client's tokens have its id for their subject.
func client(app types.UserPoolClientType) idp.Client {
	id := aws.ToString(app.ClientId)
	return idp.Client{
		ID: id, Subject: id, Name: aws.ToString(app.ClientName), Method: idp.ClientSecret,
		Secret: idp.Secret(aws.ToString(app.ClientSecret)), Scopes: app.AllowedOAuthScopes, Found: &app,
	}
}

// state is what was read of a client; of one that does not exist, nothing. It must not be changed.
func state(c idp.Client) types.UserPoolClientType {
	if app, ok := c.Found.(*types.UserPoolClientType); ok && app != nil && c.Exists() {
		return *app
	}
	return types.UserPoolClientType{}
}

// settings are the properties of an app client that are ours; everything else is left as it is.
type settings struct {
	name     string
	enabled  bool // AllowedOAuthFlowsUserPoolClient: without it, flows and scopes are not in force
	flows    []types.OAuthFlowType
	scopes   []string
	validity time.Duration // of access tokens
}

func wanted(spec idp.Spec) settings {
	return settings{
		name: spec.Name, enabled: true, flows: []types.OAuthFlowType{types.OAuthFlowTypeClientCredentials}, scopes: spec.Scopes,
		validity: tokenValidity * time.Hour,
	}
}

func settingsOf(app types.UserPoolClientType) settings {
	return settings{
		name: aws.ToString(app.ClientName), enabled: aws.ToBool(app.AllowedOAuthFlowsUserPoolClient), flows: app.AllowedOAuthFlows,
		scopes: app.AllowedOAuthScopes, validity: validity(app),
	}
}

// validity is how long the client's access tokens live. The unit is hours unless it is set, the default one hour.
func validity(app types.UserPoolClientType) time.Duration {
	n := aws.ToInt32(app.AccessTokenValidity)
	if n == 0 {
		return time.Hour
	}
	unit := types.TimeUnitsTypeHours
	if units := app.TokenValidityUnits; units != nil && units.AccessToken != "" {
		unit = units.AccessToken
	}
	return time.Duration(n) * map[types.TimeUnitsType]time.Duration{
		types.TimeUnitsTypeSeconds: time.Second, types.TimeUnitsTypeMinutes: time.Minute,
		types.TimeUnitsTypeHours: time.Hour, types.TimeUnitsTypeDays: 24 * time.Hour,
	}[unit]
}

// deviations says in words how settings differ from those that are wanted.
func (s settings) deviations(want settings) []string {
	var deviations []string
	differs := func(what string, have, right any) {
		if have != right {
			deviations = append(deviations, fmt.Sprintf("%s is %v instead of %v", what, have, right))
		}
	}
	differs("name", s.name, want.name)
	differs("AllowedOAuthFlowsUserPoolClient", s.enabled, want.enabled)
	differs("AllowedOAuthFlows", set(s.flows), set(want.flows))
	differs("AllowedOAuthScopes", set(s.scopes), set(want.scopes))
	differs("access token validity", s.validity, want.validity)
	return deviations
}

// set shows values without regard to order and repetition.
func set[T ~string](values []T) string {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	var texts []string
	for _, value := range slices.Compact(sorted) {
		texts = append(texts, string(value))
	}
	return "[" + strings.Join(texts, " ") + "]"
}

func clientDeviations(c idp.Client, spec idp.Spec) []string {
	if !c.Exists() {
		return []string{"app client " + spec.Name + " is missing"}
	}
	deviations := settingsOf(state(c)).deviations(wanted(spec))
	if spec.Method != idp.ClientSecret {
		deviations = append(deviations, fmt.Sprintf("client authentication is %s instead of %s", idp.ClientSecret, spec.Method))
	}
	if aws.ToString(state(c).ClientSecret) == "" {
		deviations = append(deviations, "app client has no secret")
	}
	return deviations
}

// update is a request that leaves everything of the client as it was read, and puts the settings in: what an update does
// not send, Cognito sets to its default.
// https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UpdateUserPoolClient.html
func update(app types.UserPoolClientType, s settings) *cognitoidp.UpdateUserPoolClientInput {
	input := &cognitoidp.UpdateUserPoolClientInput{
		UserPoolId: app.UserPoolId, ClientId: app.ClientId,
		AccessTokenValidity: app.AccessTokenValidity, AnalyticsConfiguration: app.AnalyticsConfiguration,
		AuthSessionValidity: app.AuthSessionValidity, CallbackURLs: app.CallbackURLs, DefaultRedirectURI: app.DefaultRedirectURI,
		EnablePropagateAdditionalUserContextData: app.EnablePropagateAdditionalUserContextData,
		EnableTokenRevocation:                    app.EnableTokenRevocation, ExplicitAuthFlows: app.ExplicitAuthFlows,
		IdTokenValidity: app.IdTokenValidity, LogoutURLs: app.LogoutURLs, PreventUserExistenceErrors: app.PreventUserExistenceErrors,
		ReadAttributes: app.ReadAttributes, RefreshTokenRotation: app.RefreshTokenRotation, RefreshTokenValidity: app.RefreshTokenValidity,
		SupportedIdentityProviders: app.SupportedIdentityProviders, TokenValidityUnits: app.TokenValidityUnits, WriteAttributes: app.WriteAttributes,

		ClientName: &s.name, AllowedOAuthFlowsUserPoolClient: s.enabled, AllowedOAuthFlows: s.flows, AllowedOAuthScopes: s.scopes,
	}
	if s.validity != validity(app) {
		units := types.TokenValidityUnitsType{}
		if app.TokenValidityUnits != nil {
			units = *app.TokenValidityUnits
		}
		units.AccessToken = types.TimeUnitsTypeSeconds
		input.AccessTokenValidity = aws.Int32(int32(s.validity / time.Second)) //nolint:gosec // a day at most
		if s.validity%time.Hour == 0 {
			units.AccessToken, input.AccessTokenValidity = types.TimeUnitsTypeHours, aws.Int32(int32(s.validity/time.Hour)) //nolint:gosec // as above
		}
		input.TokenValidityUnits = &units
	}
	return input
}
