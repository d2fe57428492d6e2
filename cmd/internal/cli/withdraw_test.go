package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// wards are two tables in which people have several visits, and two people have one name.
const wards = `# Two wards.
apiVersion: cairn/v1
kind: Benchmark
name: wards
datasets:
  north:
    title: The north ward
    modality: table
    licence: CC0-1.0
    access: open
    fetch: {plugin: dir, params: {path: north}}
    curate:
      plugin: table
      seed: 1 # drawn by hand
      params: {id: visit, subject: who, label: {column: num, classes: {"0": absent, "1": present}}}
  south:
    title: The south ward
    modality: table
    licence: CC0-1.0
    access: open
    fetch: {plugin: dir, params: {path: south}}
    curate:
      plugin: table
      params:
        # Rows are visits.
        id: visit
        subject: who
        label: {column: num, classes: {"0": absent, "1": present}}

models:
  single: {plugin: go, datasets: [north, south], each: true, seed: 7, params: {epochs: 2}}
  both: {plugin: go, datasets: [north, south], seed: 7, params: {epochs: 2}}
evaluations:
  test: {models: [single, both], metrics: [auroc], seed: 3}
`

// ward is a table with three visits of each person.
func ward(name string, people int) string {
	var b strings.Builder
	b.WriteString("visit,who,age,chol,num\n")
	for i := range people {
		for visit := range 3 {
			age, chol := 30+(i*7+visit)%50, 150+(i*13+visit)%100
			num := 0
			if age+chol/4 > 92 {
				num = 1
			}
			fmt.Fprintf(&b, "%s-%d-%d,person-%d,%d,%d,%d\n", name, i, visit, i, age, chol, num)
		}
	}
	return b.String()
}

func wardsMachine(t *testing.T) *machine {
	m := newMachine(t, wards)
	m.write("north/visits.csv", ward("north", 40))
	m.write("south/visits.csv", strings.ReplaceAll(ward("south", 40), "person-", "patient-")+"south-x-1,person-3,61,170,1\n")
	m.want(0, words("run benchmark.yaml"))
	return m
}

// on gives a subject of a dataset that is on a side, in order.
func (m *machine) on(dataset, side string) document.Sample {
	m.t.Helper()
	for line := range strings.Lines(m.want(0, []string{"cat", dataset, document.SamplesFile}).stdout) {
		var s document.Sample
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			m.t.Fatal(err)
		}
		if s.Split == side && s.Subject != "person-3" {
			return s
		}
	}
	m.t.Fatalf("%s has nobody on side %s", dataset, side)
	return document.Sample{}
}

func (m *machine) lock(name string) *lock.Lock {
	m.t.Helper()
	l, err := lock.Parse(name, []byte(m.read(name)))
	if err != nil {
		m.t.Fatal(err)
	}
	return l
}

// changed lists the steps whose artifacts differ, in the order of names.
func changed(was, is *lock.Lock) []string {
	now := is.ByName()
	var out []string
	for _, s := range was.Steps {
		if now[s.Name].Artifact != s.Artifact {
			out = append(out, s.Name)
		}
	}
	return out
}

// nobody looks through all bytes of artifacts, the names of their files among them, for words.
func (m *machine) nobody(artifacts []digest.Digest, names ...string) {
	m.t.Helper()
	blob := func(d digest.Digest) []byte {
		b, err := os.ReadFile(filepath.Join(m.home, "cairn", "store", "blobs", "sha256", d.Encoded()))
		if err != nil {
			m.t.Fatal(err)
		}
		return b
	}
	for _, a := range artifacts {
		var manifest ocispec.Manifest
		if err := json.Unmarshal(blob(a), &manifest); err != nil || len(manifest.Layers) == 0 {
			m.t.Fatalf("%s is no artifact: %v", a, err)
		}
		for _, l := range append(manifest.Layers, manifest.Config) {
			text := blob(l.Digest)
			for _, n := range names {
				if hasWord(text, n) {
					m.t.Errorf("blob %s of %s tells of %s", l.Digest, a, n)
				}
			}
		}
	}
}

// hasWord says whether a word stands in a text that is no part of a longer one: person1 is not in person12.
func hasWord(text []byte, word string) bool {
	part := func(i int) bool {
		return i >= 0 && i < len(text) && (text[i] == '-' || text[i] == '_' || text[i] == '~' || text[i]-'0' < 10 || text[i]|0x20-'a' < 26)
	}
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte(word))
		if i < 0 {
			return false
		}
		begin, end := at+i, at+i+len(word)
		if !part(begin-1) && !part(end) {
			return true
		}
		at = begin + 1
	}
}

// withdrawn is one withdrawal with the rebuild after it, checked.
type withdrawn struct {
	m       *machine
	dataset string
	subject string
	samples []string
	old     string           // file of the lock of before
	depends []string         // as withdraw says, sorted
	doc     withdrawDocument // of withdraw
}

// rebuildWithout withdraws somebody, rebuilds, and checks that exactly what depends on it is another and that nobody tells of it.
func (m *machine) rebuildWithout(benchmark, dataset, subject string, more ...string) withdrawn {
	m.t.Helper()
	x := withdrawn{m: m, dataset: dataset, subject: subject, old: "before-" + plainName(subject) + ".lock"}
	was := m.lock("benchmark.lock")
	m.write(x.old, m.read("benchmark.lock"))
	x.doc = object[withdrawDocument](m, 0, append([]string{"withdraw", subject, "--dataset", dataset}, more...)...)
	for _, s := range x.doc.Affected.Depends {
		x.depends = append(x.depends, s.Name)
	}
	slices.Sort(x.depends)
	for _, h := range x.doc.Affected.Found {
		for _, s := range h.Samples {
			x.samples = append(x.samples, s.ID)
		}
	}
	m.want(0, words("run benchmark.yaml"))
	is := m.lock("benchmark.lock")
	if diff := cmp.Diff(x.depends, changed(was, is)); diff != "" {
		m.t.Errorf("%s of %s: steps that depend (-affected +other artifact after the rebuild):\n%s", subject, dataset, diff)
	}
	var reads []string
	for _, s := range x.doc.Affected.Reads {
		reads = append(reads, s.Name)
	}
	x.checkActions(was, is, reads)
	x.checkPlan(was, is)
	m.nobody(append(scored(is, dataset), is.ByName()["curate/"+dataset].Artifact, m.named(benchmark+"/"+verify.DocumentsStep)), append(x.samples, subject)...)
	return x
}

func plainName(s string) string { return strings.NewReplacer("/", "_", " ", "_").Replace(s) }

// scored are the artifacts of the evaluations of a dataset.
func scored(l *lock.Lock, dataset string) []digest.Digest {
	var out []digest.Digest
	for _, s := range l.Steps {
		if strings.HasPrefix(s.Name, "evaluate/") && strings.HasSuffix(s.Name, "/"+dataset) {
			out = append(out, s.Artifact)
		}
	}
	return out
}

// named is the artifact of a name.
func (m *machine) named(name string) digest.Digest {
	m.t.Helper()
	for line := range strings.Lines(m.want(0, words("ls")).stdout) {
		if w := words(line); len(w) > 1 && w[len(w)-1] == name {
			return digest.Digest(w[0])
		}
	}
	m.t.Fatalf("nothing is called %s", name)
	return ""
}

// checkActions: what neither depends nor reads was not done again, and what reads gave the same.
func (x withdrawn) checkActions(was, is *lock.Lock, reads []string) {
	x.m.t.Helper()
	now := is.ByName()
	var again []string
	for _, s := range was.Steps {
		if now[s.Name].Action != s.Action && !slices.Contains(x.depends, s.Name) {
			again = append(again, s.Name)
		}
	}
	for _, step := range again {
		if !slices.Contains(reads, step) {
			x.m.t.Errorf("%s: %s was done again, and is not among what reads the dataset: %v", x.subject, step, reads)
		}
	}
}

// checkPlan: what withdraw announced as cached was cached, and diff names what changed and nothing else.
func (x withdrawn) checkPlan(was, is *lock.Lock) {
	x.m.t.Helper()
	before := was.ByName()
	for _, s := range x.doc.Plan.Steps {
		same := is.ByName()[s.Name].Action == before[s.Name].Action
		if s.State == planCached && !same {
			x.m.t.Errorf("%s was said to be cached and is another", s.Name)
		}
	}
	d := object[diffDocument](x.m, 3, "diff", x.old, "benchmark.lock")
	var differ []string
	for _, s := range d.Steps {
		if s.Was.Artifact != s.Is.Artifact {
			differ = append(differ, s.Name)
		}
	}
	slices.Sort(differ)
	if diff := cmp.Diff(x.depends, differ); diff != "" {
		x.m.t.Errorf("%s: steps that differ (-affected +diff):\n%s", x.subject, diff)
	}
	if d.First == nil || d.First.Step != "curate/"+x.dataset || len(d.First.Samples) == 0 {
		x.m.t.Errorf("%s: the difference begins at %+v", x.subject, d.First)
	}
}

// TestWithdraw goes the whole way, with people on each side: found, left out, rebuilt, forgotten, verified.
func TestWithdraw(t *testing.T) {
	m := wardsMachine(t)
	trained, tested := m.on("wards/curate/north", "train").Subject, m.on("wards/curate/south", "test").Subject
	dry := object[withdrawDocument](m, 0, "withdraw", trained, "--dry-run")
	if dry.Written || dry.Dataset != "north" || m.read("benchmark.yaml") != wards {
		t.Errorf("a dry run wrote: %+v", dry)
	}

	one := m.rebuildWithout("wards", "north", trained)
	if want := words("curate/north evaluate/test/both/north evaluate/test/both/south evaluate/test/single/north pretrain/both pretrain/single/north"); !slices.Equal(one.depends, want) || len(one.samples) != 3 {
		t.Errorf("%v depend on %v, want %v", one.depends, one.samples, want)
	}
	if text := m.read("benchmark.yaml"); strings.Contains(text, trained) || !strings.Contains(text, one.doc.Entry.Subject.String()) || !strings.Contains(text, "seed: 1 # drawn by hand") {
		t.Errorf("the manifest is\n%s", text)
	}
	m.want(0, []string{"withdraw", trained}, "already")

	two := m.rebuildWithout("wards", "south", tested)
	if want := words("curate/south evaluate/test/both/south evaluate/test/single/south"); !slices.Equal(two.depends, want) {
		t.Errorf("%v depend, want %v", two.depends, want)
	}
	if text := m.read("benchmark.yaml"); !strings.Contains(text, "        # Rows are visits.\n        id: visit\n") {
		t.Errorf("the manifest is\n%s", text)
	}
	m.want(0, words("verify before-"+trained+".lock --level bytes"), "verified, level bytes")

	// The old bytes go: first of the newer withdrawal, whose models are the same as after it.
	m.want(2, []string{"withdraw", trained, "--forget", "benchmark.lock"}, "there is no subject")
	out := m.want(0, []string{"withdraw", tested, "--forget", two.old, "--by", "data office"}, "wards/curate/south", "wards/evaluate/test/both/south", "tombstone", "fetch/south", "stays")
	if strings.Contains(out.stdout, "pretrain") || strings.Contains(out.stdout, "STILL THERE") {
		t.Errorf("forgot\n%s", out.stdout)
	}
	m.want(0, []string{"withdraw", trained, "--forget", one.old}, "pretrain/both", "pretrain/single/north", "curate/north")
	for _, x := range []withdrawn{one, two} {
		m.want(0, words("verify "+x.old), "verified, level records")
		v := object[verify.Verdict](m, 4, "verify", x.old, "--level", "bytes")
		if len(v.Problems) < 4 {
			t.Errorf("%s: %d problems", x.old, len(v.Problems))
		}
		for _, p := range v.Problems {
			if p.Code != verify.BlobDeleted || !strings.Contains(p.Got, "consent withdrawn") {
				t.Errorf("%s: %+v", x.old, p)
			}
		}
	}
	m.want(0, words("verify benchmark.lock --level bytes"), "verified, level bytes")
	m.want(0, words("run benchmark.yaml"), "nothing to do")
	m.want(0, words("gc"))
	m.want(0, words("verify benchmark.lock --level bytes"), "verified, level bytes")
	m.want(4, []string{"withdraw", trained, "--forget", one.old}, "not in this store")
}

// TestWithdrawMistakes: nothing is changed, and it is said what to do.
func TestWithdrawMistakes(t *testing.T) {
	m := wardsMachine(t)
	m.want(2, words("withdraw person-3"), "north, south", "--dataset")
	m.want(2, words("withdraw persn-7"), `there is no subject "persn-7"`, `did you mean "person-7"?`)
	m.want(2, words("withdraw person-3 --dataset nort"), `did you mean "north"?`)
	m.want(2, words("withdraw north-7-1"), "a sample of north is: --sample")
	m.want(2, words("withdraw person-7 --sample"), "without --sample")
	m.want(2, words("withdraw person-7 nowhere.yaml"), "nowhere.yaml")
	m.want(2, words("withdraw person-7 --forget-raw"), "belong to --forget")
	m.want(1, words("withdraw person-7 --forget benchmark.lock"), "still has", "run benchmark.yaml")
	m.want(2, words("withdraw"), "usage")
	m.write("elsewhere/benchmark.yaml", wards)
	m.want(2, words("withdraw person-7 elsewhere/benchmark.yaml"), "run elsewhere/benchmark.yaml", "first")
	m.write("raw/benchmark.yaml", strings.Split(small, "    curate:")[0])
	m.want(2, words("withdraw person-7 raw/benchmark.yaml"), "no dataset is curated")
	if err := os.Chmod(m.path("benchmark.yaml"), 0o400); err != nil {
		t.Fatal(err)
	}
	m.want(1, words("withdraw person-7"), "read-only", "datasets.north.curate.params.withdrawn", `"salt"`)
	if err := os.Chmod(m.path("benchmark.yaml"), 0o640); err != nil {
		t.Fatal(err)
	}
	if m.read("benchmark.yaml") != wards {
		t.Error("the manifest has changed")
	}

	// One sample, by the lock's name; the people with one name are told apart.
	m.want(0, words("withdraw north-7-1 benchmark.lock --sample"), "now leaves")
	m.want(0, words("withdraw person-3 --dataset south"), "curate/south")
	m.want(0, words("withdraw person-3"), "of south out already")
	if info, err := os.Stat(m.path("benchmark.yaml")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}
	m.want(0, words("run benchmark.yaml"))
	m.want(2, words("withdraw person-3 --dataset north --sample"), "without --sample")
	if got := m.want(0, words("cat wards/curate/north samples.jsonl")).stdout; strings.Contains(got, "north-7-1") || !strings.Contains(got, "north-7-2") || !strings.Contains(got, "person-3") {
		t.Error("the wrong samples are gone from north")
	}
	if got := m.want(0, words("cat wards/curate/south samples.jsonl")).stdout; strings.Contains(got, "person-3") {
		t.Error("person-3 is still in south")
	}
}
