package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// reference is docs/CLI.md: the help of every command, in one page.
func reference(root *cobra.Command) []byte {
	var b bytes.Buffer
	b.WriteString("# chatctl\n\n<!-- Written by `go test ./cmd/chatctl -update` from the commands' help. -->\n")
	fmt.Fprintf(&b, "\n%s\n", root.Long)
	fmt.Fprintf(&b, "\n```\n%s\n```\n", root.Example)
	fmt.Fprintf(&b, "\nFlags of every command:\n\n```\n%s```\n", root.PersistentFlags().FlagUsages())
	for _, group := range root.Groups() {
		fmt.Fprintf(&b, "\n## %s\n", strings.TrimSuffix(group.Title, ":"))
		for _, cmd := range root.Commands() {
			if cmd.GroupID == group.ID {
				referTo(&b, cmd)
			}
		}
	}
	b.WriteString("\n## More\n")
	for _, cmd := range root.Commands() {
		if cmd.IsAdditionalHelpTopicCommand() {
			fmt.Fprintf(&b, "\n### chatctl help %s\n\n```\n%s\n```\n", cmd.Name(), cmd.Long)
		}
	}
	return b.Bytes()
}

func referTo(b *bytes.Buffer, cmd *cobra.Command) {
	if cmd.HasSubCommands() {
		for _, sub := range cmd.Commands() {
			referTo(b, sub)
		}
		return
	}
	long := cmd.Long
	if long == "" {
		long = cmd.Short
	}
	fmt.Fprintf(b, "\n### %s\n\n%s\n", cmd.CommandPath(), long)
	fmt.Fprintf(b, "\n```\n%s\n```\n", cmd.UseLine())
	if flags := cmd.LocalNonPersistentFlags().FlagUsages(); flags != "" {
		fmt.Fprintf(b, "\n```\n%s```\n", flags)
	}
	if cmd.Example != "" {
		fmt.Fprintf(b, "\n```\n%s\n```\n", cmd.Example)
	}
}
