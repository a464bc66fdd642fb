package report

// SVG is the plot.
func (d *Document) SVG() string { return "" }
