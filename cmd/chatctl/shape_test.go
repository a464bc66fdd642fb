package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// everyday are the commands that stand alone: what is typed all day, purge (it spans rooms), and plumbing. All others are a
// noun and a verb.
var everyday = strings.Fields("register login logout whoami passwd watch chat dm send tail history read search purge export import call ping version completion help exit-codes environment")

// Commands have one shape: a noun, and below it verbs, which the noun's help names; what is listed is listed by ls.
func TestCommandsHaveOneShape(t *testing.T) {
	var b strings.Builder
	root := newRoot(&cli{out: newPrinter(&b), talk: newPrinter(&b), getenv: func(string) string { return "" }})
	alone := map[string]bool{}
	for _, name := range everyday {
		alone[name] = true
	}
	word := regexp.MustCompile(`[a-z-]+`)
	for _, cmd := range root.Commands() {
		if alone[cmd.Name()] {
			continue
		}
		if !cmd.HasSubCommands() {
			t.Errorf("%s is neither for every day nor a noun with verbs", cmd.CommandPath())
		}
		said := map[string]bool{}
		for _, w := range word.FindAllString(cmd.Short, -1) {
			said[w] = true
		}
		for _, verb := range cmd.Commands() {
			if !said[verb.Name()] {
				t.Errorf("chatctl help does not name %s: %q", verb.CommandPath(), cmd.Short)
			}
			if verb.Name() == "list" || verb.HasAlias("list") {
				t.Errorf("%s: it is ls elsewhere", verb.CommandPath())
			}
			if verb.HasSubCommands() {
				t.Errorf("%s has commands of its own", verb.CommandPath())
			}
		}
	}
	eachCommand(root, func(cmd *cobra.Command) {
		if cmd.Short == "" || !strings.HasSuffix(cmd.Short, ".") && !strings.HasSuffix(cmd.Short, "?") {
			t.Errorf("%s: %q is no sentence", cmd.CommandPath(), cmd.Short)
		}
		if cmd.Runnable() && cmd.Args == nil && cmd.Name() != "search" && cmd.Parent() != nil && !alone[cmd.Parent().Name()] {
			t.Errorf("%s takes any arguments", cmd.CommandPath())
		}
	})
}

func eachCommand(cmd *cobra.Command, do func(*cobra.Command)) {
	for _, sub := range cmd.Commands() {
		do(sub)
		eachCommand(sub, do)
	}
}
