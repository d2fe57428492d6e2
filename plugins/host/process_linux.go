package host

import (
	"bufio"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// isolations are the ways to start a process, the most isolated first. The last one is in no namespace of its own.
//
// In a process namespace the kernel ends all processes when the first one ends, so that whoever a plugin has
// started ends with it, whatever happens to this process.
func isolations(network bool) []*syscall.SysProcAttr {
	flags := uintptr(syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC)
	if !network {
		flags |= syscall.CLONE_NEWNET
	}
	plain := func() *syscall.SysProcAttr {
		return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	}
	user := plain() // the same user, with the right to the other namespaces
	user.Cloneflags = flags | syscall.CLONE_NEWUSER
	user.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
	user.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	out := []*syscall.SysProcAttr{user, plain()}
	if os.Geteuid() == 0 {
		root := plain()
		root.Cloneflags = flags
		out = append([]*syscall.SysProcAttr{root}, out...)
	}
	return out
}

func isolated(a *syscall.SysProcAttr) bool { return a.Cloneflags != 0 }

// refused says whether a process was not started because of its namespaces.
func refused(err error) bool {
	for _, e := range []syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.EINVAL, syscall.ENOSPC, syscall.ENOSYS, syscall.EUSERS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// catches says whether a process has a handler for a signal.
func catches(pid int, s syscall.Signal) bool {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if mask, ok := strings.CutPrefix(lines.Text(), "SigCgt:"); ok {
			bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return err == nil && bits>>(s-1)&1 == 1
		}
	}
	return false
}

// peak is how much memory the largest process had.
func peak(state *os.ProcessState) int64 {
	if use, ok := state.SysUsage().(*syscall.Rusage); ok {
		return use.Maxrss << 10
	}
	return 0
}

// free is how much memory the machine could give, 0 if that is not known.
func free() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "MemAvailable:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}
