package report

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// Measures of the plot, in pixels.
const (
	plotWidth  = 760
	labelWidth = 140
	valueWidth = 150 // right of the longest bar
	barHeight  = 14
	barPitch   = 18
	groupGap   = 16
	titleSpace = 22
)

// plotStyle colours the plot for light and dark pages; on both, text and bars stand out by 3:1 or more.
const plotStyle = `
 text { font: 12px system-ui, sans-serif; fill: #1f2328; }
 .head { font-size: 15px; font-weight: 600; }
 .title { font-weight: 600; }
 .quiet { fill: #59636e; }
 .bar { fill: #0f6cbd; }
 .floor { fill: #7d8590; }
 .hub { fill: #bc5a00; }
 .other { fill: #4f94d4; }
 .range { stroke: #1f2328; stroke-width: 1.5; fill: none; }
 .axis { stroke: #8c959f; stroke-width: 1; }
 @media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .quiet { fill: #9198a1; }
  .bar { fill: #4c9fe6; }
  .hub { fill: #e0883a; }
  .other { fill: #2f73b3; }
  .range { stroke: #e6edf3; }
  .axis { stroke: #6e7681; }
 }
`

// SVG is the plot: bars by scenario, one panel for each unit, each bar with its median and the least and most.
func (d *Document) SVG() string {
	var body strings.Builder
	y := 28
	for _, unit := range units(d.Groups) {
		p := panel{unit: unit}
		for _, g := range d.Groups {
			if g.Unit == unit {
				p.groups = append(p.groups, g)
			}
		}
		y = p.draw(&body, y) + groupGap
	}
	m := &d.Machine
	fmt.Fprintf(&body, "<text class=\"quiet\" x=\"10\" y=\"%d\">%s</text>\n", y, escape(fmt.Sprintf("%d cores (%s), Linux %s, %s, %s. Bars: medians; lines: least to most.", m.Cores, m.CPU, m.Kernel, m.Go, m.Date)))
	y += 14
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-label=\"chatd beside a floor and a hub\">\n<style>%s</style>\n%s</svg>\n",
		plotWidth, y, plotWidth, y, plotStyle, body.String())
}

func units(groups []Group) (all []string) {
	seen := map[string]bool{}
	for _, g := range groups {
		if !seen[g.Unit] {
			seen[g.Unit] = true
			all = append(all, g.Unit)
		}
	}
	return all
}

// panel is groups that share a scale.
type panel struct {
	unit   string
	groups []Group
	most   float64
}

func (p *panel) draw(b *strings.Builder, y int) (below int) {
	head := p.unit
	if head == "" {
		head = "CPU seconds of the server per million deliveries (less is better)"
	} else {
		head += " (more is better)"
	}
	for _, g := range p.groups {
		for _, bar := range g.Bars {
			p.most = max(p.most, bar.Value.Max)
		}
	}
	fmt.Fprintf(b, "<text class=\"head\" x=\"10\" y=\"%d\">%s</text>\n", y, escape(head))
	y += 10
	for _, g := range p.groups {
		y += titleSpace
		fmt.Fprintf(b, "<text class=\"title\" x=\"10\" y=\"%d\">%s</text>\n", y-6, escape(g.Title))
		top := y
		for _, bar := range g.Bars {
			p.bar(b, &bar, y)
			y += barPitch
		}
		fmt.Fprintf(b, "<path class=\"axis\" d=\"M%d %dV%d\"/>\n", labelWidth, top-2, y)
		y += groupGap / 2
	}
	return y + groupGap
}

func (p *panel) bar(b *strings.Builder, bar *Bar, y int) {
	middle := y + barHeight/2
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", labelWidth-8, middle+4, escape(bar.Name))
	fmt.Fprintf(b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>\n", class(bar.Name), labelWidth, y, p.length(bar.Value.Median), barHeight)
	end := labelWidth + p.length(bar.Value.Median)
	if bar.Value.Max > bar.Value.Min {
		low, high := labelWidth+p.length(bar.Value.Min), labelWidth+p.length(bar.Value.Max)
		fmt.Fprintf(b, "<path class=\"range\" d=\"M%.1f %dH%.1fM%.1f %dv6M%.1f %dv6\"/>\n", low, middle, high, low, middle-3, high, middle-3)
		end = max(end, high)
	}
	fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%d\">%s</text>\n", end+6, middle+4, escape(number(bar.Value.Median)))
}

func (p *panel) length(v float64) float64 {
	if p.most == 0 {
		return 0
	}
	return v / p.most * (plotWidth - labelWidth - valueWidth)
}

func class(name string) string {
	switch name {
	case "floor", "hub":
		return name
	case "chatd no window":
		return "other"
	default:
		return "bar"
	}
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}
