package verify_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

const evaluated = "evaluate/test/single/ecg"

// actionOf reads the action of a step.
func (e *evidence) actionOf(step string) action.Action {
	e.t.Helper()
	a, err := action.Parse(e.blobs[e.entry(step).Action])
	if err != nil {
		e.t.Fatal(err)
	}
	return a
}

func (e *evidence) statement(a action.Action, artifact digest.Digest) []byte {
	e.t.Helper()
	text, err := provenance.New(a, artifact, provenance.Execution{Step: "forged", Builder: provenance.Builder{ID: "https://example.org"}, Started: time.Unix(1, 0), Finished: time.Unix(2, 0)})
	if err != nil {
		e.t.Fatal(err)
	}
	return text
}

const trained = "pretrain/single/ecg"

// Records of other work, or of other results, that are right in themselves.
func TestForgedRecords(t *testing.T) {
	for name, forge := range map[string]func(e *evidence) digest.Digest{
		"other artifact": func(e *evidence) digest.Digest {
			return e.record(e.actionOf(trained), e.kinds["pretrain/single/xray"], trained)
		},
		"other action": func(e *evidence) digest.Digest {
			return e.record(e.actionOf("pretrain/single/xray"), e.kinds[trained], trained)
		},
		"record of another step": func(e *evidence) digest.Digest { return e.records[e.entry("fetch/ecg").Action] },
		"statement about another": func(e *evidence) digest.Digest {
			return e.manifest(e.kinds[trained], e.statement(e.actionOf(trained), e.kinds["fetch/ecg"].Digest))
		},
		"manifest about another": func(e *evidence) digest.Digest {
			return e.manifest(e.kinds["fetch/ecg"], e.statement(e.actionOf(trained), e.kinds[trained].Digest))
		},
		"manifest about another of that size": func(e *evidence) digest.Digest {
			subject := e.kinds[trained]
			subject.Digest = e.kinds["fetch/ecg"].Digest
			return e.manifest(subject, e.statement(e.actionOf(trained), e.kinds[trained].Digest))
		},
		"subject of another size": func(e *evidence) digest.Digest {
			subject := e.kinds[trained]
			subject.Size++
			return e.manifest(subject, e.statement(e.actionOf(trained), subject.Digest))
		},
		"another ID than its action's": func(e *evidence) digest.Digest {
			text := e.statement(e.actionOf(trained), e.kinds[trained].Digest)
			return e.manifest(e.kinds[trained], bytes.Replace(text, []byte(`"seed":"7"`), []byte(`"seed":"8"`), 1))
		},
		"not a record": func(e *evidence) digest.Digest { return e.manifest(e.kinds[trained], []byte("{}")) },
	} {
		e := rebuild(t, bench(), nil)
		e.records[e.entry(trained).Action] = forge(e)
		v := e.check(e.text(), verify.Records)
		if codes(v) != verify.RecordDiffers || v.Level != "none" {
			t.Errorf("%s: level %s, %+v", name, v.Level, v.Problems)
		}
		for _, p := range v.Problems {
			if p.Step != trained || !strings.HasPrefix(p.Path, "record/") || p.Digest == "" || p.Got == "" {
				t.Errorf("%s: %+v does not say where", name, p)
			}
		}
	}
}

// better edits the metrics of an evaluation and packs it again.
func (e *evidence) better(step string, value float64) ocispec.Descriptor {
	e.t.Helper()
	m := e.manifestOf(e.kinds[step].Digest)
	i := slices.IndexFunc(m.Layers, func(l ocispec.Descriptor) bool { return l.Annotations[ocispec.AnnotationTitle] == document.MetricsFile })
	var doc document.Metrics
	if err := json.Unmarshal(e.blobs[m.Layers[i].Digest], &doc); err != nil {
		e.t.Fatal(err)
	}
	doc.Metrics[0].Value = &value
	text, err := canonical.Marshal(doc)
	if err != nil {
		e.t.Fatal(err)
	}
	m.Layers[i].Digest, m.Layers[i].Size = e.put(text), int64(len(text))
	return e.keep(e.t, m)
}

// Edited metrics, with more and more of what was made of them edited to fit.
func TestEditedMetrics(t *testing.T) {
	value := 0.99
	for _, c := range []struct {
		record, entry, number bool
		want                  string
	}{
		{false, false, true, "result-differs"},
		{true, false, false, "record-differs"},
		{true, false, true, "record-differs result-differs"},
		{false, true, false, "record-differs result-differs"},
		{false, true, true, "record-differs"},
		{true, true, false, "result-differs"},
		{true, true, true, ""}, // nothing of the old evaluation is left: another benchmark, with another lock
	} {
		e := rebuild(t, bench(), nil)
		honest := e.text()
		made := e.better(evaluated, value)
		if c.record {
			e.records[e.entry(evaluated).Action] = e.record(e.actionOf(evaluated), made, evaluated)
		}
		if c.entry {
			e.entry(evaluated).Artifact = made.Digest
		}
		if c.number {
			e.lock.Results[0].Value = &value
		}
		v := e.check(e.text(), verify.Bytes)
		if got := codes(v); got != c.want || v.OK != (c.want == "") {
			t.Errorf("record %t, entry %t, number %t: OK %t, %q, want %q", c.record, c.entry, c.number, v.OK, got, c.want)
		}
		if v := e.check(honest, verify.Records); c.record && v.OK {
			t.Errorf("record %t, entry %t, number %t: the honest lock still verifies", c.record, c.entry, c.number)
		}
	}
}

// A result that later steps read cannot be exchanged even with its record.
func TestExchangedInput(t *testing.T) {
	e := rebuild(t, bench(), nil)
	made := e.kinds["curate/xray"]
	e.entry("curate/ecg").Artifact = made.Digest
	e.records[e.entry("curate/ecg").Action] = e.record(e.actionOf("curate/ecg"), made, "curate/ecg")
	v := e.check(e.text(), verify.Records)
	if codes(v) != verify.ActionDiffers || v.Level != "none" {
		t.Errorf("level %s, %+v", v.Level, v.Problems)
	}
	var steps []string
	for _, p := range v.Problems {
		steps = append(steps, p.Step)
	}
	if slices.Sort(steps); !slices.Equal(steps, []string{evaluated, "pretrain/single/ecg"}) {
		t.Errorf("named at %v", steps)
	}
}

// reseal puts a changed manifest in the place of an artifact.
func reseal(change func(e *evidence, m *ocispec.Manifest)) func(e *evidence, step string, made ocispec.Descriptor) ocispec.Descriptor {
	return func(e *evidence, step string, made ocispec.Descriptor) ocispec.Descriptor {
		if step != "fetch/ecg" && step != evaluated {
			return made
		}
		m := e.manifestOf(made.Digest)
		change(e, &m)
		if m.ArtifactType == "" && m.Config.Size < 1<<20 {
			e.reconfigure(&m)
		}
		return e.keep(e.t, m)
	}
}

// reconfigure lets the config of a dataset name the layers, as one who changes them on purpose would.
func (e *evidence) reconfigure(m *ocispec.Manifest) {
	e.t.Helper()
	var config ocispec.Image
	if err := json.Unmarshal(e.blobs[m.Config.Digest], &config); err != nil {
		e.t.Fatal(err)
	}
	config.RootFS.DiffIDs = nil
	for _, l := range m.Layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.Digest)
	}
	kept := e.keep(e.t, config)
	m.Config.Digest, m.Config.Size = kept.Digest, kept.Size
}

// inLayer edits bytes of a layer and lets the manifest name the edited layer.
func inLayer(i int, old, new string) func(e *evidence, m *ocispec.Manifest) {
	return func(e *evidence, m *ocispec.Manifest) {
		if m.ArtifactType != "" {
			return // not the dataset
		}
		text := e.blobs[m.Layers[i].Digest]
		if !bytes.Contains(text, []byte(old)) {
			e.t.Fatalf("%q is not in layer %d", old, i)
		}
		text = bytes.Replace(text, []byte(old), []byte(new), 1)
		m.Layers[i].Digest, m.Layers[i].Size = e.put(text), int64(len(text))
	}
}

// Artifacts that contradict themselves although every digest up to the lock is right.
func TestArtifactsThatLie(t *testing.T) {
	one, two := digest.FromString("one").Encoded(), digest.FromString("two").Encoded()
	for name, c := range map[string]struct {
		change     func(e *evidence, m *ocispec.Manifest)
		code, path string
	}{
		"nothing":              {func(*evidence, *ocispec.Manifest) {}, "", ""},
		"a file":               {inLayer(1, "one", "eno"), verify.FilesDiffer, "records/1.dat"},
		"a sum":                {inLayer(0, one, two), verify.FilesDiffer, "records/1.dat"},
		"a file's name":        {inLayer(0, "records/1.dat", "records/3.dat"), verify.FilesDiffer, "records/3.dat"},
		"sums that are none":   {inLayer(0, one, strings.ToUpper(one)), verify.Malformed, "layer 0"},
		"a document":           {inLayer(0, `{"id":"fetch/ecg"}`, `{"id":"fetch/ecG"}`), verify.FilesDiffer, "dataset.json"},
		"a document's header":  {inLayer(0, "dataset.json\x00", "dataset.jsom\x00"), verify.FilesDiffer, "dataset.json"},
		"a header":             {inLayer(1, "records/1.dat", "records/1.dab"), verify.FilesDiffer, "records/1.dat"},
		"the mode in a header": {inLayer(1, "0000644", "0000755"), verify.FilesDiffer, "records/1.dat"},
		"behind a file":        {inLayer(1, "one\x00", "one\x01"), verify.FilesDiffer, "records/1.dat"},
		"behind the files":     {grown("more"), verify.FilesDiffer, "layer 1"},
		"an index":             {inLayer(0, "cairn/index/v1\n\n", "cairn/index/v2\n\n"), verify.Malformed, "layer 0"},
		"the root":             {func(_ *evidence, m *ocispec.Manifest) { m.Annotations[artifact.RootAnnotation] = "sha256:" + one }, verify.FilesDiffer, artifact.RootAnnotation},
		"no root":              {func(_ *evidence, m *ocispec.Manifest) { m.Annotations = nil }, verify.Malformed, "layer 0"},
		"a first file": {func(_ *evidence, m *ocispec.Manifest) {
			m.Layers[1].Annotations[artifact.FirstAnnotation] = "records/2.dat"
		}, verify.FilesDiffer, artifact.FirstAnnotation},
		"a shard less":           {func(_ *evidence, m *ocispec.Manifest) { m.Layers = m.Layers[:1] }, verify.Malformed, "layer 0"},
		"a shard twice":          {func(_ *evidence, m *ocispec.Manifest) { m.Layers = append(m.Layers, m.Layers[1:]...) }, verify.FilesDiffer, "manifest"},
		"no sums":                {func(_ *evidence, m *ocispec.Manifest) { m.Layers = m.Layers[1:] }, verify.Malformed, "layer 0"},
		"sums twice":             {func(_ *evidence, m *ocispec.Manifest) { m.Layers = append(m.Layers, m.Layers[0]) }, verify.FilesDiffer, "manifest"},
		"the size of a layer":    {func(_ *evidence, m *ocispec.Manifest) { m.Layers[1].Size++ }, verify.Malformed, "layer 1"},
		"the size of the config": {func(_ *evidence, m *ocispec.Manifest) { m.Config.Size = 1 << 40 }, verify.Malformed, "config"},
		"another config": {func(e *evidence, m *ocispec.Manifest) {
			m.Config.Digest, m.Config.Size = e.put(make([]byte, 1<<20)), 1<<20
		}, verify.FilesDiffer, "config"},
		"a layer's digest": {func(_ *evidence, m *ocispec.Manifest) { m.Layers[1].Digest = "sha256:../x" }, verify.Malformed, "manifest"},
		"no manifest":      {func(_ *evidence, m *ocispec.Manifest) { m.SchemaVersion = 1 }, verify.Malformed, "manifest"},
	} {
		t.Run(name, func(t *testing.T) {
			e := rebuild(t, bench(), reseal(func(e *evidence, m *ocispec.Manifest) {
				if m.ArtifactType == "" { // the dataset
					c.change(e, m)
				}
			}))
			v := e.check(e.text(), verify.Files)
			if got := codes(v); got != c.code || v.OK != (name == "nothing") {
				t.Fatalf("OK %t, %+v; want %q", v.OK, v.Problems, c.code)
			}
			named := func(p verify.Problem) bool { return p.Path == c.path && p.Step == "fetch/ecg" && p.Digest != "" }
			if c.path != "" && !slices.ContainsFunc(v.Problems, named) {
				t.Errorf("%+v, want the path %s", v.Problems, c.path)
			}
			if v.Level != map[bool]string{true: verify.Files, false: "none"}[v.OK] {
				t.Errorf("level %s", v.Level)
			}
		})
	}
}

// grown puts more bytes behind a shard.
func grown(more string) func(e *evidence, m *ocispec.Manifest) {
	return func(e *evidence, m *ocispec.Manifest) {
		text := append(slices.Clone(e.blobs[m.Layers[1].Digest]), more...)
		m.Layers[1].Digest, m.Layers[1].Size = e.put(text), int64(len(text))
	}
}

// shardOf makes a layer of the headers, each file as long as it says.
func shardOf(headers ...tar.Header) func(e *evidence, m *ocispec.Manifest) {
	return func(e *evidence, m *ocispec.Manifest) {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			if err := w.WriteHeader(&h); err != nil {
				e.t.Fatal(err)
			}
			if _, err := w.Write(make([]byte, h.Size)); err != nil {
				e.t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			e.t.Fatal(err)
		}
		m.Layers[1].Digest, m.Layers[1].Size = e.put(b.Bytes()), int64(b.Len())
	}
}

// Shards with what no packer of ours writes.
func TestShardsThatAreNone(t *testing.T) {
	for name, headers := range map[string][]tar.Header{
		"a link":               {{Typeflag: tar.TypeSymlink, Name: "records/1.dat", Linkname: "/etc/passwd"}},
		"a path out of it":     {{Typeflag: tar.TypeReg, Name: "../1.dat"}},
		"an absolute path":     {{Typeflag: tar.TypeReg, Name: "/1.dat"}},
		"SHA256SUMS, twice":    {{Typeflag: tar.TypeReg, Name: "SHA256SUMS", Size: 1}, {Typeflag: tar.TypeReg, Name: "SHA256SUMS"}},
		"a folder":             {{Typeflag: tar.TypeDir, Name: "records/"}},
		"something after many": {{Typeflag: tar.TypeReg, Name: "records/1.dat", Size: 3}, {Typeflag: tar.TypeFifo, Name: "pipe"}},
	} {
		e := rebuild(t, bench(), reseal(func(e *evidence, m *ocispec.Manifest) {
			if m.ArtifactType == "" {
				shardOf(headers...)(e, m)
			}
		}))
		v := e.check(e.text(), verify.Files)
		if len(v.Problems) == 0 || v.Problems[0].Step != "fetch/ecg" || v.Level != "none" {
			t.Errorf("%s: level %s, %+v", name, v.Level, v.Problems)
		}
		if v := e.check(e.text(), verify.Records); !v.OK {
			t.Errorf("%s: level records: %+v", name, v.Problems)
		}
	}
}

// Of an artifact that is wrong throughout, not a million lines are reported.
func TestManyWrongFilesAreCut(t *testing.T) {
	e := rebuild(t, bench(), func(e *evidence, step string, made ocispec.Descriptor) ocispec.Descriptor {
		if step != "fetch/ecg" {
			return made
		}
		files := map[string]string{"dataset.json": "{}"}
		for i := range 1000 {
			files[fmt.Sprintf("%03d", i)] = "x"
		}
		m := e.manifestOf(e.packed(artifact.Dataset, files).Digest)
		text := bytes.ReplaceAll(e.blobs[m.Layers[1].Digest], []byte("x\x00"), []byte("y\x00"))
		m.Layers[1].Digest = e.put(text)
		e.reconfigure(&m)
		return e.keep(e.t, m)
	})
	if v := e.check(e.text(), verify.Files); len(v.Problems) != 10 || codes(v) != verify.FilesDiffer {
		t.Errorf("%d problems, %s", len(v.Problems), codes(v))
	}
}

// Evaluations without numbers that can be read.
func TestEvaluationsWithoutMetrics(t *testing.T) {
	for name, c := range map[string]struct {
		change func(e *evidence, m *ocispec.Manifest)
		path   string
	}{
		"no metrics": {func(_ *evidence, m *ocispec.Manifest) {
			m.Layers = slices.DeleteFunc(m.Layers, func(l ocispec.Descriptor) bool { return l.Annotations[ocispec.AnnotationTitle] == document.MetricsFile })
		}, "manifest"},
		"no JSON": {func(e *evidence, m *ocispec.Manifest) {
			for i, l := range m.Layers {
				if l.Annotations[ocispec.AnnotationTitle] == document.MetricsFile {
					m.Layers[i].Digest, m.Layers[i].Size = e.put([]byte("{")), 1
				}
			}
		}, document.MetricsFile},
	} {
		e := rebuild(t, bench(), reseal(func(e *evidence, m *ocispec.Manifest) {
			if m.ArtifactType != "" {
				c.change(e, m)
			}
		}))
		v := e.check(e.text(), verify.Records)
		if len(v.Problems) != 1 || v.Problems[0].Code != verify.Malformed || v.Problems[0].Step != evaluated || v.Problems[0].Path != c.path || v.Level != "none" {
			t.Errorf("%s: level %s, %+v", name, v.Level, v.Problems)
		}
	}
}

// Documents that are no such documents, under their right digests.
func TestMalformedDocuments(t *testing.T) {
	e := rebuild(t, bench(), nil)
	e.lock.Plan = e.put([]byte("{}"))
	if v := e.check(e.text(), verify.Records); codes(v) != verify.Malformed || v.Problems[0].Path != "plan" || v.Level != "none" {
		t.Errorf("plan: %+v", v)
	}
	e = rebuild(t, bench(), nil)
	e.records[e.entry("fetch/ecg").Action] = e.put([]byte("{}"))
	if v := e.check(e.text(), verify.Records); codes(v) != verify.Malformed || v.Problems[0].Path != "record" || v.Level != "none" {
		t.Errorf("record: %+v", v)
	}
	for name, change := range map[string]func(m *ocispec.Manifest){
		"no subject": func(m *ocispec.Manifest) { m.Subject = nil },
		"no layer":   func(m *ocispec.Manifest) { m.Layers = nil },
		"no type":    func(m *ocispec.Manifest) { m.MediaType = "" },
	} {
		e := rebuild(t, bench(), nil)
		id := e.entry("fetch/ecg").Action
		m := e.manifestOf(e.records[id])
		change(&m)
		e.records[id] = e.keep(t, m).Digest
		if v := e.check(e.text(), verify.Records); codes(v) != verify.Malformed || v.Problems[0].Path != "record" || v.Level != "none" {
			t.Errorf("record with %s: %+v", name, v)
		}
	}
	e = rebuild(t, bench(), nil)
	e.entry("fetch/ecg").Action = e.put([]byte("{}"))
	if v := e.check(e.text(), verify.Records); codes(v) != "action-differs malformed record-missing" || v.Level != "none" {
		t.Errorf("action: %+v", v)
	}
}

// The entries of a step that the plan does not have, and of one whose inputs are not in the lock.
func TestStepsOfAnotherPlan(t *testing.T) {
	e := rebuild(t, bench(), nil)
	extra := *e.entry("fetch/ecg")
	extra.Name = "fetch/zzz"
	e.lock.Steps = append(e.lock.Steps, extra)
	if v := e.check(e.text(), verify.Records); len(v.Problems) != 1 || v.Problems[0].Code != verify.LockEdited || v.Problems[0].Step != "fetch/zzz" {
		t.Errorf("a step more: %+v", v.Problems)
	}
	e = rebuild(t, bench(), nil)
	empty := *e.plan
	empty.Steps, empty.Evaluations = nil, nil
	e.lock.Plan, e.lock.Results = e.keep(t, empty).Digest, nil
	if v := e.check(e.text(), verify.Records); codes(v) != verify.LockEdited || len(v.Problems) != len(e.lock.Steps) || v.Level != "none" {
		t.Errorf("of a plan without steps: %+v", v.Problems)
	}
	e = rebuild(t, bench(), nil)
	e.lock.Steps = slices.DeleteFunc(e.lock.Steps, func(s lock.Step) bool { return s.Name == "fetch/ecg" })
	v := e.check(e.text(), verify.Records)
	if codes(v) != "action-differs lock-edited" || !slices.ContainsFunc(v.Problems, func(p verify.Problem) bool { return p.Path == "inputs" }) || v.Level != "none" {
		t.Errorf("a step less: %+v", v.Problems)
	}
}
