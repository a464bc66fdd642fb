//go:build !race

package testscript

const raceFlag = "-race=false"
