package main

import (
	"bytes"
	"testing"
)

func TestTable(t *testing.T) {
	for _, tc := range []struct {
		name string
		tty  bool
		rows [][]string
		want string
	}{
		{
			"nothing at the end of a row", true,
			[][]string{{"groot", "2026-11-22 09:30", ""}, {"thanos", "2026-11-22 09:31", "the Titan"}},
			"USER    SINCE             NAME\ngroot   2026-11-22 09:30\nthanos  2026-11-22 09:31  the Titan\n",
		},
		{"no rows, no heading", true, nil, ""},
		{"a pipe", false, [][]string{{"groot", "", ""}, {"thanos", "", "x\ty"}}, "groot\nthanos    x y\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			c := &cli{out: newPrinter(&out)}
			c.out.tty = tc.tty
			table := c.table("USER", "SINCE", "NAME")
			for _, row := range tc.rows {
				table.row(row...)
			}
			if err := table.end(); err != nil {
				t.Fatal(err)
			}
			if err := c.out.Flush(); err != nil || out.String() != tc.want {
				t.Errorf("%v, %q, want %q", err, out.String(), tc.want)
			}
		})
	}
}
