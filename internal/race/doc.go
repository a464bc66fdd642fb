// Package race tells tests whether they run under the race detector, where what computes much is ten times slower.
package race
