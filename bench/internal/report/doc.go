// Package report turns figures into a table, a plot and a file.
package report
