package report

import (
	"fmt"
	"strings"
)

// Row is one figure, what it is held against, and whether that is enough.
type Row struct {
	Scenario string `json:"scenario"`
	Figure   string `json:"figure"` // what is measured, with its unit
	Value    Spread `json:"value"`
	// Baseline was measured in the same run; "" if there is none.
	Baseline      string `json:"baseline,omitempty"`
	BaselineValue Spread `json:"baseline_value,omitzero"`
	Goal          Goal   `json:"goal,omitzero"`
	Note          string `json:"note,omitempty"`
}

// Goal is a bound. The zero value is none.
type Goal struct {
	AtMost  float64 `json:"at_most,omitempty"`
	AtLeast float64 `json:"at_least,omitempty"`
	Ratio   bool    `json:"ratio,omitempty"` // of the value to the baseline; otherwise of the value itself
}

// Ratio is the ratio of the medians; 0 without a baseline.
func (r *Row) Ratio() float64 {
	if r.BaselineValue.Median == 0 {
		return 0
	}
	return r.Value.Median / r.BaselineValue.Median
}

// Met tells whether the goal is met: "yes", "no", or "–" if there is none or nothing was measured.
func (r *Row) Met() string {
	v := r.Value.Median
	if r.Goal.Ratio {
		v = r.Ratio()
	}
	switch {
	case r.Goal == Goal{}, r.Value.N == 0, r.Goal.Ratio && r.BaselineValue.N == 0:
		return "–"
	case r.Goal.AtMost > 0 && v > r.Goal.AtMost, r.Goal.AtLeast > 0 && v < r.Goal.AtLeast:
		return "no"
	default:
		return "yes"
	}
}

func (g Goal) String() string {
	sign, bound := "≤", g.AtMost
	if g.AtLeast > 0 {
		sign, bound = "≥", g.AtLeast
	}
	switch {
	case g == Goal{}:
		return ""
	case g.Ratio:
		return fmt.Sprintf("%s %g ×", sign, bound)
	default:
		return fmt.Sprintf("%s %s", sign, number(bound))
	}
}

// Table is rows in Markdown. Notes stand beneath.
func Table(rows []Row) string {
	var b, notes strings.Builder
	b.WriteString("| scenario | figure | chatd | baseline | ratio | goal | met |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	n, last := 0, ""
	for i := range rows {
		r := &rows[i]
		name, baseline, ratio := r.Scenario, "", ""
		if name == last {
			name = ""
		}
		last = r.Scenario
		if r.Baseline != "" {
			baseline = fmt.Sprintf("%s %s", r.Baseline, r.BaselineValue)
			ratio = fmt.Sprintf("%.2f", r.Ratio())
		}
		figure := r.Figure
		if r.Note != "" {
			n++
			figure += fmt.Sprintf(" (%d)", n)
			fmt.Fprintf(&notes, "%d. %s\n", n, r.Note)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", name, figure, r.Value, baseline, ratio, r.Goal, r.Met())
	}
	if n > 0 {
		b.WriteString("\n" + notes.String())
	}
	return b.String()
}
