package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func (p *program) envCommand() *cobra.Command {
	var c runCall
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Show and change the environment variables that functions read as process.env",
		Long: "The variables belong to the deployment and stay over restarts and pushes. What reads one sees its new value at the next call,\n" +
			"and live queries that read it are run again.\n\n" +
			"Without --url, the server is the one that runs on the data folder of the app in this folder or above it.",
		Example: "  runner env set GREETING hello\n" +
			"  runner env set API_KEY < key.txt\n" +
			"  runner env list",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			p.begun = false
			return errors.New("say list, get, set or unset")
		},
	}
	cmd.PersistentFlags().StringVar(&c.url, "url", "", "address of the server: `URL`")
	cmd.PersistentFlags().StringVar(&c.adminKey, "admin-key", "", "admin key, `NAME|SECRET`")
	cmd.PersistentFlags().StringVar(&c.data, "data", "", "data folder of the server, to find its address in: `DIR`")
	cmd.AddCommand(
		&cobra.Command{Use: "list", Short: "Print all variables, as NAME=VALUE", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return p.envList(cmd.Context(), &c) }},
		&cobra.Command{Use: "get NAME", Short: "Print the value of a variable", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return p.envGet(cmd.Context(), &c, args[0]) }},
		&cobra.Command{Use: "set NAME [VALUE]", Short: "Set a variable; without VALUE, to what is on standard input", Args: cobra.RangeArgs(1, 2),
			RunE: func(cmd *cobra.Command, args []string) error {
				text, err := valueOf(args, cmd.InOrStdin())
				if err != nil {
					return err
				}
				return changeEnvironment(cmd.Context(), &c, args[0], &text)
			}},
		&cobra.Command{Use: "unset NAME", Short: "Remove a variable", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return changeEnvironment(cmd.Context(), &c, args[0], nil)
			}},
	)
	return cmd
}

// valueOf is the value on the command line, or else on in: a secret had better not stand where other users see it. The
// newline that ends a file is not part of it.
func valueOf(args []string, in io.Reader) (string, error) {
	if len(args) == 2 {
		return args[1], nil
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return "", fmt.Errorf("read the value from standard input: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

func (p *program) envList(ctx context.Context, c *runCall) error {
	env, err := environment(ctx, c)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(p.stdout, "%s=%s\n", name, env[name])
	}
	return nil
}

func (p *program) envGet(ctx context.Context, c *runCall, name string) error {
	env, err := environment(ctx, c)
	if err != nil {
		return err
	}
	text, ok := env[name]
	if !ok {
		return fmt.Errorf("environment variable %s is not set", name)
	}
	fmt.Fprintln(p.stdout, text)
	return nil
}

func environment(ctx context.Context, c *runCall) (map[string]string, error) {
	raw, err := askAdmin(ctx, c, http.MethodGet, "/api/list_environment_variables", nil)
	if err != nil {
		return nil, err
	}
	var list struct {
		Variables map[string]string `json:"environmentVariables"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("the server's list of variables is not JSON: %w", err)
	}
	return list.Variables, nil
}

// changeEnvironment sets a variable; nil removes it.
func changeEnvironment(ctx context.Context, c *runCall, name string, text *string) error {
	type change struct {
		Name  string  `json:"name"`
		Value *string `json:"value"`
	}
	body, err := json.Marshal(struct {
		Changes []change `json:"changes"`
	}{[]change{{name, text}}})
	if err != nil {
		return err
	}
	_, err = askAdmin(ctx, c, http.MethodPost, "/api/update_environment_variables", body)
	return err
}

// askAdmin sends a request with the admin key and returns the body of the answer.
func askAdmin(ctx context.Context, c *runCall, method, path string, body []byte) ([]byte, error) {
	at, err := c.endpoint()
	if err != nil {
		return nil, err
	}
	status, raw, err := at.send(ctx, method, path, body)
	if err != nil || status == http.StatusOK {
		return raw, err
	}
	var refused struct{ Code, Message string }
	if json.Unmarshal(raw, &refused) != nil || refused.Code == "" {
		return nil, fmt.Errorf("%s answered %d %s: %.200s", at.URL, status, http.StatusText(status), raw)
	}
	return nil, fmt.Errorf("%s: %s", refused.Code, refused.Message)
}
