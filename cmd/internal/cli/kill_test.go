package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// killedAt starts a command and kills it with SIGKILL as soon as it has said something.
func (m *machine) killedAt(said string, args ...string) {
	m.t.Helper()
	if code := m.endedAt(said, syscall.SIGKILL, args...); code != -1 {
		m.t.Fatalf("cairn %q: exit code %d, want death by SIGKILL", args, code)
	}
}

// endedAt starts a command, sends it a signal as soon as it has said something, and returns its exit code.
func (m *machine) endedAt(said string, signal syscall.Signal, args ...string) int {
	m.t.Helper()
	c := m.command(args...)
	stderr, err := c.StderrPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		m.t.Fatal(err)
	}
	var seen strings.Builder
	lines := bufio.NewScanner(stderr)
	found := false
	for !found && lines.Scan() {
		fmt.Fprintln(&seen, lines.Text())
		found = strings.Contains(lines.Text(), said)
	}
	if err := c.Process.Signal(signal); err != nil {
		m.t.Fatal(err)
	}
	io.Copy(&seen, stderr)
	var exited *exec.ExitError
	if err := c.Wait(); !found || !errors.As(err, &exited) {
		m.t.Fatalf("cairn %q: not ended at %q: %v\n%s", args, said, err, seen.String())
	}
	return exited.ExitCode()
}

// slow trains for long enough that a kill comes in between.
var slow = strings.Replace(small, "epochs: 2", "epochs: 800", 1)

// TestKilledRunIsResumed: a run that was killed ends with the same bytes, and what was done is not done again.
func TestKilledRunIsResumed(t *testing.T) {
	undisturbed := smallMachine(newMachine(t, ""))
	undisturbed.write("benchmark.yaml", slow)
	undisturbed.want(0, words("run benchmark.yaml"))
	for _, c := range []struct{ at, verb string }{
		{"ok  fetch/heart", "resume"},
		{"→   pretrain/single", "resume"},
		{"→   pretrain/single", "run benchmark.yaml"},
	} {
		m := smallMachine(newMachine(t, ""))
		m.write("benchmark.yaml", slow)
		m.killedAt(c.at, words("run benchmark.yaml --progress plain")...)
		m.want(0, words("status"), "running", "benchmark.yaml")
		if strings.Contains(c.at, "pretrain") {
			status := m.want(0, []string{"status", runOf(m)}, "running", "ran", "curate/heart")
			if strings.Contains(status.stdout, "evaluate/test/single/heart") && !strings.Contains(status.stdout, "waiting") {
				t.Errorf("no step waits:\n%s", status.stdout)
			}
		}
		run := runOf(m)
		m.want(0, words(c.verb), "95 % bootstrap intervals")
		m.want(0, []string{"log", "--follow", run}, "planned    4 steps to do, 0 found in the cache", "begun      fetch/heart", "ran        pretrain/single", "completed")
		if m.read("benchmark.lock") != undisturbed.read("benchmark.lock") {
			t.Errorf("killed at %q and %q: another lock", c.at, c.verb)
		}
		m.want(0, words("verify benchmark.lock --level bytes"), "verified")
		m.want(1, words("resume"), "nothing to resume")
	}
}

// TestInterruptedRunIsResumed: Ctrl-C leaves a run open.
func TestInterruptedRunIsResumed(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", slow)
	if code := m.endedAt("→   pretrain/single", syscall.SIGINT, words("run benchmark.yaml --progress plain")...); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	m.want(0, words("status"), "running")
	m.want(0, words("resume"), "95 % bootstrap intervals")
}

// TestTrainingGoesOn: a training that was killed goes on from its last checkpoint, and one that was interrupted
// from where it was; the model is the same.
func TestTrainingGoesOn(t *testing.T) {
	undisturbed := smallMachine(newMachine(t, ""))
	undisturbed.write("benchmark.yaml", slow)
	undisturbed.want(0, words("run benchmark.yaml"))
	for _, c := range []struct {
		name, flags string
		signal      syscall.Signal
		code        int
	}{
		{"killed", "--checkpoint 1ns", syscall.SIGKILL, -1},
		{"killed, saved by steps", "--checkpoint 1h --checkpoint-steps 2", syscall.SIGKILL, -1},
		{"interrupted", "--checkpoint 1h", syscall.SIGINT, 130},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := smallMachine(newMachine(t, ""))
			m.write("benchmark.yaml", slow)
			// The first block of the bar stands for eighty steps.
			if code := m.endedAt(fmt.Sprintf("%-32s  [█", "pretrain/single"), c.signal, words("run benchmark.yaml --progress fancy "+c.flags)...); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			m.want(0, words("resume"), "pretrain/single  resumed at step ")
			if m.read("benchmark.lock") != undisturbed.read("benchmark.lock") {
				t.Error("another lock")
			}
			files, err := filepath.Glob(filepath.Join(m.home, "cairn", "checkpoints", "*"))
			if err != nil || len(files) > 0 {
				t.Errorf("checkpoints are left: %v, %v", files, err)
			}
		})
	}
}

// runOf is the name of the newest run of a machine.
func runOf(m *machine) string {
	m.t.Helper()
	doc := object[struct{ Runs []runInfo }](m, 0, "status")
	if len(doc.Runs) == 0 {
		m.t.Fatalf("runs: %+v", doc.Runs)
	}
	return doc.Runs[0].Run
}

// TestChangedManifestEndsTheOldRun: the unfinished run of a manifest as it was does not go on beside the new one.
func TestChangedManifestEndsTheOldRun(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", slow)
	m.killedAt("→   pretrain/single", words("run benchmark.yaml --progress plain")...)
	m.write("benchmark.yaml", small)
	m.want(0, words("run benchmark.yaml"), "is given up", "2 steps done, 2 found")
	m.want(0, words("status"), "terminated", "completed")
}

// TestCancel gives a run up.
func TestCancel(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", slow)
	m.killedAt("→   pretrain/single", words("run benchmark.yaml --progress plain")...)
	run := runOf(m)
	m.want(0, []string{"cancel", run})
	m.want(1, []string{"cancel", run}, "has ended: terminated")
	m.want(1, []string{"resume", run}, "has ended: terminated")
	m.want(2, words("cancel nothing"), `no run "nothing"`)
	m.want(2, words("run --detach benchmark.yaml"), "--address")
}
