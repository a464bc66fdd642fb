package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// maxCallBytes bounds the parameters read from stdin; no server takes more in one message.
const maxCallBytes = 16 << 20

func newCall(c *cli) *cobra.Command {
	var list bool
	cmd := &cobra.Command{
		Use:     "call METHOD [JSON | -]",
		GroupID: groupServer,
		Short:   "Call any method of the server with raw JSON.",
		Long: `Call any method of the server with raw JSON, an object or an array; - reads it from stdin.
The result is printed as the server sent it. Signs in if there is something to sign in with.

Parameters that hold a password, token or invitation are taken from stdin only.`,
		Example: `  chatctl call --list
  chatctl call room.get '{"room": "lobby"}'
  chatctl call server.ping`,
		Args: func(cmd *cobra.Command, args []string) error {
			if list {
				return wants()(cmd, args)
			}
			return wants("METHOD", "[JSON | -]")(cmd, args)
		},
		ValidArgsFunction: completeMethods,
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return c.listMethods(cmd.Context())
			}
			params, err := c.callParams(cmd.Context(), args)
			if err != nil {
				return err
			}
			return c.as(cmd.Context(), needAnyone, func(ctx context.Context, client *chatclient.Client) error {
				result, err := client.CallRaw(ctx, args[0], params)
				if err != nil {
					return &aboutError{what: args[0], err: err, hint: callHint(err)}
				}
				c.out.document(result)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&list, "list", false, "list the server's methods instead")
	return cmd
}

func callHint(err error) string {
	if isCode(err, api.CodeMethodNotFound) {
		return "chatctl call --list"
	}
	return ""
}

// callParams reads the parameters; nil if there are none.
func (c *cli) callParams(ctx context.Context, args []string) (json.RawMessage, error) {
	if len(args) < 2 {
		return nil, nil
	}
	raw := []byte(args[1])
	switch {
	case args[1] == "-":
		var err error
		if raw, err = io.ReadAll(io.LimitReader(c.input(ctx), maxCallBytes)); err != nil {
			return nil, fmt.Errorf("reading stdin: %w", err)
		}
	case takesSecret(args[0]):
		return nil, usagef("chatctl call "+args[0]+" - < FILE", "the parameters of %s hold a secret, which everyone could see on the command line", args[0])
	}
	if !json.Valid(raw) {
		var v any
		return nil, usagef("", "the parameters are no JSON: %v", json.Unmarshal(raw, &v))
	}
	return raw, nil
}

// contractMethods reads what chatctl needs of an OpenRPC document.
func contractMethods(doc []byte) ([]contractMethod, error) {
	var d struct {
		Methods    []contractMethod `json:"methods"`
		Components struct {
			Schemas map[string]struct {
				Secret bool `json:"x-secret"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, fmt.Errorf("reading the server's document: %w", err)
	}
	calls := d.Methods[:0]
	for _, m := range d.Methods {
		if m.Direction == "server" {
			continue
		}
		for _, p := range m.Params {
			const prefix = "#/components/schemas/"
			if len(p.Schema.Ref) > len(prefix) && d.Components.Schemas[p.Schema.Ref[len(prefix):]].Secret {
				m.secret = true
			}
		}
		calls = append(calls, m)
	}
	return calls, nil
}

type contractMethod struct {
	Name      string `json:"name"`
	Summary   string `json:"summary"`
	Direction string `json:"x-direction"`
	Authz     string `json:"x-authz"`
	Params    []struct {
		Name     string `json:"name"`
		Required bool   `json:"required"`
		Schema   struct {
			Ref string `json:"$ref"`
		} `json:"schema"`
	} `json:"params"`

	secret bool // a parameter is x-secret
}

// usage is the method with its parameters, optional ones in brackets.
func (m *contractMethod) usage() string {
	s := m.Name
	for _, p := range m.Params {
		if p.Required {
			s += " " + p.Name
		} else {
			s += " [" + p.Name + "]"
		}
	}
	return s
}

// takesSecret tells whether a parameter of the method is a secret by the contract.
func takesSecret(method string) bool {
	methods, err := contractMethods(api.DocumentJSON())
	if err != nil {
		return true // cannot be: the document is embedded and tested
	}
	for _, m := range methods {
		if m.Name == method {
			return m.secret
		}
	}
	return false
}

func (c *cli) listMethods(ctx context.Context) error {
	return c.as(ctx, needNobody, func(ctx context.Context, client *chatclient.Client) error {
		doc, err := client.RPCDiscover(ctx, &api.RPCDiscoverParams{})
		if err != nil {
			return err
		}
		methods, err := contractMethods(doc)
		if err != nil {
			return err
		}
		if c.json {
			type entry struct {
				Name    string `json:"name"`
				Summary string `json:"summary"`
				Authz   string `json:"authz"`
			}
			list := make([]entry, len(methods))
			for i, m := range methods {
				list[i] = entry{m.Name, m.Summary, m.Authz}
			}
			raw, err := json.Marshal(list)
			if err != nil {
				return err
			}
			c.out.document(raw)
			return nil
		}
		t := c.table("METHOD", "FOR", "SUMMARY")
		for i := range methods {
			t.row(methods[i].usage(), methods[i].Authz, methods[i].Summary)
		}
		return t.end()
	})
}

func completeMethods(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	methods, _ := contractMethods(api.DocumentJSON()) // an error leaves nothing to offer
	var names []cobra.Completion
	for _, m := range methods {
		names = append(names, cobra.CompletionWithDesc(m.Name, m.Summary))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
