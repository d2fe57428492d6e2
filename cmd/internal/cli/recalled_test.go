package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// remembered are the files of what the home of a machine remembers. One that is written again is another file.
func (m *machine) remembered() []fs.FileInfo {
	m.t.Helper()
	files, err := os.ReadDir(filepath.Join(m.home, "cairn", "recall"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.t.Fatal(err)
	}
	var all []fs.FileInfo
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			m.t.Fatal(err)
		}
		all = append(all, info)
	}
	return all
}

// again runs the benchmark and says whether that it was unchanged was recalled: what is looked at in full is
// remembered anew.
func (m *machine) again(args ...string) (recalled bool) {
	m.t.Helper()
	was := m.remembered()
	m.want(0, append(words("run benchmark.yaml"), args...))
	is := m.remembered()
	return len(was) == 1 && len(is) == 1 && os.SameFile(was[0], is[0])
}

// TestRecalled: a run in which nothing changed is recalled, and says what it says when it is looked at in full.
func TestRecalled(t *testing.T) {
	m := newMachine(t, smallSteps(4))
	m.want(0, words("run benchmark.yaml"), "4 steps done")
	if !m.again() || !m.again("--locked") || !m.again("--offline") {
		t.Error("what has just been done is not recalled")
	}
	recalled := m.want(0, words("run benchmark.yaml --json"))
	if err := os.RemoveAll(filepath.Join(m.home, "cairn", "recall")); err != nil {
		t.Fatal(err)
	}
	inFull := m.want(0, words("run benchmark.yaml --json"))
	if recalled.stdout != inFull.stdout {
		t.Errorf("recalled\n%s\nin full\n%s", recalled.stdout, inFull.stdout)
	}
	lock, manifest := m.read("benchmark.lock"), m.read("benchmark.yaml")
	for _, c := range []struct {
		what   string
		change func()
	}{
		{"a comment in the manifest", func() { m.write("benchmark.yaml", manifest+"# changed\n") }},
		{"the lock is gone", func() {
			if err := os.Remove(m.path("benchmark.lock")); err != nil {
				t.Fatal(err)
			}
		}},
		{"an entry is gone", func() {
			if err := os.Remove(entriesOf(t, m)[0]); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		c.change()
		if m.again() {
			t.Errorf("%s, and the run is recalled", c.what)
		}
		if m.read("benchmark.lock") != lock {
			t.Errorf("%s: another lock", c.what)
		}
		m.write("benchmark.yaml", manifest)
		m.again()
		if !m.again() {
			t.Errorf("%s: when all is as it was, the run is not recalled", c.what)
		}
	}
	m.write("benchmark.lock", lock+"# changed\n")
	m.want(2, words("run benchmark.yaml"), "lock was edited")
	m.write("benchmark.lock", lock)
	if m.released("v3").again() {
		t.Error("another program recalls the run")
	}
}

// TestNotRemembered: of what is read in a folder of this machine nothing is remembered.
func TestNotRemembered(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	m.want(0, words("run benchmark.yaml"), "nothing to do")
	if all := m.remembered(); len(all) > 0 {
		t.Errorf("%d files", len(all))
	}
}
