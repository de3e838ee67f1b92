package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"runlog/exec"
	"runlog/isolates"
	"runlog/schema"
	"runlog/value"
)

// authConfigModule is evaluated anew when a variable changes.
const authConfigModule = "auth.config.js"

// A VariableChange is the new state of one environment variable.
type VariableChange struct {
	Name string
	// Value is its text; nil removes the variable.
	Value *string
}

// An EnvironmentChange sets and removes environment variables, all or none of them.
type EnvironmentChange struct {
	// Changes are made in this order. To remove what does not exist, or to set what is so already, changes nothing.
	Changes []VariableChange
	// RequestID stands in the log's entry.
	RequestID string
}

// Environment returns the variables that were set, by name.
func (d *Deployer) Environment() map[string]string {
	return variables(d.options.Committer.Visible().Catalog())
}

func variables(catalog *schema.Catalog) map[string]string {
	env := map[string]string{}
	for _, name := range catalog.EnvNames() {
		env[name], _ = catalog.Env(name)
	}
	return env
}

// environment is what process.env holds while modules are evaluated.
func (d *Deployer) environment(catalog *schema.Catalog) map[string]string {
	env := variables(catalog)
	env["CONVEX_CLOUD_URL"], env["CONVEX_SITE_URL"] = d.options.CloudURL, d.options.SiteURL
	return env
}

// ChangeEnvironment makes a change in one entry, with the auth config that follows from it. Queries that read one of the
// variables are run again; others are not, unless the auth config changed. Errors of the caller's are *Error, and
// nothing has changed then. The entry's call names the variables and holds no value.
func (d *Deployer) ChangeEnvironment(ctx context.Context, change EnvironmentChange) error {
	if err := change.check(); err != nil {
		return refused(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	call := exec.SystemCall{Verb: "_system/environment", Args: change.describe(), RequestID: change.RequestID}
	// Only pushes and this change variables and deployment, so that what is evaluated ahead of the transaction is so in it.
	config, err := d.authConfig(ctx, change)
	if err != nil {
		return err
	}
	_, err = d.options.Runner.System(ctx, call, func(t *exec.SystemTransaction) error {
		for _, c := range change.Changes {
			if err := changeVariable(t, c); err != nil {
				return err
			}
		}
		deployment := t.Catalog().Deployment()
		if deployment == nil || bytes.Equal(deployment.Auth, config) {
			return nil
		}
		next := *deployment
		next.Auth = config
		write, err := t.Catalog().Deploy(&next, t.Source())
		if err != nil {
			return err
		}
		return t.Write(write)
	})
	return refused(err)
}

// refused gives a rule of package schema that a change broke the form of this package's errors.
func refused(err error) error {
	var broken *schema.Error
	if errors.As(err, &broken) {
		return &Error{Code: broken.Code, Message: broken.Message, Cause: err}
	}
	return err
}

// describe is the call as the log keeps it: the names, since a value may be a secret.
func (c EnvironmentChange) describe() value.Value {
	var set, unset []value.Value
	for _, v := range c.Changes {
		if v.Value != nil {
			set = append(set, value.OfString(v.Name))
		} else {
			unset = append(unset, value.OfString(v.Name))
		}
	}
	return value.OfObject([]value.Field{{Name: "set", Value: value.OfArray(set)}, {Name: "unset", Value: value.OfArray(unset)}})
}

// check refuses what no variables could make right.
func (c EnvironmentChange) check() error {
	if most := 2 * schema.MaxEnvVars; len(c.Changes) > most {
		return &Error{Code: "EnvVarLimitMet", Message: fmt.Sprintf("One request may change up to %d environment variables, not %d.", most, len(c.Changes))}
	}
	for _, v := range c.Changes {
		if err := schema.CheckEnvName(v.Name); err != nil {
			return err
		}
	}
	return nil
}

func changeVariable(t *exec.SystemTransaction, c VariableChange) error {
	if c.Value == nil {
		if write, ok := t.Catalog().UnsetEnv(c.Name); ok {
			return t.Write(write)
		}
		return nil
	}
	if old, ok := t.Catalog().Env(c.Name); ok && old == *c.Value {
		return nil
	}
	write, err := t.Catalog().SetEnv(c.Name, *c.Value, t.Source())
	if err != nil {
		return err
	}
	return t.Write(write)
}

// authConfig evaluates the auth config as it will be after change.
func (d *Deployer) authConfig(ctx context.Context, change EnvironmentChange) (json.RawMessage, error) {
	catalog := d.options.Committer.Visible().Catalog()
	deployment := catalog.Deployment()
	if deployment == nil || deployment.Auth == nil {
		return nil, nil
	}
	program, err := d.options.Runner.Program(deployment.Bundle)
	if err != nil {
		return nil, err
	}
	env := d.environment(catalog)
	for _, c := range change.Changes {
		if c.Value != nil {
			env[c.Name] = *c.Value
		} else {
			delete(env, c.Name)
		}
	}
	analysis, err := d.options.Isolates.Analyze(ctx, &isolates.AnalyzeRequest{
		Program: program, Only: authConfigModule, Env: env, Now: deployment.Time, Seed: d.options.Seed(), Limits: d.options.Limits,
	})
	if err != nil {
		return nil, analysisError(err)
	}
	return analysis.AuthConfig, checkProviders(analysis.AuthConfig)
}
