package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// A runCall is what `runner run` was asked.
type runCall struct {
	function, args      string
	url, adminKey, data string
	watch               bool
}

func (p *program) runCommand() *cobra.Command {
	var c runCall
	cmd := &cobra.Command{
		Use:   "run FN [ARGS]",
		Short: "Call a function and print its value as JSON",
		Long: "FN is a path such as messages:list, ARGS a JSON object. Queries, mutations and actions are called alike, internal\n" +
			"ones too. Console lines and errors go to standard error.\n\n" +
			"Without --url, the server is the one that runs on the data folder of the app in this folder or above it.",
		Example: `  runner run messages:list
  runner run --watch messages:list
  runner run messages:send '{"author": "ann", "body": "hi"}'`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.function, c.args = args[0], "{}"
			if len(args) == 2 {
				c.args = args[1]
			}
			if !json.Valid([]byte(c.args)) || strings.TrimSpace(c.args)[0] != '{' {
				p.begun = false
				return fmt.Errorf("ARGS must be a JSON object, not %s", c.args)
			}
			if c.watch {
				return p.watchFunction(cmd.Context(), c)
			}
			return p.runFunction(cmd.Context(), c)
		},
	}
	cmd.Flags().BoolVar(&c.watch, "watch", false, "follow a query: print its value now and whenever it changes, until interrupted")
	cmd.Flags().StringVar(&c.url, "url", "", "address of the server: `URL`")
	cmd.Flags().StringVar(&c.adminKey, "admin-key", "", "admin key, `NAME|SECRET`")
	cmd.Flags().StringVar(&c.data, "data", "", "data folder of the server, to find its address in: `DIR`")
	return cmd
}

func (p *program) runFunction(ctx context.Context, c runCall) error {
	at, err := c.endpoint()
	if err != nil {
		return err
	}
	answer, err := call(ctx, at, c.function, json.RawMessage(c.args))
	if err != nil {
		return err
	}
	return p.print(answer)
}

// print shows what a function came to; errTold if it failed.
func (p *program) print(answer *answer) error {
	for _, line := range answer.LogLines {
		fmt.Fprintln(p.stderr, line)
	}
	if answer.Status != "success" {
		fmt.Fprintln(p.stderr, strings.TrimRight(answer.ErrorMessage, "\n"))
		if answer.ErrorData != nil {
			fmt.Fprintf(p.stderr, "data: %s\n", pretty(answer.ErrorData))
		}
		return errTold
	}
	fmt.Fprintf(p.stdout, "%s\n", pretty(answer.Value))
	return nil
}

// endpoint is the server that the flags name, completed from the data folder.
func (c *runCall) endpoint() (endpoint, error) {
	at := endpoint{URL: strings.TrimRight(c.url, "/"), AdminKey: c.adminKey}
	if at.URL != "" && (at.AdminKey != "" || c.data == "") {
		return at, nil
	}
	var left endpoint
	var err error
	if c.data != "" {
		left, err = readEndpoint(c.data)
	} else {
		left, c.data, err = findEndpoint(".")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return at, errors.New("there is no server to ask: no data folder here tells of one. Start `runner dev`, or say --url and --admin-key")
	}
	if err != nil {
		return at, err
	}
	if at.URL == "" {
		at.URL = left.URL
	}
	if at.AdminKey == "" {
		at.AdminKey = left.AdminKey
	}
	return at, nil
}

// send makes a request of the server, with the admin key if there is one.
func (at endpoint) send(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, method, at.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if at.AdminKey != "" {
		r.Header.Set("Authorization", "Convex "+at.AdminKey)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, fmt.Errorf("no server answers: %w", err)
	}
	defer response.Body.Close()
	if answer, err = io.ReadAll(response.Body); err != nil {
		return 0, nil, fmt.Errorf("read the answer of %s: %w", at.URL, err)
	}
	return response.StatusCode, answer, nil
}

// An answer is what a function came to.
type answer struct {
	Status       string          `json:"status"`
	Value        json.RawMessage `json:"value"`
	ErrorMessage string          `json:"errorMessage"`
	ErrorData    json.RawMessage `json:"errorData"`
	LogLines     []string        `json:"logLines"`
	// Code and Message say why there is no answer.
	Code    string `json:"code"`
	Message string `json:"message"`
}

// call asks the server to run a function, of whatever kind it is.
func call(ctx context.Context, at endpoint, function string, args json.RawMessage) (*answer, error) {
	body, err := json.Marshal(map[string]any{"path": function, "args": args, "format": "convex_encoded_json"})
	if err != nil {
		return nil, err
	}
	status, raw, err := at.send(ctx, http.MethodPost, "/api/function", body)
	if err != nil {
		return nil, err
	}
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, fmt.Errorf("%s answered %d %s, which is not JSON: %.200s", at.URL, status, http.StatusText(status), raw)
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", a.Code, a.Message)
	}
	return &a, nil
}

// pretty lays JSON out over lines, with numbers as JavaScript writes them: 3, not 3.0.
func pretty(raw json.RawMessage) string {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return string(raw)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return string(raw)
	}
	return strings.TrimRight(b.String(), "\n")
}
