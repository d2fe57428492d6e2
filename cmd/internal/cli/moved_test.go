package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// undisturbed is the lock of a run of the slow benchmark that nothing happened to.
func undisturbed(t *testing.T) string {
	t.Helper()
	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", slow)
	m.want(0, words("run benchmark.yaml"))
	return m.read("benchmark.lock")
}

// killedInTraining is a machine whose run was killed there, with a checkpoint.
func killedInTraining(t *testing.T) *machine {
	t.Helper()
	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", slow)
	m.killedAt(fullBlock, words("run benchmark.yaml --progress fancy --checkpoint 1ns")...)
	return m
}

// fullBlock is the first block of the bar of the training, which stands for eighty steps. The last checkpoint is older
// by as many of them as are done while it is written.
const fullBlock = "pretrain/single                   [█"

// rename moves a folder, as a person would.
func rename(t *testing.T, from, to string) string {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestMovedHome: a run goes on in a home that was moved, at its checkpoint.
func TestMovedHome(t *testing.T) {
	m := killedInTraining(t)
	m.home = rename(t, m.home, filepath.Join(t.TempDir(), "elsewhere"))
	stands := object[runInfo](m, 0, "status", runOf(m)).Standing
	m.want(0, []string{"status", runOf(m)}, "2 steps are done, 2 are left; 1 of these was under way when it stopped and is begun again",
		"again  pretrain/single                   from its checkpoint at step ", " of 1600")
	resumed := object[runDocument](m, 0, "resume").Standing
	if diff := cmp.Diff(stands, resumed); diff != "" {
		t.Errorf("(-status +resume):\n%s", diff)
	}
	if s := resumed; !s.Planned || s.Done != 2 || s.Left != 2 || s.Failed+s.Elsewhere != 0 || len(s.Again) != 1 || s.Again[0].Checkpoint < 40 || s.Again[0].Steps != 1600 {
		t.Errorf("the run stands at %+v", s)
	}
	if m.read("benchmark.lock") != undisturbed(t) {
		t.Error("another lock")
	}
	m.want(0, words("verify benchmark.lock --level bytes"), "verified")
}

// TestMovedManifest: a run cannot go on where its folder is gone, and says what to do; from the new place it does,
// and what was done is not done again.
func TestMovedManifest(t *testing.T) {
	m := killedInTraining(t)
	run, old := runOf(m), m.dir
	m.dir = rename(t, m.dir, filepath.Join(t.TempDir(), "moved"))
	out := m.want(1, words("resume"), "run "+run+" is of "+old, "is not there", "run NEW-FOLDER/benchmark.yaml", "cancel "+run)
	if strings.Contains(out.stderr, "→") {
		t.Errorf("something was done:\n%s", out.stderr)
	}
	m.want(0, words("run benchmark.yaml"), "run "+run+" of "+old, "is still open", "pretrain/single  resumed at step ", "2 steps done, 2 found in the cache")
	if m.read("benchmark.lock") != undisturbed(t) {
		t.Error("another lock")
	}
}

// TestHomeHoldsNoPathOfItself: what a run leaves in its home names neither the home nor any other folder, so that the
// home can be moved. Of the engine's database other tests show that it can; notes of locks name the folder of the
// manifest, which has to be there.
func TestHomeHoldsNoPathOfItself(t *testing.T) {
	m := killedInTraining(t)
	home := filepath.Join(m.home, "cairn")
	err := filepath.WalkDir(home, func(path string, d os.DirEntry, err error) error {
		if err == nil && path == m.engine() {
			return filepath.SkipDir
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), m.home) {
			i := strings.Index(string(text), m.home)
			t.Errorf("%s holds the path of its home: %q", path, text[max(i-200, 0):min(i+200, len(text))])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
