package cairn_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/ecg"
	curateimage "github.com/cairn-bench/cairn/plugins/curate/image"
	"github.com/cairn-bench/cairn/plugins/fetch/dir"
	"github.com/cairn-bench/cairn/plugins/fetch/synthetic"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// The benchmarks here set Cairn beside the tools that people use for the same work; `make bench` runs them, and
// BENCHMARKS.md says what came out. A peer that is not installed is left out and named in the log.

// side is one tool at one piece of work. It returns how long the work took, without what comes before and after.
type side struct {
	name string
	work func(dir string) (time.Duration, error)
}

// contest runs Cairn and its peers in turn, each in an empty folder, so that what slows one slows all. The metric
// x-tar is Cairn's time over tar's: below 1, Cairn is the faster. units is how much one turn does.
func contest(b *testing.B, unit string, units float64, sides ...side) {
	total := make([]time.Duration, len(sides))
	for b.Loop() {
		for i, s := range sides {
			dir := b.TempDir()
			took, err := s.work(dir)
			if err := cmp.Or(err, removeAll(dir)); err != nil {
				b.Fatalf("%s: %v", s.name, err)
			}
			total[i] += took
		}
	}
	b.ReportMetric(0, "ns/op") // would be the sum over all sides
	b.ReportMetric(units*float64(b.N)/total[0].Seconds(), unit+"/s")
	for i, s := range sides[1:] {
		b.ReportMetric(total[0].Seconds()/total[i+1].Seconds(), "x-"+s.name)
	}
}

// removeAll also removes what git-annex made read-only.
func removeAll(dir string) error {
	return exec.Command("sh", "-c", `chmod -R u+w "$0" && rm -rf "$0"`, dir).Run()
}

// timed is work of which all counts.
func timed(work func(dir string) error) func(string) (time.Duration, error) {
	return func(dir string) (time.Duration, error) {
		start := time.Now()
		err := work(dir)
		return time.Since(start), err
	}
}

// shell is a peer: two scripts in an empty folder, of which the second counts. $1 is the input.
func shell(input, before, script string) func(string) (time.Duration, error) {
	return func(dir string) (time.Duration, error) {
		if _, err := sh(dir, before, input); err != nil {
			return 0, err
		}
		return timed(func(dir string) error { _, err := sh(dir, script, input); return err })(dir)
	}
}

func sh(dir, script, input string) (string, error) {
	c := exec.Command("sh", "-ec", script, "sh", input)
	c.Dir, c.Env = dir, append(os.Environ(), "RESTIC_PASSWORD=x", "HOME="+dir)
	out, err := c.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", script, err, out)
	}
	return string(out), nil
}

// installed leaves out the peers whose program is not on this machine.
func installed(b *testing.B, peers map[string]string, all ...side) []side {
	var out []side
	for _, s := range all {
		if _, err := exec.LookPath(cmp.Or(peers[s.name], s.name)); err != nil {
			b.Logf("%s is not installed", s.name)
			continue
		}
		out = append(out, s)
	}
	return out
}

// scale is the size of a contest: that of the name, or that of BENCHMARKS.md.
func scale(b *testing.B, name string, usual int) int {
	b.Helper()
	text, ok := os.LookupEnv(name)
	if !ok {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("%s is %q, want a number above 0", name, text)
	}
	return n
}

// BenchmarkOneFile takes one large file into the store: hashed, written, made durable.
func BenchmarkOneFile(b *testing.B) {
	mib := scale(b, "BENCH_MIB", 512)
	file := filepath.Join(b.TempDir(), "large")
	writeNoise(b, file, mib<<20)
	ours := func(dir string) error {
		store, err := cas.OpenLayout(dir)
		if err != nil {
			return err
		}
		in, err := os.Open(file)
		if err != nil {
			return err
		}
		defer in.Close()
		_, _, err = store.Put(b.Context(), "", in)
		return err
	}
	peers := installed(b, map[string]string{"cp+sync": "cp"},
		side{"openssl", shell(file, "", `openssl dgst -sha256 "$1"`)},
		side{"sha256sum", shell(file, "", `sha256sum "$1"`)},
		side{"cp", shell(file, "", `cp "$1" copy`)},
		side{"cp+sync", shell(file, "", `cp "$1" copy && sync copy`)})
	contest(b, "MiB", float64(mib), append([]side{{"cairn", timed(ours)}}, peers...)...)
}

func writeNoise(b *testing.B, file string, size int) {
	b.Helper()
	noise := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	if err := os.WriteFile(file, noise, 0o600); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkManyFiles takes a folder of files of 10 KiB in, by the plugin fetch/dir: listed, hashed, checked,
// packed into shards with their sums, made durable.
func BenchmarkManyFiles(b *testing.B) {
	n := scale(b, "BENCH_FILES", 10_000)
	folder := b.TempDir()
	for i := range n {
		writeInto(b, folder, fmt.Sprintf("%d/%d", i/1000, i), bytes.Repeat(fmt.Appendf(nil, "%09d\n", i), 1024))
	}
	ours := func(dir string) error { return takeIn(b, folder, dir) }
	peers := installed(b, map[string]string{"tar+sha256sum": "tar"},
		side{"tar+sha256sum", shell(folder, "", `tar -C "$1" -cf all.tar . && find "$1" -type f -print0 | xargs -0 sha256sum >SUMS && sync all.tar`)},
		side{"restic", shell(folder, "restic init -q -r repo", `restic -q -r repo backup "$1"`)},
		side{"git-annex", shell(folder, `git init -q && git config user.email a@b && git config user.name a && git annex init -q && cp -r "$1" data`, "git annex add -q -J2 data")})
	contest(b, "files", float64(n), append([]side{{"cairn", timed(ours)}}, peers...)...)
}

// takeIn does what activities/execute does for a fetch step.
func takeIn(b *testing.B, folder, home string) error {
	store, err := cas.OpenLayout(filepath.Join(home, "store"))
	if err != nil {
		return err
	}
	out, err := sandbox.NewOutput(sandbox.Options{Dir: filepath.Join(home, "out"), Store: store, Name: "bench", Workers: runtime.NumCPU()})
	if err != nil {
		return err
	}
	defer out.Close()
	params, err := json.Marshal(map[string]string{"path": folder})
	if err != nil {
		return err
	}
	p := dir.Plugin()
	if params, err = p.Normalise(params); err != nil {
		return err
	}
	if err := p.Run(b.Context(), plugins.Call{Params: params, Output: out, Workers: runtime.NumCPU(), Scratch: home}); err != nil {
		return err
	}
	_, err = out.Pack(b.Context(), artifact.Dataset)
	return err
}

// BenchmarkSteps runs as many small steps as a large benchmark has, then runs them again when nothing changed.
func BenchmarkSteps(b *testing.B) {
	cairn, err := filepath.Abs("bin/cairn")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(cairn); err != nil {
		b.Skip("bin/cairn is not built; `make bench` builds it")
	}
	n := scale(b, "BENCH_STEPS", 200)
	inputs := b.TempDir()
	writeInto(b, inputs, "benchmark.yaml", []byte(manySteps(n)))
	writeInto(b, inputs, "Snakefile", fmt.Appendf(nil, "N = range(%d)\nrule all:\n    input: expand(\"{i}.b\", i=N)\n"+
		"rule a:\n    output: \"{i}.a\"\n    shell: \"echo {wildcards.i} > {output}\"\n"+
		"rule b:\n    input: \"{i}.a\"\n    output: \"{i}.b\"\n    shell: \"cp {input} {output}\"\n", n/2))
	const snakemake = "snakemake -q all -c 2 -s \"$1/Snakefile\""
	ours := `"` + cairn + `" --home home run --progress none benchmark.yaml`
	setup := `cp "$1/benchmark.yaml" .`
	for _, c := range []struct{ name, ours, snake string }{
		{"first", setup, ":"},
		{"again", setup + " && " + ours, snakemake},
	} {
		b.Run(c.name, func(b *testing.B) {
			contest(b, "steps", float64(n), append([]side{{"cairn", shell(inputs, c.ours, ours)}},
				installed(b, nil, side{"snakemake", shell(inputs, c.snake, snakemake)})...)...)
		})
	}
}

// manySteps is a manifest of n steps: half of them fetch a small table, half curate it.
func manySteps(n int) string {
	var m strings.Builder
	m.WriteString("apiVersion: cairn/v1\nkind: Benchmark\nname: many\ntitle: Many steps\ndatasets:\n")
	for i := range n / 2 {
		fmt.Fprintf(&m, "  d%d:\n    title: A table\n    modality: table\n    licence: CC0-1.0\n    access: open\n"+
			"    fetch: {plugin: synthetic, seed: %d, params: {dataset: table, samples: 24, quirks: false}}\n"+
			"    curate: {plugin: table, seed: 1, params: {drop: [id], label: {column: num}}}\n", i, i)
	}
	return m.String()
}

// The Python sides print how long they worked, so that starting Python and importing libraries does not count.
const (
	pythonECG = `
import sys, time, pathlib, numpy, wfdb, scipy.signal
records = sorted(pathlib.Path(sys.argv[1]).rglob("*.hea"))
start = time.perf_counter()
for i, r in enumerate(records):
    signal = wfdb.rdrecord(str(r.with_suffix(""))).p_signal
    numpy.save(f"{i}.npy", scipy.signal.resample_poly(signal, 1, 5, axis=0).T.astype("float32"))
print(time.perf_counter() - start)`
	pythonImage = `
import sys, time, pathlib, numpy, PIL.Image
images = sorted(p for p in pathlib.Path(sys.argv[1]).rglob("*.jp*g"))
start = time.perf_counter()
for i, p in enumerate(images):
    picture = PIL.Image.open(p).convert("L").resize((224, 224), PIL.Image.Resampling.BILINEAR)
    numpy.save(f"{i}.npy", numpy.asarray(picture))
print(time.perf_counter() - start)`
)

// BenchmarkECG decodes and resamples WFDB records of 500 Hz on one core.
func BenchmarkECG(b *testing.B) {
	curate(b, curation{
		plugin: ecg.Plugin(), modality: "ecg", python: pythonECG, modules: "wfdb, scipy.signal", samples: scale(b, "BENCH_SAMPLES", 100),
		fetch:  `"dataset":"ecg"`,
		params: `{"rate":100,"labels":{"426783006":"sinus","*":"other"}}`,
	})
}

// BenchmarkImage decodes and resizes JPEG images of 1024 pixels on one core.
func BenchmarkImage(b *testing.B) {
	curate(b, curation{
		plugin: curateimage.Plugin(), modality: "xray", python: pythonImage, modules: "numpy, PIL.Image", samples: scale(b, "BENCH_SAMPLES", 100),
		fetch:  `"dataset":"xray","pixels":1024`,
		params: `{"size":224,"restart":true,"labels":{"from":"folder","side":"path"}}`,
	})
}

func writeInto(b *testing.B, folder, name string, text []byte) {
	b.Helper()
	file := filepath.Join(folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		b.Fatal(err)
	}
}

type curation struct {
	plugin                                   plugins.Plugin
	modality, fetch, params, python, modules string
	samples                                  int
}

func curate(b *testing.B, c curation) {
	raw := plugintest.Case{
		Plugin: synthetic.Plugin(), Seed: 1,
		Params: fmt.Sprintf(`{%s,"samples":%d,"quirks":false}`, c.fetch, c.samples),
	}.Must(b)
	folder := b.TempDir()
	for name, text := range raw {
		writeInto(b, folder, name, text)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	ours := func(dir string) error {
		_, err := plugintest.Case{
			Plugin: c.plugin, Params: c.params, Seed: 1, Inputs: map[string]plugintest.Files{"raw": raw},
			Dataset: &action.Dataset{ID: "d", Modality: c.modality, Licence: "CC0-1.0", Access: "open"},
		}.Run(b.Context(), 1, dir)
		return err
	}
	sides := []side{{"cairn", timed(ours)}}
	if python := cmp.Or(os.Getenv("BENCH_PYTHON"), "python3"); exec.Command(python, "-c", "import "+c.modules).Run() == nil {
		sides = append(sides, side{"python", printed(python, c.python, folder)})
	} else {
		b.Logf("%s lacks %s", python, c.modules)
	}
	contest(b, "samples", float64(c.samples), sides...)
}

// printed is a Python script that prints its time.
func printed(python, script, input string) func(string) (time.Duration, error) {
	return func(dir string) (time.Duration, error) {
		c := exec.Command(python, "-c", script, input)
		c.Dir = dir
		out, err := c.Output()
		if err != nil {
			return 0, err
		}
		seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		return time.Duration(seconds * float64(time.Second)), err
	}
}
