package host

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// bind bounds the memory of the process before it has read its request, so before it can have begun: by a cgroup of
// its own where we may make one, else by a limit of the process, which its children have each for themselves.
func (p *process) bind() bound {
	own, ok := ownGroup()
	if p.memory <= 0 {
		return watch(own, ok)
	}
	if ok && !p.host.noGroups {
		if b, err := own.bind(p.cmd.Process.Pid, p.memory); err == nil {
			return b
		}
	}
	b := watch(own, ok)
	if err := limit(p.cmd.Process.Pid, uint64(p.memory)); err != nil {
		p.note(fmt.Sprintf("its memory is not bounded: %v", err))
		return b
	}
	b.bytes, b.how = p.memory, limitData
	return b
}

// watch counts what the kernel ends in the cgroup of this process.
func watch(own group, ok bool) bound {
	if !ok || own.kills() < 0 {
		return bound{}
	}
	return bound{kills: own.kills, begun: own.kills()}
}

// limit sets RLIMIT_DATA of another process.
func limit(pid int, bytes uint64) error {
	l := syscall.Rlimit{Cur: bytes, Max: bytes}
	_, _, e := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_DATA, uintptr(unsafe.Pointer(&l)), 0, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

// group is a cgroup that accounts for memory, of either version.
type group struct {
	dir string
	v2  bool
}

// ownGroup finds that of this process.
func ownGroup() (group, bool) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return group{}, false
	}
	roots := mounts()
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		for _, controller := range strings.Split(f[1], ",") {
			if root, ok := roots["memory"]; ok && controller == "memory" {
				return group{dir: filepath.Join(root, f[2])}, true
			}
		}
	}
	for line := range strings.Lines(string(text)) {
		path, unified := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if root, ok := roots["2"]; ok && unified {
			return group{dir: filepath.Join(root, path), v2: true}, true
		}
	}
	return group{}, false
}

// mounts says where the cgroups of version 2 are, under "2", and those for memory of version 1, under "memory".
func mounts() map[string]string {
	out := map[string]string{}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return out
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		place, kind := strings.Fields(before), strings.Fields(after)
		switch {
		case !ok || len(place) < 5 || len(kind) < 3:
		case kind[0] == "cgroup2":
			out["2"] = place[4]
		case kind[0] == "cgroup" && strings.Contains(","+kind[2]+",", ",memory,"):
			out["memory"] = place[4]
		}
	}
	return out
}

// kills is how many of its processes the kernel has ended for want of memory, -1 if that is not told.
func (g group) kills() int64 {
	name := "memory.oom_control"
	if g.v2 {
		name = "memory.events"
	}
	text, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "oom_kill "); ok {
			if n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil {
				return n
			}
		}
	}
	return -1
}

// groupName is the name of a cgroup: the process that made it, and a number.
const groupName = "cairn-%d-%d"

var groups atomic.Int64

// bind makes a cgroup for a process. One of version 2 that has processes can have no others below it, so there it is
// made beside ours.
func (g group) bind(pid int, bytes int64) (bound, error) {
	parent := g
	if g.v2 {
		parent.dir = filepath.Dir(g.dir)
	}
	parent.sweep()
	own := group{dir: filepath.Join(parent.dir, fmt.Sprintf(groupName, os.Getpid(), groups.Add(1))), v2: g.v2}
	if err := os.Mkdir(own.dir, 0o755); err != nil {
		return bound{}, err
	}
	if err := own.fill(pid, bytes); err != nil {
		return bound{}, errors.Join(err, os.Remove(own.dir))
	}
	return bound{bytes: bytes, how: limitCgroup, kills: own.kills, whole: true, drop: own.remove}, nil
}

func (g group) fill(pid int, bytes int64) error {
	max, swap, n := "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", strconv.FormatInt(bytes, 10)
	if g.v2 {
		max, swap = "memory.max", "memory.swap.max"
	}
	if err := g.write(max, n); err != nil {
		return err
	}
	if g.v2 {
		n = "0"
	}
	_ = g.write(swap, n) // there may be no swap to account for
	if g.kills() < 0 {
		return errors.New("the cgroup does not tell what the kernel ends")
	}
	return g.write("cgroup.procs", strconv.Itoa(pid))
}

func (g group) write(name, value string) error {
	return os.WriteFile(filepath.Join(g.dir, name), []byte(value), 0o644)
}

// remove removes an empty cgroup; what was killed may take a moment to be gone.
func (g group) remove() {
	for range 50 {
		if err := os.Remove(g.dir); err == nil || !errors.Is(err, syscall.EBUSY) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// sweep removes the cgroups of processes of Cairn that are gone.
func (g group) sweep() {
	entries, err := os.ReadDir(g.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		var pid, n int
		if _, err := fmt.Sscanf(e.Name(), groupName, &pid, &n); err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
			_ = os.Remove(filepath.Join(g.dir, e.Name()))
		}
	}
}
