package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{nil, "–"},
		{[]float64{6.123}, "6.12"},
		{[]float64{3, 1, 2}, "2.00 [1.00–3.00]"},
		{[]float64{4, 1, 2, 3}, "2.50 [1.00–4.00]"},
		{[]float64{1234567, 99, 12.34}, "99.0 [12.3–1,235,000]"},
		{[]float64{0.01234}, "0.012"},
		{[]float64{24_900}, "24,900"},
	} {
		if got := SpreadOf(c.values...).String(); got != c.want {
			t.Errorf("%v: %s, want %s", c.values, got, c.want)
		}
	}
}

func TestGoals(t *testing.T) {
	for _, c := range []struct {
		value, baseline float64
		goal            Goal
		want, text      string
	}{
		{6, 6, Goal{AtMost: 1.1, Ratio: true}, "yes", "≤ 1.1 ×"},
		{7, 6, Goal{AtMost: 1.1, Ratio: true}, "no", "≤ 1.1 ×"},
		{8, 2, Goal{AtLeast: 4, Ratio: true}, "yes", "≥ 4 ×"},
		{7, 2, Goal{AtLeast: 4, Ratio: true}, "no", "≥ 4 ×"},
		{41, 0, Goal{AtMost: 40}, "no", "≤ 40.0"},
		{21_999, 0, Goal{AtLeast: 22_000}, "no", "≥ 22,000"},
		{5, 0, Goal{AtMost: 1.1, Ratio: true}, "–", "≤ 1.1 ×"},
		{5, 0, Goal{}, "–", ""},
	} {
		r := Row{Value: SpreadOf(c.value), Goal: c.goal}
		if c.baseline > 0 {
			r.BaselineValue = SpreadOf(c.baseline)
		}
		if got := r.Met(); got != c.want || c.goal.String() != c.text {
			t.Errorf("%v of %v against %s: %s, want %s", c.value, c.baseline, c.goal, got, c.want)
		}
	}
}

var example = &Document{
	Form:         "smoke",
	Measurements: []Measurement{{"a", "b", map[string]int{"x": 1}}, {"c", "d", 2}},
	Rows: []Row{
		{Scenario: "a & b", Figure: "CPU", Value: SpreadOf(1, 2, 3), Baseline: "floor", BaselineValue: SpreadOf(2), Goal: Goal{AtMost: 1.1, Ratio: true}, Note: "why"},
		{Scenario: "a & b", Figure: "p99", Value: SpreadOf(7)},
	},
	Groups: []Group{
		{Title: "a & b <c>", Bars: []Bar{{"chatd", SpreadOf(1, 2, 3)}, {"floor", SpreadOf(2)}}},
		{Title: "none", Bars: []Bar{{"hub", SpreadOf()}}},
		{Title: "rate", Unit: "deliveries/s", Bars: []Bar{{"chatd no window", SpreadOf(1e6)}}},
	},
}

func TestTable(t *testing.T) {
	text := example.Markdown()
	for _, want := range []string{
		"| a & b | CPU (1) | 2.00 [1.00–3.00] | floor 2.00 | 1.00 | ≤ 1.1 × | yes |\n|  | p99 | 7.00 |  |  |  | – |\n",
		"\n1. why\n", "| scenario | chatd | floor | hub |\n| --- | --- | --- | --- |\n| a & b <c> | 2.00 [1.00–3.00] | 2.00 | – |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestPlotIsWellFormed(t *testing.T) {
	for _, doc := range []*Document{example, {}} {
		d := xml.NewDecoder(strings.NewReader(doc.SVG()))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in\n%s", err, doc.SVG())
			}
		}
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	if err := example.Write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "performance.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back Document
	if err := json.Unmarshal(text, &back); err != nil || len(back.Rows) != 2 || len(back.Measurements) != 2 || back.Rows[0].Value.Median != 2 {
		t.Errorf("%v: %+v", err, back.Rows)
	}
}
