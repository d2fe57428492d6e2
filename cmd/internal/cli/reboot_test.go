package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReboot: a run was killed together with its machine, which came back with a home that is older, damaged or
// littered. The run ends with the lock of a straight one.
func TestReboot(t *testing.T) {
	began := smallMachine(newMachine(t, ""))
	began.write("benchmark.yaml", strings.Replace(small, "epochs: 2", "epochs: 200", 1))
	undisturbed := &machine{t: t, home: t.TempDir(), dir: began.dir}
	undisturbed.want(0, words("run benchmark.yaml"))
	want := undisturbed.read("benchmark.lock")
	began.killedAt("ok  fetch/heart", words("run benchmark.yaml --progress plain")...)
	early := filepath.Join(t.TempDir(), "engine")
	copyTree(t, began.engine(), early)
	began.killedAt("ok  curate/heart", words("resume --progress plain")...)
	if _, err := os.Stat(filepath.Join(began.engine(), "connection.json")); err != nil {
		t.Fatalf("a killed process leaves its connection: %v", err)
	}

	for name, c := range map[string]struct {
		harm func(t *testing.T, m *machine)
		lost string // what is said of the engine, which no longer knows the run; "" if it does, "?" if it may
	}{
		"the engine is older than the store": {func(t *testing.T, m *machine) {
			must(t, os.RemoveAll(m.engine()))
			copyTree(t, early, m.engine())
		}, ""},
		"the engine's last moments were lost": {func(t *testing.T, m *machine) { must(t, os.Truncate(m.database("-wal"), 1<<10)) }, "?"},
		"the engine was lost":                 {func(t *testing.T, m *machine) { must(t, os.RemoveAll(m.engine())) }, "has lost"},
		"the engine's database was cut": {func(t *testing.T, m *machine) {
			must(t, os.Truncate(m.database(""), 40<<10))
			must(t, os.Remove(m.database("-wal")))
		}, "is damaged"},
		"the engine's database is garbage": {func(t *testing.T, m *machine) {
			must(t, os.WriteFile(m.database(""), []byte(strings.Repeat("garbage ", 1<<10)), 0o600))
		}, "is damaged"},
		"the clock was set back":    {func(t *testing.T, m *machine) { touch(t, m.home, time.Now().Add(24*time.Hour)) }, "the clock was set back"},
		"the clock was set forward": {func(t *testing.T, m *machine) { touch(t, m.home, time.Now().Add(-300*24*time.Hour)) }, ""},
		"locks and folders of the dead": {func(t *testing.T, m *machine) {
			m.litter(t, "engine/engine.lock", "1")
			m.litter(t, "id.lock", `{"pid":1,"host":"here","since":"2020-01-01T00:00:00Z","what":"naming the store"}`)
			m.litter(t, "store/index.lock", `{"pid":1,"host":"here","since":"2020-01-01T00:00:00Z","what":"update of the index"}`)
			m.litter(t, "scratch/step-123/out/half", "half a file")
			m.litter(t, "store/tmp/half", "half a blob")
			m.litter(t, "checkpoints/half", "half a list")
		}, ""},
		"a connection to nobody": {func(t *testing.T, m *machine) {
			m.litter(t, "engine/connection.json", `{"schema":"cairn/engine-connection/v1","process":1,"address":"127.0.0.1:1"}`)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := &machine{t: t, home: t.TempDir(), dir: began.dir}
			copyTree(t, began.home, m.home)
			must(t, os.RemoveAll(m.path("benchmark.lock")))
			c.harm(t, m)
			switch c.lost {
			case "":
				m.want(0, words("resume"), "small-", "goes on: ")
			case "?":
				m.want(0, words("run benchmark.yaml"), "in the cache")
			default:
				m.want(1, words("resume"), c.lost, "nothing to resume", "has lost small-", "cairn run benchmark.yaml", "is in the store")
				m.want(0, words("run benchmark.yaml"), "2 steps done, 2 found in the cache")
			}
			if m.read("benchmark.lock") != want {
				t.Error("another lock")
			}
			if left, _ := filepath.Glob(filepath.Join(m.home, "cairn", "scratch", "*")); len(left) > 0 {
				t.Errorf("scratch is left: %v", left)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (m *machine) engine() string { return filepath.Join(m.home, "cairn", "engine") }

func (m *machine) database(suffix string) string {
	return filepath.Join(m.engine(), "temporal.db"+suffix)
}

// litter leaves a file in the home.
func (m *machine) litter(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(m.home, "cairn", name)
	must(t, errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o600)))
}

// copyTree copies a folder as it is.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	must(t, errors.Join(os.MkdirAll(to, 0o755), os.CopyFS(to, os.DirFS(from))))
}

// touch gives everything under a folder another time.
func touch(t *testing.T, dir string, when time.Time) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, when, when))
	}))
}
