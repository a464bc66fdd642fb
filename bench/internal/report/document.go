package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chatd-dev/chatd/bench/internal/proc"
)

// Document is everything that a run found.
type Document struct {
	Machine      proc.Machine  `json:"machine"`
	Form         string        `json:"form"` // smoke, short or full
	Rows         []Row         `json:"rows"`
	Groups       []Group       `json:"cpu_per_million_deliveries"`
	Others       Spread        `json:"others_percent"`        // of the processors, had by others during the measurements
	Lost         []string      `json:"lost,omitempty"`        // measurements in which something was lost, made again
	Event        int           `json:"event_bytes,omitempty"` // of one delivery, on the wire
	Measurements []Measurement `json:"measurements"`
}

// Group is one scenario in the plot.
type Group struct {
	Title string `json:"title"`
	Unit  string `json:"unit,omitempty"` // "" means CPU seconds per million deliveries
	Bars  []Bar  `json:"bars"`
}

// Bar is one figure of it.
type Bar struct {
	Name  string `json:"name"`
	Value Spread `json:"value"`
}

// Measurement is a raw figure.
type Measurement struct {
	Scenario string `json:"scenario"`
	Variant  string `json:"variant"`
	Result   any    `json:"result"`
}

// Markdown is the tables.
func (d *Document) Markdown() string {
	var b strings.Builder
	m := &d.Machine
	fmt.Fprintf(&b, "%d cores (%s), %.0f GiB, Linux %s, %s, data on %s; %s. Form: %s; medians [least–most].\n\n",
		m.Cores, m.CPU, float64(m.Memory)/(1<<30), m.Kernel, m.Go, m.FileSystem, m.Date, d.Form)
	if d.Others.N > 0 {
		fmt.Fprintf(&b, "Other work had %s %% of the processors during the measurements.\n\n", d.Others)
	}
	if d.Event > 0 {
		fmt.Fprintf(&b, "One delivery is %d bytes, TCP aside.\n\n", d.Event)
	}
	for _, lost := range d.Lost {
		fmt.Fprintf(&b, "Measured again, because something was lost: %s.\n\n", lost)
	}
	b.WriteString(Table(d.Rows))
	if cpu := d.cpu(); len(cpu) > 0 {
		b.WriteString("\nCPU seconds of the server per million deliveries:\n\n" + groupTable(cpu))
	}
	return b.String()
}

func (d *Document) cpu() (groups []Group) {
	for _, g := range d.Groups {
		if g.Unit == "" {
			groups = append(groups, g)
		}
	}
	return groups
}

func groupTable(groups []Group) string {
	names := barNames(groups)
	var b strings.Builder
	fmt.Fprintf(&b, "| scenario | %s |\n|%s\n", strings.Join(names, " | "), strings.Repeat(" --- |", len(names)+1))
	for _, g := range groups {
		fmt.Fprintf(&b, "| %s |", g.Title)
		for _, name := range names {
			fmt.Fprintf(&b, " %s |", g.bar(name))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (g *Group) bar(name string) Spread {
	for _, bar := range g.Bars {
		if bar.Name == name {
			return bar.Value
		}
	}
	return Spread{}
}

// barNames are the names of all bars, in the order in which they first come.
func barNames(groups []Group) (names []string) {
	seen := map[string]bool{}
	for _, g := range groups {
		for _, bar := range g.Bars {
			if !seen[bar.Name] {
				seen[bar.Name] = true
				names = append(names, bar.Name)
			}
		}
	}
	return names
}

// Write writes performance.json and performance.svg.
func (d *Document) Write(dir string) error {
	text, err := d.encode()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "performance.json"), text, 0o644); err != nil { //nolint:gosec // published
		return err
	}
	return os.WriteFile(filepath.Join(dir, "performance.svg"), []byte(d.SVG()), 0o644) //nolint:gosec // published
}

// encode is the document as JSON, indented but for the measurements, which have a line each.
func (d *Document) encode() ([]byte, error) {
	head := *d
	head.Measurements = []Measurement{}
	text, err := json.MarshalIndent(&head, "", " ")
	if err != nil {
		return nil, err
	}
	var lines []string
	for i := range d.Measurements {
		line, err := json.Marshal(&d.Measurements[i])
		if err != nil {
			return nil, err
		}
		lines = append(lines, "  "+string(line))
	}
	before, after, found := strings.Cut(string(text), `"measurements": []`)
	if !found || len(lines) == 0 {
		return append(text, '\n'), nil
	}
	return []byte(before + "\"measurements\": [\n" + strings.Join(lines, ",\n") + "\n ]" + after + "\n"), nil
}
