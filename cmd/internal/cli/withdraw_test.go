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

// wardsMachine has rebuilt them.
func wardsMachine(t *testing.T) *machine {
	m := newMachine(t, wards)
	m.write("north/visits.csv", ward("north", 40))
	m.write("south/visits.csv", strings.ReplaceAll(ward("south", 40), "person-", "patient-")+"south-x-1,person-3,61,170,1\n")
	m.want(0, words("run benchmark.yaml"))
	return m
}

// curated are the samples of a curated dataset.
func (m *machine) curated(ref string) []document.Sample {
	m.t.Helper()
	var out []document.Sample
	for line := range strings.Lines(m.want(0, []string{"cat", ref, document.SamplesFile}).stdout) {
		var s document.Sample
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			m.t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// on gives a subject of a dataset who has so many samples, all on one side.
func (m *machine) on(dataset, side string, samples int) string {
	m.t.Helper()
	all := m.curated(dataset)
	for _, s := range all {
		have := 0
		for _, x := range all {
			if x.Subject == s.Subject && x.Split == side {
				have++
			}
		}
		if have == samples {
			return s.Subject
		}
	}
	m.t.Fatalf("%s has nobody with %d samples on side %s", dataset, samples, side)
	return ""
}

// ownFiles are the files of raw data that samples of a subject were made of, and no other sample.
func ownFiles(all []document.Sample, is func(document.Sample) bool) []string {
	users := map[string]bool{} // whether others have it
	for _, s := range all {
		for _, src := range s.Sources {
			users[src.Path] = users[src.Path] || !is(s)
		}
	}
	var out []string
	for file, shared := range users {
		if !shared {
			out = append(out, file)
		}
	}
	return out
}

func (m *machine) lock(name string) *lock.Lock {
	m.t.Helper()
	l, err := lock.Parse(name, []byte(m.read(name)))
	if err != nil {
		m.t.Fatal(err)
	}
	return l
}

// changed lists the steps that differ in something, in the order of names.
func changed(was, is *lock.Lock, in func(lock.Step) string) []string {
	now := is.ByName()
	var out []string
	for _, s := range was.Steps {
		if in(now[s.Name]) != in(s) {
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

// rebuildWithout withdraws somebody, rebuilds, and checks that exactly what depends on it is another and that nobody tells of it. What was
// only chosen by somebody on the validation side is done again, and may come out the same.
func (m *machine) rebuildWithout(benchmark, dataset, subject string, chosen bool) withdrawn {
	m.t.Helper()
	x := withdrawn{m: m, dataset: dataset, subject: subject, old: "before-" + plainName(subject) + ".lock"}
	was := m.lock("benchmark.lock")
	m.write(x.old, m.read("benchmark.lock"))
	files := ownFiles(m.curated(was.ByName()["curate/"+dataset].Artifact.String()), func(s document.Sample) bool { return s.Subject == subject })
	x.doc = object[withdrawDocument](m, 0, "withdraw", subject, "--dataset", dataset)
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
	again := changed(was, is, func(s lock.Step) string { return (s.Action + s.Artifact).String() })
	other := changed(was, is, func(s lock.Step) string { return s.Artifact.String() })
	if chosen {
		other = again
	}
	if diff := cmp.Diff(x.depends, other); diff != "" {
		m.t.Errorf("%s of %s: steps that depend (-affected +other artifact after the rebuild):\n%s", subject, dataset, diff)
	}
	var reads []string
	for _, s := range x.doc.Affected.Reads {
		reads = append(reads, s.Name)
	}
	for _, step := range again {
		if !slices.Contains(x.depends, step) && !slices.Contains(reads, step) {
			m.t.Errorf("%s: %s was done again, and is neither among what depends nor among what reads the dataset: %v", subject, step, reads)
		}
	}
	x.checkPlan(was, is)
	made := []digest.Digest{m.named(benchmark + "/" + verify.DocumentsStep)}
	for _, step := range x.depends {
		made = append(made, is.ByName()[step].Artifact)
	}
	m.nobody(made, slices.Concat(files, x.samples, []string{subject})...)
	return x
}

func plainName(s string) string { return strings.NewReplacer("/", "_", " ", "_").Replace(s) }

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
	if diff := cmp.Diff(changed(was, is, func(s lock.Step) string { return s.Artifact.String() }), differ); diff != "" {
		x.m.t.Errorf("%s: steps that differ (-locks +diff):\n%s", x.subject, diff)
	}
	if d.First == nil || d.First.Step != "curate/"+x.dataset || len(d.First.Samples) == 0 {
		x.m.t.Errorf("%s: the difference begins at %+v", x.subject, d.First)
	}
}

// TestWithdraw goes the whole way, with people on each side: found, left out, rebuilt, forgotten, verified.
func TestWithdraw(t *testing.T) {
	m := wardsMachine(t)
	trained, tested := m.on("wards/curate/north", "train", 3), m.on("wards/curate/south", "test", 3)
	dry := object[withdrawDocument](m, 0, "withdraw", trained, "--dry-run")
	if dry.Written || dry.Dataset != "north" || m.read("benchmark.yaml") != wards {
		t.Errorf("a dry run wrote: %+v", dry)
	}

	one := m.rebuildWithout("wards", "north", trained, false)
	if want := words("curate/north evaluate/test/both/north evaluate/test/both/south evaluate/test/single/north pretrain/both pretrain/single/north"); !slices.Equal(one.depends, want) || len(one.samples) != 3 {
		t.Errorf("%v depend on %v, want %v", one.depends, one.samples, want)
	}
	if text := m.read("benchmark.yaml"); strings.Contains(text, trained) || !strings.Contains(text, one.doc.Entry.Subject.String()) || !strings.Contains(text, "seed: 1 # drawn by hand") {
		t.Errorf("the manifest is\n%s", text)
	}
	m.want(0, []string{"withdraw", trained}, "already")

	two := m.rebuildWithout("wards", "south", tested, false)
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
	m.write("before.lock", m.read("benchmark.lock"))
	m.want(0, words("run benchmark.yaml"))
	m.want(2, words("withdraw person-3 --dataset north --sample"), "without --sample")
	if got := m.want(0, words("cat wards/curate/north samples.jsonl")).stdout; strings.Contains(got, "north-7-1") || !strings.Contains(got, "north-7-2") || !strings.Contains(got, "person-3") {
		t.Error("the wrong samples are gone from north")
	}
	if got := m.want(0, words("cat wards/curate/south samples.jsonl")).stdout; strings.Contains(got, "person-3") {
		t.Error("person-3 is still in south")
	}

	// What was fetched goes only when that is said, and the new lock says what is missing of it since.
	m.want(0, words("withdraw north-7-1 --sample --forget before.lock --forget-raw --dry-run"), "would remove", "wards/fetch/north")
	m.want(0, words("verify benchmark.lock --level bytes"), "verified, level bytes")
	m.want(0, words("withdraw north-7-1 --sample --forget before.lock --forget-raw"), "wards/fetch/north", "wards/curate/north")
	m.want(4, words("verify before.lock --level bytes"), "consent withdrawn")
	v := object[verify.Verdict](m, 4, "verify", "benchmark.lock", "--level", "bytes")
	for _, p := range v.Problems {
		if p.Code != verify.BlobDeleted || p.Step != "fetch/north" {
			t.Errorf("%+v", p)
		}
	}
	m.want(0, words("verify benchmark.lock"), "verified, level records")
}

// TestWithdrawExternal: a plugin that is not of this program leaves out only whom it knows how to.
func TestWithdrawExternal(t *testing.T) {
	m := newMachine(t, pointsManifest)
	m.bringPlugins()
	m.want(0, words("run benchmark.yaml"))
	m.want(1, []string{"withdraw", m.curated("points/curate/points")[0].Subject}, "cannot leave anybody out", `unknown parameter`, "datasets.points.curate.params.withdrawn")
	if m.read("benchmark.yaml") != pointsManifest {
		t.Error("the manifest has changed")
	}
}

// TestWithdrawReal withdraws people and pictures of real-small from four datasets, each from another side, and rebuilds after each.
func TestWithdrawReal(t *testing.T) {
	site := realPublishers(t, realData(t))
	m := newMachine(t, strings.ReplaceAll(realManifest(t, site.URL), "epochs: 10", "epochs: 2"))
	m.want(0, words("run benchmark.yaml"))
	first := m.lock("benchmark.lock")
	site.asked()
	for _, c := range []struct {
		dataset, side string
		samples       int // of the subject
		models        bool
	}{
		{"chest-xray", "train", 3, true},
		{"ecg", "test", 1, false},
		{"heart", "validation", 1, true},
	} {
		subject := m.on("real-small/curate/"+c.dataset, c.side, c.samples)
		x := m.rebuildWithout("real-small", c.dataset, subject, c.side == "validation")
		if models := slices.Contains(x.depends, "pretrain/multitask"); models != c.models || len(x.samples) != c.samples || slices.Contains(x.depends, "fetch/"+c.dataset) {
			t.Errorf("%s: %v depend on %v", c.dataset, x.depends, x.samples)
		}
	}

	// A picture of the training side has a copy on the test side, which was left out as that and does not come in now.
	twins := m.copied("real-small/curate/brain-tumour")
	twin := twins[0]
	x := m.rebuildWithout("real-small", "brain-tumour", twin, false)
	m.nobody([]digest.Digest{m.named("real-small/curate/brain-tumour"), m.named("real-small/" + verify.DocumentsStep)}, twins...)
	var report document.Curation
	if err := json.Unmarshal([]byte(m.want(0, words("cat real-small/curate/brain-tumour curation.json")).stdout), &report); err != nil {
		t.Fatal(err)
	}
	if report.Withdrawn == nil || report.Withdrawn.Samples != 2 || report.Expected != report.Done+len(report.Excluded)+len(report.Failed)+2 {
		t.Errorf("curation of brain-tumour: %d of %d done, %+v", report.Done, report.Expected, report.Withdrawn)
	}
	if asked := site.asked(); len(asked) > 0 {
		t.Errorf("the rebuilds asked for %v", asked)
	}
	m.want(0, words("verify benchmark.lock --level bytes"), "verified, level bytes")

	m.want(0, []string{"withdraw", twin, "--forget", x.old}, "real-small/curate/brain-tumour", "real-small/pretrain/multitask", "fetch/brain-tumour")
	m.want(4, []string{"verify", x.old, "--level", "bytes"}, verify.BlobDeleted, "consent withdrawn")
	m.want(0, words("verify benchmark.lock --level bytes"), "verified, level bytes")
	for _, s := range m.lock("benchmark.lock").Steps {
		if strings.HasPrefix(s.Name, "fetch/") && first.ByName()[s.Name] != s {
			t.Errorf("%s is another", s.Name)
		}
	}
}

// copied is a sample of the training side of a dataset and its copies on the test side.
func (m *machine) copied(ref string) []string {
	m.t.Helper()
	var report document.Curation
	if err := json.Unmarshal([]byte(m.want(0, []string{"cat", ref, document.CurationFile}).stdout), &report); err != nil {
		m.t.Fatal(err)
	}
	for _, g := range report.Duplicates {
		if g.Kind != document.SameBytes || !g.Crosses {
			continue
		}
		var out []string
		for _, s := range slices.Backward(g.Samples) { // sorted by side, and train comes after test
			_, id, _ := strings.Cut(s, "/")
			out = append(out, id)
		}
		return out
	}
	m.t.Fatalf("%s has no copies", ref)
	return nil
}
