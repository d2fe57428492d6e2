//go:build !linux

package host

import (
	"os"
	"syscall"
)

func isolations(bool) []*syscall.SysProcAttr { return []*syscall.SysProcAttr{nil, {Setpgid: true}} }
func isolated(*syscall.SysProcAttr) bool     { return false }
func refused(error) bool                     { return false }
func catches(int, syscall.Signal) bool       { return true }
func peak(*os.ProcessState) int64            { return 0 }
func free() int64                            { return 0 }

// bind bounds nothing here.
func (p *process) bind() bound { return bound{} }
