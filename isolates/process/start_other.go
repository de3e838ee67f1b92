//go:build !linux

package process

import "syscall"

// A confinement is what the kernel is asked to put around a child when it starts it: nothing on this system.
type confinement int

func (c confinement) weaker() (confinement, bool) { return c, false }

func (c confinement) String() string { return "no namespace" }

func (c confinement) attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
