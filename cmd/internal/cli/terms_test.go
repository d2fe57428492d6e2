package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas/registry/registrytest"
	"github.com/cairn-bench/cairn/manifests/report"
	"github.com/cairn-bench/cairn/manifests/terms"
)

// mixed is a benchmark of an open and a closed dataset, of one that nothing is curated from, and of models of one and of both. One row of
// each table has no label and is left out.
func mixed() string {
	text := strings.Replace(small, "name: small", "name: mixed", 1)
	heart := text[strings.Index(text, "  heart:"):strings.Index(text, "models:")]
	lung := strings.NewReplacer("heart:", "lung:", "Heart disease", "Lung", "access: open", "access: credentialed", "path: data", "path: closed", "CC0-1.0", "LicenseRef-Lung-DUA").Replace(heart)
	return strings.NewReplacer("models:\n  single:\n    plugin: go\n    datasets: [heart]", lung+"models:\n  both:\n    plugin: go\n    datasets: [heart, lung]\n    seed: 7\n    params: {epochs: 1}\n  single:\n    plugin: go\n    each: true\n    datasets: [heart, lung]",
		"models: [single]", "models: [single, both]").Replace(text)
}

func mixedMachine(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t, mixed())
	m.write("data/heart.csv", table(60)+"999,50,200,open-odd\n")
	m.write("closed/lung.csv", strings.Replace(table(60), "0,30,150,", "0,31,151,", 1)+"999,50,200,closed-odd\n")
	m.want(0, words("run benchmark.yaml"))
	return m
}

// TestTermsOfOnly: what a run has fetched that published no benchmark is under the terms that its manifest states.
func TestTermsOfOnly(t *testing.T) {
	m := newMachine(t, mixed())
	m.write("data/heart.csv", table(60))
	m.write("closed/lung.csv", table(61))
	made := map[string]digest.Digest{}
	for _, s := range object[runDocument](m, 0, words("run benchmark.yaml --only fetch/heart,fetch/lung")...).Steps {
		made[s.Name] = s.Artifact
	}
	eachRegistry(t, func(t *testing.T, server *registrytest.Server) {
		ref := "oci://" + server.Addr + "/lab/raw"
		m.want(0, []string{"push", made["fetch/heart"].String(), ref})
		m.want(5, []string{"push", made["fetch/lung"].String(), ref}, "because of the dataset lung (licence LicenseRef-Lung-DUA, access credentialed)")
	})
}

// closedSteps are those whose artifacts derive from the closed dataset.
var closedSteps = words("fetch/lung curate/lung pretrain/both pretrain/single/lung evaluate/test/single/lung evaluate/test/both/heart evaluate/test/both/lung")

// TestTermsOfPush: what derives from closed data stays, all else goes, and a copy without data is verified for what it is.
func TestTermsOfPush(t *testing.T) {
	m := mixedMachine(t)
	eachRegistry(t, func(t *testing.T, server *registrytest.Server) {
		ref := "oci://" + server.Addr + "/lab/mixed"
		out := m.want(5, []string{"push", "benchmark.lock", ref}, "because of the dataset lung (licence LicenseRef-Lung-DUA, access credentialed)", "rule closed-access, terms.yaml of cairn:",
			"allowed instead: records, digests", "may not be pushed to "+server.Addr+"/lab/mixed", "terms mixed --to")
		if strings.Contains(out.stderr, "dataset heart") {
			t.Errorf("open data are refused, too:\n%s", out.stderr)
		}
		newMachine(t, "").want(1, []string{"pull", ref}, "404")
		for _, name := range words("fetch/heart curate/heart pretrain/single/heart evaluate/test/single/heart documents") {
			m.want(0, []string{"push", "mixed/" + name, ref + "-" + strings.ReplaceAll(name, "/", "-")})
		}
		for _, name := range closedSteps {
			m.want(5, []string{"push", "mixed/" + name, ref + "-closed"}, "mixed/"+name, "dataset lung")
		}

		first := object[pushed](m, 0, "push", "mixed", ref, "--records")
		var left []string
		for _, a := range first.LeftOut.Artifacts {
			left = append(left, strings.TrimPrefix(a.Name, "mixed/"))
		}
		if strings.Join(left, " ") != "curate/lung evaluate/test/both/heart evaluate/test/both/lung evaluate/test/single/lung fetch/lung pretrain/both pretrain/single/lung" && len(left) != len(closedSteps) || first.LeftOut.Blobs == 0 {
			t.Errorf("left out: %q", left)
		}
		m.want(0, []string{"push", "mixed", ref, "--records"}, "left out: ", "mixed/curate/lung")

		other := newMachine(t, mixed())
		got := object[pulled](other, 0, "pull", ref)
		if got.Name != "mixed" || got.Digest != first.Digest || got.Blobs.LeftOut != first.LeftOut.Blobs {
			t.Errorf("pull: %+v, want %+v", got, first)
		}
		other.want(0, words("verify mixed"), "verified", "level records")
		other.want(4, words("verify mixed --level bytes"), "level records", "lung")
		other.want(0, words("verify mixed/curate/heart --level bytes"))
		for _, d := range closedBlobs(m) {
			if _, err := os.Stat(server.Blob(d)); err == nil {
				t.Errorf("the registry has %s", d)
			}
			if _, err := os.Stat(other.home + "/cairn/store/blobs/sha256/" + d.Encoded()); err == nil {
				t.Errorf("the other home has %s", d)
			}
		}
		if again := object[pushed](other, 0, "push", "mixed", ref+"-again", "--records"); again.Digest != first.Digest {
			t.Errorf("the copy of the copy is %s", again.Digest)
		}
		other.want(0, words("terms mixed"), "lung", "LicenseRef-Lung-DUA")
		m.want(0, []string{"push", "mixed/curate/lung", ref + "-lung", "--records"}, "left out")
		other.want(0, []string{"pull", ref + "-lung", "--name", "lung"})
		other.want(0, words("verify lung"), "level manifest")
	})
}

// closedBlobs are files of the closed dataset in the store.
func closedBlobs(m *machine) (all []digest.Digest) {
	for _, name := range words("fetch/lung curate/lung") {
		for _, l := range object[struct {
			Layers []struct{ Digest digest.Digest }
		}](m, 0, "show", "mixed/"+name, "--document").Layers {
			all = append(all, l.Digest)
		}
	}
	if len(all) == 0 {
		m.t.Fatal("no blob of the closed dataset")
	}
	return all
}

// TestOverride: who puts the policy aside has a name and a reason, and what was done travels with what was pushed.
func TestOverride(t *testing.T) {
	m := mixedMachine(t)
	m.want(2, words("push mixed oci://127.0.0.1:1/x --override-terms --by Ada"), "--reason")
	m.want(2, words("push mixed oci://127.0.0.1:1/x --override-terms --reason so"), "--by")
	m.want(2, words("push mixed oci://127.0.0.1:1/x --by Ada --reason so"), "--override-terms")
	m.want(2, words("push mixed oci://127.0.0.1:1/x --records --override-terms --by Ada --reason so"), "one of them")
	m.want(2, []string{"push", "mixed", "oci://127.0.0.1:1/x", "--override-terms", "--by", "A\nda", "--reason", "so"}, "on one line")
	server := registrytest.Start(t, registrytest.Docker)
	ref := "oci://" + server.Addr + "/lab/mixed"
	first := object[pushed](m, 0, "push", "mixed", ref, "--override-terms", "--by", "Ada Lovelace", "--reason", "our agreement of May")
	if first.Override == "" || first.LeftOut.Blobs > 0 {
		t.Fatalf("%+v", first)
	}
	want := []string{"push to " + server.Addr + "/lab/mixed on ", "by Ada Lovelace", "our agreement of May", "mixed/curate/lung", first.Override.String()}
	m.want(0, words("show mixed"), append(want, "signed by this home")...)
	m.want(0, words("show mixed/curate/lung"), want...)
	if out := m.want(0, words("show mixed/curate/heart")); strings.Contains(out.stdout, "override") {
		t.Error(out.stdout)
	}
	m.want(0, words("gc"))

	other := newMachine(t, "")
	other.want(0, []string{"pull", ref})
	other.want(0, words("verify mixed --level bytes"), "level bytes")
	other.want(0, words("show mixed"), append(want, "by a key that is not known here")...)
	doc := object[termsDocument](other, 0, "terms", "mixed")
	if len(doc.Overrides) != 1 || doc.Overrides[0].By != "Ada Lovelace" || len(doc.Overrides[0].Refused) != len(closedSteps) || doc.Overrides[0].Artifact != "" {
		t.Errorf("%+v", doc.Overrides)
	}
	moved := "oci://" + server.Addr + "/lab/moved"
	other.want(5, []string{"push", "mixed", moved}, "dataset lung") // it was for one place
	other.want(0, []string{"push", "mixed", moved, "--records"})
	third := newMachine(t, "")
	third.want(0, []string{"pull", moved})
	third.want(0, words("show mixed"), "Ada Lovelace")
}

// TestTermsOfExport: an export of closed data goes to a folder of one's own or nowhere, as the policy says.
func TestTermsOfExport(t *testing.T) {
	m := mixedMachine(t)
	m.want(5, words("export mixed/curate/lung --format dir -o s3://bucket/lung"), "folder of this machine only", "dataset lung", "terms.yaml of cairn:")
	m.want(0, words("export mixed/curate/lung --format dir"), "restricted: do not pass it on", "credentialed")
	m.write("strict.yaml", "apiVersion: cairn/v1\nkind: TermsPolicy\nrules:\n  - {name: none, access: [credentialed], refuse: [push, export, render, list], reason: the board says no, instead: ask the board}\n"+
		"  - {name: rest, allow: [push, export, render, list]}\n")
	m.want(5, words("export mixed/curate/lung --format dir -o out --terms strict.yaml"), "rule none, strict.yaml:4", "the board says no", "ask the board")
	m.want(0, words("export mixed/curate/heart --format dir -o out --terms strict.yaml"))
	m.want(0, words("show mixed/curate/lung --html page.html --terms strict.yaml"), "counts only", "the board says no")
	m.want(2, words("export mixed/curate/lung --format dir -o no --terms missing.yaml"), "missing.yaml")
	m.write("bad.yaml", "apiVersion: cairn/v1\nkind: TermsPolicy\nrules:\n  - {name: none, alow: [push]}\n")
	m.want(2, words("push mixed oci://127.0.0.1:1/x --terms bad.yaml"), "bad.yaml:4", "allow")

	m.want(0, []string{"export", "mixed/curate/lung", "--format", "dir", "-o", "theirs", "--override-terms", "--by", "Ada", "--reason", "for the board"}, "override recorded")
	if info, err := os.Stat(m.path("theirs")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", info, err)
	}
	m.want(0, []string{"show", "mixed/curate/lung", "--html", "drawn.html", "--override-terms", "--by", "Ada", "--reason", "for a talk"})
	if !strings.Contains(m.read("drawn.html"), "<figure") {
		t.Error("nothing is drawn")
	}
	s := object[sheet](m, 0, words("show mixed/curate/lung")...)
	if len(s.Overrides) != 3 || s.Overrides[0].Verb != terms.Export || s.Overrides[0].To != terms.Folder || s.Restricted == "" {
		t.Errorf("%+v", s)
	}

	if err := os.Rename(m.path("strict.yaml"), m.home+"/cairn/terms.yaml"); err != nil {
		t.Fatal(err)
	}
	m.want(5, words("export mixed/curate/lung --format dir -o again"), "terms.yaml:4", "the board says no")
	m.want(0, words("terms"), "the board says no")
}

// TestTermsOfReport: a report names samples of open data and counts those of closed data.
func TestTermsOfReport(t *testing.T) {
	m := mixedMachine(t)
	folder := filepath.Dir(object[runDocument](m, 0, "run", "benchmark.yaml").Report)
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var r report.Report
	if err := json.Unmarshal([]byte(read("report.json")), &r); err != nil {
		t.Fatal(err)
	}
	for _, d := range r.Datasets {
		if closed := d.ID == "lung"; closed != (d.Unnamed != "") || len(d.Curation.Excluded) != 1 || closed != (d.Curation.Excluded[0].Sample == "") || d.Curation.Excluded[0].Code == "" {
			t.Errorf("%s: %q, %+v", d.ID, d.Unnamed, d.Curation.Excluded)
		}
	}
	for _, text := range []string{read("report.html"), read("report.md"), read("report.json")} {
		if strings.Contains(text, "closed-odd") || !strings.Contains(text, "open-odd") || !strings.Contains(text, "access credentialed") {
			t.Error(text)
		}
	}
}

// TestTermsTable: the table says yes and no, and why, of a benchmark, of an artifact and of a manifest.
func TestTermsTable(t *testing.T) {
	m := mixedMachine(t)
	for _, what := range words("mixed benchmark.lock benchmark.yaml mixed/pretrain/both") {
		doc := object[termsDocument](m, 0, "terms", what, "--to", "ghcr.io/lab/x")
		if len(doc.Datasets) != 2 || doc.Datasets[0].Dataset != "heart" || doc.Datasets[1].Dataset != "lung" || len(doc.Unknown) > 0 {
			t.Fatalf("%s: %+v", what, doc)
		}
		for i, d := range doc.Datasets {
			for _, c := range d.Decisions {
				if want := i == 0 || c.To == terms.Private; c.Allowed != want || c.Verb == terms.Push && c.To != "ghcr.io/lab/x" {
					t.Errorf("%s: %s: %+v", what, d.Dataset, c)
				}
			}
		}
	}
	m.want(0, words("terms benchmark.yaml"), "PUSH CURATED", "PUSH MODEL", "EXPORT PRIVATE", "lung: it was trained on data", "rule model-of-closed-data, terms.yaml of cairn:")
	out := m.want(0, words("terms"))
	if out.stdout != string(terms.DefaultText()) {
		t.Error("the policy that is printed is not the one that counts")
	}
	m.want(2, words("terms nothing"), "nothing")
}

// TestTermsOfSharedStore: a run brings no data into a store that others read unless the policy lets them go there.
func TestTermsOfSharedStore(t *testing.T) {
	server := registrytest.Start(t, registrytest.Kinds[0])
	to := server.Addr + "/lab/store"
	m := newMachine(t, mixed())
	m.write("data/heart.csv", table(60))
	m.write("closed/lung.csv", table(61))
	run := []string{"--store", "oci://" + to, "run", "benchmark.yaml"}
	out := m.want(5, run, "because of the dataset lung (licence LicenseRef-Lung-DUA, access credentialed)", "rule closed-access", "  - name: our-store\n    to: ["+to+"]\n    allow: [push]\n", "terms.yaml")
	if strings.Contains(out.stderr, "heart") {
		t.Errorf("the open dataset is refused, too:\n%s", out.stderr)
	}
	m.want(5, append([]string{"--store", "oci://" + to}, words("run --detach benchmark.yaml")...), "lung")
	m.want(2, append(run, "--override-terms"), "--by")
	if _, err := os.Stat(m.path("benchmark.lock")); err == nil {
		t.Error("the run has begun")
	}
	_, rule, _ := strings.Cut(out.stderr, "rules:\n\n")
	rule, _, _ = strings.Cut(rule, "\nOr run")
	m.write("ours.yaml", strings.Replace(m.want(0, words("terms")).stdout, "\nrules:\n", "\nrules:\n"+rule, 1))
	m.want(0, append(run, "--terms", "ours.yaml"))
	m.want(5, append([]string{"--store", "oci://" + to + "2"}, words("run benchmark.yaml --terms ours.yaml")...), "lung")
	m.want(0, append([]string{"--store", "oci://" + to + "3"}, words("run benchmark.yaml --override-terms --by Ada --reason agreed")...), "override recorded: sha256:")
}
