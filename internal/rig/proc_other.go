//go:build !linux

package rig

import (
	"syscall"
	"time"
)

func dieWithParent() *syscall.SysProcAttr { return nil }

func childOf(pid int) int { return pid }

// RSS is the resident memory in bytes, 0 if it is not to be had.
func (s *Server) RSS() int64 { return 0 }

// MaxRSS is the most that it ever was.
func (s *Server) MaxRSS() int64 { return 0 }

// CPU is the time that the process has had of processors, user and system.
func (s *Server) CPU() time.Duration { return 0 }
