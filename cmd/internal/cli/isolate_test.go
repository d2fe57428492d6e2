package cli

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pluginOf finds the process that a command has started for a step, 0 if there is none.
func pluginOf(t *testing.T, pid int) int {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		text, _ := os.ReadFile(list) // a thread may be gone by now
		for _, child := range strings.Fields(string(text)) {
			line, _ := os.ReadFile("/proc/" + child + "/cmdline")
			if strings.Contains(string(line), "plugin\x00exec") {
				n, _ := strconv.Atoi(child)
				return n
			}
		}
	}
	return 0
}

// TestIsolatedRun: steps in processes of their own give the same lock, also if the process of a training is killed: it
// goes on at once, from its last checkpoint.
func TestIsolatedRun(t *testing.T) {
	straight := smallMachine(newMachine(t, ""))
	straight.write("benchmark.yaml", slow)
	straight.want(0, words("run benchmark.yaml"))

	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", slow)
	c := m.command(words("run benchmark.yaml --isolate --checkpoint 1ns --progress plain")...)
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	killed := 0
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if killed == 0 && strings.Contains(lines.Text(), "→   pretrain/single") {
			m.awaitCheckpoint()
			if killed = pluginOf(t, c.Process.Pid); killed == 0 {
				t.Error("the training has no process of its own")
				continue
			}
			if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}
	if err := c.Wait(); err != nil || !strings.Contains(said.String(), "resumed at step ") {
		t.Errorf("%v\n%s", err, said.String())
	}
	if m.read("benchmark.lock") != straight.read("benchmark.lock") {
		t.Error("another lock")
	}
}

// awaitCheckpoint waits until a training has saved its state.
func (m *machine) awaitCheckpoint() {
	m.t.Helper()
	for {
		files, err := filepath.Glob(filepath.Join(m.home, "cairn", "checkpoints", "*.json"))
		if err != nil {
			m.t.Fatal(err)
		}
		if len(files) > 0 {
			return
		}
		select {
		case <-m.t.Context().Done():
			m.t.Fatal("no checkpoint")
		case <-time.After(5 * time.Millisecond):
		}
	}
}
