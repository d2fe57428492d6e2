package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const pointsManifest = `apiVersion: cairn/v1
kind: Benchmark
name: points
plugins:
  lines: mine/lines
  rows: mine/rows
  centroid: mine/centroid
  nearest: mine/nearest
datasets:
  points:
    title: Points around two centres
    modality: table
    licence: CC0-1.0
    access: open
    fetch: {plugin: lines, seed: 3, params: {rows: 20}}
    curate: {plugin: rows}
models:
  centres: {plugin: centroid, datasets: [points], seed: 7}
evaluations:
  test: {plugin: nearest, models: [centres]}
`

// bringPlugins copies the plugins of package host's tests beside the manifest.
func (m *machine) bringPlugins() {
	m.t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		m.t.Skip("python3 is not installed")
	}
	from := filepath.Join(repository(m.t), "plugins", "host", "testdata", "plugins")
	if err := os.CopyFS(m.path("mine"), os.DirFS(from)); err != nil {
		m.t.Fatal(err)
	}
}

// TestExternalPlugins: a manifest brings plugins in another language along, and all that holds for ours holds for them.
func TestExternalPlugins(t *testing.T) {
	m := newMachine(t, pointsManifest)
	m.bringPlugins()
	m.want(0, words("plan benchmark.yaml"), "0 cached, 4 to run", "evaluate/nearest@1")
	m.want(0, words("run benchmark.yaml --progress plain"), "ok  pretrain/centres", "accuracy", "1.000")
	lock := m.read("benchmark.lock")
	m.want(0, words("run benchmark.yaml --isolate"), "nothing to do: all 4 steps are done")
	m.want(0, words("verify benchmark.lock --rerun all"), "rerun")

	other := newMachine(t, pointsManifest)
	other.bringPlugins()
	other.want(0, words("run benchmark.yaml --isolate"))
	if other.read("benchmark.lock") != lock {
		t.Error("another lock on another machine")
	}

	main := m.read("mine/rows/main.py")
	m.write("mine/rows/main.py", main+"# changed\n")
	m.want(0, words("plan benchmark.yaml"), "curate/points", "plugin.digest: was sha256:", "1 cached, 3 to run")
	m.want(4, words("verify benchmark.lock --rerun curate/points"), "could not be done again here: curate/points", "the folder mine/rows has changed since the plan was made")
	m.write("mine/rows/main.py", "x = b'x' * (4 << 30)\n")
	m.write("mine/rows/plugin.json", strings.Replace(m.read("mine/rows/plugin.json"), "1073741824", "134217728", 1))
	m.want(1, words("run benchmark.yaml --progress plain"), "failed  curate/points", "ran out of memory", "and may have 128 MiB", "-j 1")
	m.want(0, []string{"log", runOf(m)}, "failed")
	m.write("mine/rows/main.py", "print('x' * (3 << 20))\n")
	m.want(1, words("run benchmark.yaml --progress plain"), "failed  curate/points", "the line has more than 65536 bytes", "make it give less")
	m.write("mine/rows/main.py", "import nothing\n")
	m.want(1, words("run benchmark.yaml --progress plain"), "failed  curate/points", "exit code 1", "No module named 'nothing'")
}

// TestExternalMistakes: what is wrong with a plugin is said at its place in the manifest.
func TestExternalMistakes(t *testing.T) {
	m := newMachine(t, "")
	m.bringPlugins()
	edit := func(from, to string) string { return strings.Replace(pointsManifest, from, to, 1) }
	for _, c := range []struct{ name, text, want string }{
		{"no folder", edit("mine/rows", "mine/row"), "benchmark.yaml:6:9: plugins.rows: the folder "},
		{"outside", edit("mine/rows", "../rows"), "benchmark.yaml:6:9: plugins.rows: want the path of a folder below"},
		{"other name", edit("  rows: mine/rows", "  row: mine/rows"), `is called "rows"; write rows: mine/rows`},
		{"kind", edit("curate: {plugin: rows}", "curate: {plugin: lines}"), `there is no curate plugin "lines"`},
		{"parameter", edit("{rows: 20}", "{rosw: 20}"), `datasets.points.fetch.params.rosw: unknown parameter; did you mean "rows"?`},
		{"bound", edit("{rows: 20}", "{rows: 0}"), "datasets.points.fetch.params"},
		{"not a text", edit("mine/rows", "3"), "want a text"},
	} {
		m.write("benchmark.yaml", c.text)
		t.Run(c.name, func(t *testing.T) {
			m.t = t
			m.want(2, words("plan benchmark.yaml"), c.want)
		})
	}
}

// TestPluginCheck judges plugins of folders.
func TestPluginCheck(t *testing.T) {
	m := newMachine(t, "")
	m.bringPlugins()
	m.want(0, words("plugin list mine/rows"), "curate/rows", "curate/ecg")
	m.want(0, words("plugin show mine/rows"), "curate/rows 1", "sha256:")
	m.want(0, words("plugin check mine/lines"), "fetch/lines@1", "ok      runs", "ok      five workers")
	m.want(1, words("plugin check mine/rows"), "failed  runs", "points.csv")
	m.want(2, words("plugin check mine"), "there is no plugin.json")
	m.write("case/case.json", `{"params":{"label":"label"}}`)
	m.write("case/inputs/raw/data/points.csv", "id,x,y,label\na,1,2,p\nb,3,4,q\n")
	m.want(0, words("plugin check mine/rows --case case"), "ok      again")
	m.write("mine/lines/main.py", strings.Replace(m.read("mine/lines/main.py"), `rng = random.Random(int(request["seed"]))`, "rng = random.Random()", 1))
	m.want(3, words("plugin check mine/lines"), "failed  again", "data/points.csv differs", "it promises exact")
	m.write("mine/lines/plugin.json", strings.Replace(m.read("mine/lines/plugin.json"), `"exact"`, `"none", "reason": "draws lots"`, 1))
	m.want(0, words("plugin check mine/lines"), "it promises none (draws lots)")
}
