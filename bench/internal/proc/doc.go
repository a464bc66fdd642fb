// Package proc starts the processes of a measurement, ends them whatever happens, and reads what the
// kernel knows about them: processor time, memory, the machine.
package proc
