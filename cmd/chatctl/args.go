package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// wants checks positional arguments against their names as they stand in the usage line; a name in
// brackets may be absent. It takes off the # and @ that people are used to write before rooms and users.
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
		for i := range args {
			args[i] = strings.TrimPrefix(args[i], sigils[strings.Trim(names[i], "[]")])
		}
		return nil
	}
}

// sigils are what people write before the name of a room or a user, by what usage lines call it. @USER for a ROOM
// stays: it means the direct room with them.
var sigils = map[string]string{"ROOM": "#", "USER": "@", "USERNAME": "@", "BOT": "@", "PREFIX": "@"}

// nameFlag is a flag for the name of a room or a user, with or without its sigil.
type nameFlag struct {
	name  *string
	sigil string
}

func (f nameFlag) String() string {
	if f.name == nil { // pflag asks the zero value
		return ""
	}
	return *f.name
}

func (f nameFlag) Set(typed string) error {
	*f.name = strings.TrimPrefix(typed, f.sigil)
	return nil
}

func (nameFlag) Type() string { return "string" }

// roomFlag is --room.
func roomFlag(cmd *cobra.Command, room *string, usage string) {
	cmd.Flags().Var(nameFlag{room, sigils["ROOM"]}, "room", usage)
}

// userFlag is a flag that names a user or bot.
func userFlag(cmd *cobra.Command, user *string, flag, usage string) {
	cmd.Flags().Var(nameFlag{user, sigils["USER"]}, flag, usage)
}

// usersTyped are the names of users without what people write before them; @room is no user.
func usersTyped(names []string) []string {
	for i, name := range names {
		if name != "@room" {
			names[i] = strings.TrimPrefix(name, sigils["USER"])
		}
	}
	return names
}

// flagFault says what is wrong with a flag in words of ours rather than the language's.
func flagFault(err error) string {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return err.Error()
	}
	want := bad.Unwrap().Error()
	switch bad.GetFlag().Value.Type() {
	case "int", "int64":
		want = "must be a whole number"
	case "bool":
		want = "must be true or false"
	case "duration":
		if _, err := parseLength(bad.GetValue()); err != nil {
			want = err.Error()
		}
	}
	return fmt.Sprintf("--%s %q: %s", bad.GetFlag().Name, bad.GetValue(), want)
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

// numbersFlag is --numbers.
func numbersFlag(cmd *cobra.Command, numbers *bool) {
	cmd.Flags().BoolVar(numbers, "numbers", false, "show the number of each message, by which other commands know it")
}
