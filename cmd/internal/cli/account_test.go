package cli

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/exchange"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// accounts are exports that follow from the lock alone: what is written of them, by the arguments.
var accounts = []string{"ro-crate", "openlineage", "statement"}

// exports writes every export that follows from the lock and returns all files, by name. The records do not.
func (m *machine) exports(lock string, datasets ...string) map[string]string {
	m.t.Helper()
	for _, format := range accounts {
		m.want(0, words("export "+lock+" --format "+format+" --force -o out/"+format))
	}
	for _, d := range datasets {
		m.want(0, words("export "+lock+" --format croissant --force --dataset "+d+" -o out/croissant-"+d))
	}
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(m.path("out")), ".", func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out[p] = m.read("out/" + p)
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return out
}

// foreign lists what in an export is of this machine: folders, the name of the host or of the user, a time of this century.
func (m *machine) foreign(files map[string]string) {
	m.t.Helper()
	host, _ := os.Hostname()
	for name, text := range files {
		if strings.HasSuffix(name, ".tar") || strings.HasSuffix(name, ".parquet") {
			continue
		}
		for _, no := range []string{m.home, m.dir, os.TempDir() + "/", repository(m.t), host, "s3cret", time.Now().Format("2006-"), "startTime"} {
			if no != "" && strings.Contains(text, no) {
				m.t.Errorf("%s has %q of this machine", name, no)
			}
		}
	}
}

// TestAccounts: two machines that rebuilt a benchmark write the same exports, which hold nothing of either, twice.
func TestAccounts(t *testing.T) {
	var first map[string]string
	for _, procs := range words("1 4") {
		m := smallMachine(newMachine(t, ""))
		m.env = []string{"GOMAXPROCS=" + procs, "USER=s3cret", "HF_TOKEN=s3cret", "PHYSIONET_PASSWORD=s3cret"}
		m.want(0, words("run benchmark.yaml"))
		files := m.exports("benchmark.lock", "heart")
		m.foreign(files)
		if diff := cmp.Diff(files, m.exports("small", "heart")); diff != "" {
			t.Errorf("by another name, they are others: %s", diff)
		}
		if first != nil {
			if diff := cmp.Diff(first, files); diff != "" {
				t.Errorf("another machine writes others: %s", diff)
			}
		}
		first = files
	}
	if len(first) < 10 {
		t.Errorf("%d files", len(first))
	}
}

// TestAccountOptions: times and dates are there for those who ask; what is there is not overwritten.
func TestAccountOptions(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	doc := object[accounted](m, 0, words("export benchmark.lock --format ro-crate")...)
	if doc.Schema != exchange.Schema || doc.Path != "small-ro-crate" || doc.Lock != digest.FromString(m.read("benchmark.lock")) || doc.Files < 4 {
		t.Errorf("%+v", doc)
	}
	m.want(2, words("export benchmark.lock --format ro-crate"), "not empty", "--force")
	m.want(0, words("export benchmark.lock --format ro-crate --force --with-times"))
	crate := m.read("small-ro-crate/" + exchange.CrateFile)
	if !strings.Contains(crate, `"startTime": "20`) || !strings.Contains(crate, `"datePublished": "1970-01-01"`) {
		t.Error(crate)
	}
	m.want(0, words("export small --format openlineage --with-times"), "small.openlineage.jsonl")
	if strings.Contains(m.read("small.openlineage.jsonl"), "1970") {
		t.Error("with times, an event has none")
	}
	m.want(2, words("export small --format openlineage"), "small.openlineage.jsonl: is there")
	m.want(0, words("export small --format statement"), "small-statement.md")
	m.want(2, words("export small --format statement -o small.openlineage.jsonl --force"), "no earlier export")

	m.env = []string{"SOURCE_DATE_EPOCH=1700000000"}
	m.want(0, words("export small --format ro-crate --force"))
	if !strings.Contains(m.read("small-ro-crate/"+exchange.CrateFile), `"datePublished": "2023-11-14"`) {
		t.Error("SOURCE_DATE_EPOCH is not the date")
	}
	m.want(0, words("export small/curate/heart --format croissant"))
	if text := m.read("heart-croissant/" + exchange.CroissantFile); !strings.Contains(text, `"datePublished": "2023-11-14"`) || !strings.Contains(text, "prov:wasGeneratedBy") {
		t.Error(text)
	}
	m.env = []string{"SOURCE_DATE_EPOCH=yesterday"}
	m.want(2, words("export small --format ro-crate --force"), "SOURCE_DATE_EPOCH", "yesterday")
}

// TestAccountMistakes: whatever is wrong, the message says what would be right.
func TestAccountMistakes(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	for args, want := range map[string]string{
		"small --format ro-crate --labels":                          "has no data",
		"small --format statement --with-times":                     "ro-crate and openlineage",
		"small --format statement --dataset heart":                  "as a whole",
		"small/curate/heart --format statement":                     "no benchmark: give its lock",
		"small --format croissant --dataset lung":                   `no curated dataset "lung": there are heart`,
		"benchmark.lock --format croissant":                         "--dataset",
		"small --format ro-crate -o s3://bucket/crate":              "push",
		"benchmark.yaml --format ro-crate":                          "benchmark.yaml:1",
		"small --format in-toto -o " + filepath.Join(m.dir, "data"): "is no file",
		"nothing --format ro-crate":                                 `nothing is called "nothing"`,
		"small --format crate":                                      "ro-crate, in-toto, openlineage, statement",
	} {
		m.want(2, words("export "+args), want)
	}
	lock := m.read("benchmark.lock")
	m.write("other.lock", strings.Replace(lock, "auroc, value: 0", "auroc, value: 1", 1))
	m.want(2, words("export other.lock --format ro-crate"), "edited")
	other := newMachine(t, "")
	other.write("benchmark.lock", lock)
	other.want(4, words("export benchmark.lock --format ro-crate"), "not in this store", "cairn pull")
}

// TestHostPaths: what names a place of the machine does not leave it by accident.
func TestHostPaths(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", strings.Replace(small, "path: data", "path: "+m.path("data"), 1))
	m.want(0, words("run benchmark.yaml"))
	for _, format := range words("ro-crate openlineage in-toto") {
		m.want(5, words("export small --format "+format), "datasets.heart.fetch.params.path", "--keep-paths")
		m.want(0, words("export small --keep-paths --format "+format))
	}
	m.want(0, words("export small --format statement"))
	if strings.Contains(m.read("small-statement.md"), m.dir) {
		t.Error("the statement has a folder of this machine")
	}
}

// TestBundle: a bundle has the attestations of every step and of the documents, the same each time, and no approval.
func TestBundle(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	m.want(0, words("export benchmark.lock --format in-toto"), "another machine")
	m.want(0, words("export small --format in-toto -o again.jsonl"))
	text := m.read("small.intoto.jsonl")
	if text != m.read("again.jsonl") {
		t.Error("a second bundle is another one")
	}
	steps := map[string]int{}
	for line := range strings.Lines(text) {
		var e struct {
			PayloadType string
			Payload     []byte
			Signatures  []any
		}
		var s struct{ Subject []struct{ Name string } }
		if err := json.Unmarshal([]byte(line), &e); err != nil || len(e.Signatures) == 0 || e.PayloadType != "application/vnd.in-toto+json" {
			t.Fatalf("%v: %s", err, line)
		}
		if err := json.Unmarshal(e.Payload, &s); err != nil {
			t.Fatal(err)
		}
		steps[s.Subject[0].Name]++
	}
	for _, step := range []string{plan.FetchStep("heart"), "curate/heart", "pretrain/single", "evaluate/test/single/heart", "documents"} {
		if steps[step] == 0 {
			t.Errorf("no attestation of %s: %v", step, steps)
		}
	}
}

// TestRestrictedAccount: of data that not everybody may have, no sample is named.
func TestRestrictedAccount(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.write("benchmark.yaml", closed())
	m.want(0, words("run benchmark.yaml"))
	m.want(0, words("export small --format ro-crate"), "without report.json", "heart")
	if _, err := os.Stat(m.path("small-ro-crate/report.json")); !os.IsNotExist(err) {
		t.Errorf("report.json: %v", err)
	}
	m.want(0, words("export small/curate/heart --format croissant"), "counts only")
	for _, name := range []string{"samples.parquet", document.SamplesFile} {
		if _, err := os.Stat(m.path("heart-croissant/" + name)); !os.IsNotExist(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// validators is where `make validators` puts the formats' own validators.
const validators = "CAIRN_TEST_VALIDATORS"

// askValidator asks the validator of a format about exports, if it is installed, and says whether it accepts them.
func askValidator(t *testing.T, what string, paths ...string) bool {
	t.Helper()
	python := os.Getenv(validators)
	if python == "" {
		python = filepath.Join(repository(t), ".cache", "validators", "bin", "python")
	}
	if _, err := os.Stat(python); err != nil {
		t.Skipf("skipped: the formats' own validators are not installed (make validators): %v", err)
	}
	c := exec.CommandContext(t.Context(), python, append([]string{"testdata/validators.py", what}, paths...)...)
	c.Env = append(os.Environ(), "CROISSANT_CACHE="+t.TempDir(), "HOME="+t.TempDir())
	text, err := c.CombinedOutput()
	t.Logf("%s", text)
	return err == nil
}

// checkExports writes every export of a finished rebuild and asks the validators about them.
func (m *machine) checkExports(t *testing.T, benchmark string, open, closed []string) {
	m.want(0, words("export "+benchmark+" --format in-toto --force -o out/in-toto"))
	var datasets, counted []string
	for _, d := range open {
		datasets = append(datasets, m.path("out/croissant-"+d))
	}
	for _, d := range closed {
		counted = append(counted, m.path("out/croissant-"+d))
	}
	m.exports(benchmark, append(open, closed...)...)
	for what, paths := range map[string][]string{
		"crate": {m.path("out/ro-crate")}, "openlineage": {m.path("out/openlineage")}, "intoto": {m.path("out/in-toto")}, "croissant": datasets, "counts": counted,
	} {
		t.Run(what, func(t *testing.T) {
			if len(paths) > 0 && !askValidator(t, what, paths...) {
				t.Errorf("the validator of %s refuses", what)
			}
		})
	}
}

// TestValidators asks each format's validator about the small benchmark, and whether it can say no.
func TestValidators(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	m.checkExports(t, "small", []string{"heart"}, nil)
	for what, c := range map[string]struct{ file, was, is, path string }{
		"crate":       {"out/ro-crate/ro-crate-metadata.json", `"HowToStep"`, `"Thing"`, "out/ro-crate"},
		"openlineage": {"out/openlineage", `"eventType":"START"`, `"eventType":"BEGIN"`, "out/openlineage"},
		"intoto":      {"out/in-toto", `"payloadType"`, `"payloadKind"`, "out/in-toto"},
		"croissant":   {"out/croissant-heart/croissant.json", `"column": "subject"`, `"column": "patient"`, "out/croissant-heart"},
	} {
		t.Run(what+" broken", func(t *testing.T) {
			text := m.read(c.file)
			m.write(c.file, strings.Replace(text, c.was, c.is, 1))
			if text == m.read(c.file) || askValidator(t, what, m.path(c.path)) {
				t.Errorf("the validator of %s accepts %s for %s", what, c.is, c.was)
			}
		})
	}
}
