package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParseMessageCommand(t *testing.T) {
	for _, tc := range []struct {
		line string
		want messageCommand
	}{
		{"/reply 4 I am Groot.", messageCommand{name: "/reply", seq: 4, text: "I am Groot."}},
		{"/reply #4  I  am\tGroot.", messageCommand{name: "/reply", seq: 4, text: "I  am\tGroot."}},
		{"/reply 4 /quit", messageCommand{name: "/reply", seq: 4, text: "/quit"}},
		{"/thread 4", messageCommand{name: "/thread", seq: 4}},
		{"/thread\t#4 5 of them", messageCommand{name: "/thread", seq: 4, text: "5 of them"}},
		{"/edit 4 5", messageCommand{name: "/edit", seq: 4, text: "5"}},
		{"/edit last last words", messageCommand{name: "/edit", last: true, text: "last words"}},
		{"/delete last", messageCommand{name: "/delete", last: true}},
		{"/delete #12", messageCommand{name: "/delete", seq: 12}},
		{"/react 4 👍", messageCommand{name: "/react", seq: 4, text: "👍"}},
		{"/unreact 4 👍", messageCommand{name: "/unreact", seq: 4, text: "👍"}},
		{"/pin 4", messageCommand{name: "/pin", seq: 4}},
		{"/unpin 4", messageCommand{name: "/unpin", seq: 4}},
		{"/pins", messageCommand{name: "/pins"}},
		{`/search "roll back" -staging`, messageCommand{name: "/search", text: `"roll back" -staging`}},
	} {
		if got, err := parseMessageCommand(tc.line); err != nil || got == nil || *got != tc.want {
			t.Errorf("%s: %+v, %v; want %+v", tc.line, got, err, tc.want)
		}
	}
}

func TestMessageCommandsThatAreWrong(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{"/reply", "N is missing; try: /reply N TEXT"},
		{"/reply 4", "TEXT is missing; try: /reply N TEXT"},
		{"/reply last hi", `"last" is no number of a message; try: /reply N TEXT`},
		{"/edit I am Groot.", `"I" is no number of a message; try: /edit N|last TEXT`},
		{"/edit", "N|last is missing; try: /edit N|last TEXT"},
		{"/edit last", "TEXT is missing; try: /edit N|last TEXT"},
		{"/delete 4 now", `"now" is one argument too many; try: /delete N|last`},
		{"/delete 0", `"0" is no number of a message; try: /delete N|last`},
		{"/delete -4", `"-4" is no number of a message; try: /delete N|last`},
		{"/delete 99999999999999999999", `"99999999999999999999" is no number of a message; try: /delete N|last`},
		{"/react 4", "EMOJI is missing; try: /react N EMOJI"},
		{"/react 4 👍 👎", `"👎" is one argument too many; try: /react N EMOJI`},
		{"/thread", "N is missing; try: /thread N [TEXT]"},
		{"/pins 4", `"4" is one argument too many; try: /pins`},
		{"/search", "QUERY is missing; try: /search QUERY"},
	} {
		_, err := parseMessageCommand(tc.line)
		if err == nil || complain(err) != "chatctl: "+tc.want+"\n" {
			t.Errorf("%s: %v, want %s", tc.line, err, tc.want)
		}
	}
	for _, line := range []string{"/", "/pinned", "/replying 4 hi", "/Pins", "/who", "/quit"} {
		if got, err := parseMessageCommand(line); got != nil || err != nil {
			t.Errorf("%s: %+v, %v; want another's", line, got, err)
		}
	}
}

func TestChatHelpNamesMessageCommands(t *testing.T) {
	for _, usage := range messageCommands {
		if name, _ := cutWord(usage); !slices.Contains(strings.Fields(chatHelp), name) {
			t.Errorf("%s is not in the help", name)
		}
	}
}
