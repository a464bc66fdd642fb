package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// wants checks positional arguments against their names as they stand in the usage line; a name in
// brackets may be absent.
func wants(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return usagef(cmd.UseLine(), "%q is one argument too many", args[len(names)])
		}
		for _, name := range names[len(args):] {
			if !strings.HasPrefix(name, "[") {
				return usagef(cmd.UseLine(), "%s is missing", name)
			}
		}
		return nil
	}
}

// exclusive refuses more than one of the flags.
func exclusive(cmd *cobra.Command, flags ...string) error {
	given := ""
	for _, name := range flags {
		switch {
		case !cmd.Flags().Changed(name):
		case given != "":
			return usagef(cmd.CommandPath()+" --help", "--%s and --%s exclude each other", given, name)
		default:
			given = name
		}
	}
	return nil
}
