package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"unicode/utf8"

	"runlog/internal/auth"
	"runlog/internal/deploy"
)

// environmentBodyLimit bounds the body of a change: all variables there may be, escaped.
const environmentBodyLimit = 4 << 20

// listEnvironment shows an admin the environment variables.
func listEnvironment(x *exchange) error {
	if err := x.openEnvironment(); err != nil {
		return err
	}
	if err := x.require(auth.ViewEnvironmentVariables); err != nil {
		return err
	}
	return x.sendJSON(http.StatusOK, struct {
		Variables map[string]string `json:"environmentVariables"`
	}{x.backend.Environment.Environment()})
}

// updateEnvironment sets and removes environment variables.
func updateEnvironment(x *exchange) error {
	if err := x.openEnvironment(); err != nil {
		return err
	}
	if err := x.readJSON(environmentBodyLimit); err != nil {
		return err
	}
	var body struct {
		AdminKey string `json:"adminKey"`
		Changes  *[]struct {
			Name  *string `json:"name"`
			Value *string `json:"value"`
		} `json:"changes"`
	}
	if !utf8.Valid(x.body) {
		return errJSON("it is not UTF-8")
	}
	var wrong *json.UnmarshalTypeError
	if err := json.Unmarshal(x.body, &body); errors.As(err, &wrong) {
		return errShape("`%s` cannot be a JSON %s", wrong.Field, wrong.Value)
	} else if err != nil {
		return errJSON("%v", err)
	}
	x.request.adminKey = body.AdminKey
	if err := x.bodyKey(); err != nil {
		return err
	}
	if err := x.require(auth.WriteEnvironmentVariables); err != nil {
		return err
	}
	if body.Changes == nil {
		return errShape("missing field `changes`")
	}
	change := deploy.EnvironmentChange{RequestID: x.id}
	for i, c := range *body.Changes {
		if c.Name == nil {
			return errShape("changes[%d]: missing field `name`", i)
		}
		change.Changes = append(change.Changes, deploy.VariableChange{Name: *c.Name, Value: c.Value})
	}
	if err := x.backend.Environment.ChangeEnvironment(x.r.Context(), change); err != nil {
		return err
	}
	x.send(http.StatusOK, contentText, nil)
	return nil
}

func (x *exchange) openEnvironment() error {
	if err := x.open(); err != nil {
		return err
	}
	if x.backend.Environment == nil {
		return errNoRoute(x.r.URL.Path)
	}
	return nil
}

// require refuses callers whose admin key does not allow op, or who have none.
func (x *exchange) require(op auth.Op) error {
	if err := x.requireAdmin(); err != nil {
		return err
	}
	return x.caller.Admin.Require(op)
}
