package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// envPrefix begins the names of environment variables: --query-timeout is RUNLOG_QUERY_TIMEOUT.
const envPrefix = "RUNLOG_"

// settle gives each flag that is not on the command line its value from the environment, or else from the config
// file. What a flag is set to, from wherever, goes through the flag's own parser.
func (p *program) settle(cmd *cobra.Command) error {
	if err := p.fromEnvironment(cmd.Flags()); err != nil {
		return err
	}
	path, err := cmd.Flags().GetString("config")
	if err != nil || path == "" {
		return err
	}
	values, err := readConfig(path)
	if err != nil {
		return err
	}
	if err := checkNames(path, values, cmd.Root()); err != nil {
		return err
	}
	return apply(cmd.Flags(), func(name string) (string, string, bool) {
		v, ok := values[name]
		return v, fmt.Sprintf("%s: %s", path, name), ok
	})
}

func (p *program) fromEnvironment(flags *pflag.FlagSet) error {
	return apply(flags, func(name string) (string, string, bool) {
		variable := envName(name)
		v, ok := p.lookupEnv(variable)
		return v, variable, ok
	})
}

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// apply sets the flags that nobody has set yet and that lookup knows; where is for errors.
func apply(flags *pflag.FlagSet, lookup func(name string) (v, where string, ok bool)) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "help" {
			return
		}
		v, where, ok := lookup(f.Name)
		if !ok {
			return
		}
		if err := flags.Set(f.Name, v); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", where, err))
		}
	})
	return errors.Join(errs...)
}

// readConfig returns the file's values as flags are written.
func readConfig(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	var raw map[string]any
	if err := toml.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("read config %s: %w", path, err)
	}
	values := make(map[string]string, len(raw))
	for name, v := range raw {
		switch v.(type) {
		case string, int64, float64, bool:
			values[name] = fmt.Sprint(v)
		default:
			return nil, fmt.Errorf("read config %s: %s must be a string, a number or a boolean", path, name)
		}
	}
	return values, nil
}

// checkNames refuses names that are no flag of any command: most likely they are mistyped.
func checkNames(path string, values map[string]string, root *cobra.Command) error {
	known := map[string]bool{}
	visitCommands(root, func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	})
	var unknown []string
	for name := range values {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	sort.Strings(unknown)
	return fmt.Errorf("read config %s: there is no flag named %s", path, strings.Join(slices.Compact(unknown), ", "))
}

func visitCommands(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		visitCommands(sub, visit)
	}
}
