package verify_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/ledger"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// published is a benchmark artifact: an index over everything, the documents included.
type published struct {
	*evidence
	index     ocispec.Index
	documents ocispec.Manifest
	proof     []byte // that the records are in a ledger; nil for none

	commitments [][]byte // what was claimed, signed
}

func publish(t *testing.T, text []byte) *published {
	t.Helper()
	return publishLogged(t, text, nil)
}

// publishLogged makes a benchmark with the proof that a ledger gives of its records.
func publishLogged(t *testing.T, text []byte, log func(records []digest.Digest) []byte) *published {
	t.Helper()
	return publishOf(rebuild(t, bench(), nil), text, log)
}

func publishOf(e *evidence, text []byte, log func(records []digest.Digest) []byte) *published {
	e.t.Helper()
	if text == nil {
		text = e.text()
	}
	p := &published{evidence: e, index: ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}}
	for _, s := range e.lock.Steps {
		p.list(s.Name, s.Action, e.kinds[s.Name], e.records[s.Action])
	}
	if log != nil {
		p.proof = log(slices.Sorted(maps.Values(e.records)))
	}
	p.documents = ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeEmptyJSON, Digest: e.put([]byte("{}")), Size: 2},
		Layers: []ocispec.Descriptor{{MediaType: "application/yaml", Digest: e.put(text), Size: int64(len(text)), Annotations: map[string]string{ocispec.AnnotationTitle: verify.LockFile}}}}
	p.addDocuments()
	return p
}

// addDocuments lists the artifact of the documents with its record.
func (p *published) addDocuments() {
	p.t.Helper()
	made := p.keep(p.t, p.documents)
	a := action.Action{Plugin: action.Plugin{Kind: "publish", Name: "documents", Version: "1"}}
	text, err := a.Canonical()
	if err != nil {
		p.t.Fatal(err)
	}
	p.list(verify.DocumentsStep, p.put(text), made, p.recordOfDocuments(a, made))
}

// again lists the documents anew.
func (p *published) again() {
	p.t.Helper()
	p.index.Manifests = p.index.Manifests[:len(p.index.Manifests)-2]
	p.addDocuments()
}

// recordOfDocuments names the proof of the ledger, if there is one, and the commitments.
func (p *published) recordOfDocuments(a action.Action, made ocispec.Descriptor) digest.Digest {
	p.t.Helper()
	if p.proof == nil {
		return p.record(a, made, verify.DocumentsStep)
	}
	text, err := provenance.New(a, made.Digest, provenance.Execution{Step: verify.DocumentsStep, Ledger: p.proof, Commitments: p.commitments})
	if err != nil {
		p.t.Fatal(err)
	}
	named := []ocispec.Descriptor{p.layer(ledger.MediaType, p.proof)}
	for _, c := range p.commitments {
		named = append(named, p.layer(provenance.EnvelopeType, c))
	}
	return p.tie(made, p.layer(provenance.EnvelopeType, p.seal(rebuilder, text)), named...)
}

func (p *published) list(step string, id digest.Digest, made ocispec.Descriptor, record digest.Digest) {
	about := map[string]string{verify.StepKey: step, verify.ActionKey: id.String()}
	made.Annotations = about
	p.index.Manifests = append(p.index.Manifests, made, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: provenance.MediaType,
		Digest: record, Size: int64(len(p.blobs[record])), Annotations: about})
}

func (p *published) verify(level string) verify.Verdict {
	p.t.Helper()
	p.store.records = nil // the index names them
	v, err := verify.Benchmark(p.t.Context(), "small", p.keep(p.t, p.index).Digest, p.store, policy(1), level)
	if err != nil {
		p.t.Fatal(err)
	}
	if v.OK && v.Level != level {
		p.t.Errorf("level %q was asked for and found right, the verdict says %q", level, v.Level)
	}
	return v
}

func TestAnHonestBenchmarkVerifies(t *testing.T) {
	p := publish(t, nil)
	for _, level := range []string{verify.Records, verify.Bytes} {
		if v := p.verify(level); !v.OK || v.Checked.Records != 9 || v.Subject != "small" {
			t.Errorf("level %s: %+v", level, v)
		}
	}
	if v := p.verify(verify.Bytes); v.Checked.Blobs != len(p.blobs) {
		t.Errorf("%d blobs of %d were checked", v.Checked.Blobs, len(p.blobs))
	}
}

// TestHeld: a lock is verified by the benchmark artifact that holds it, to the byte, and by no other; one whose lock cannot be read may be
// the one, and is looked at.
func TestHeld(t *testing.T) {
	p := publish(t, nil)
	ref, text := p.keep(t, p.index).Digest, p.blobs[p.documents.Layers[0].Digest]
	if _, err := lock.Parse("", text); err != nil {
		t.Fatalf("that layer is not the lock: %v", err)
	}
	held := func(text []byte) (verify.Verdict, error) {
		return verify.Held(t.Context(), "benchmark.lock", text, ref, p.store, policy(1), verify.Bytes)
	}
	if v, err := held(text); err != nil || !v.OK || v.Checked.Records != 9 {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err := held(text[:len(text)-1]); !errors.Is(err, verify.ErrOtherLock) || v.OK {
		t.Errorf("of another text: %+v, %v", v, err)
	}
	delete(p.blobs, p.documents.Layers[0].Digest)
	if v, err := held(text); err != nil || v.OK || len(v.Problems) == 0 {
		t.Errorf("without its lock: %+v, %v", v, err)
	}
}

// Whatever happens to a blob of the benchmark is found; the steps' own are tested with their lock.
func TestBenchmarkBlobsCount(t *testing.T) {
	p := publish(t, nil)
	layer := p.documents.Layers[0].Digest
	documents := p.index.Manifests[len(p.index.Manifests)-2]
	record := p.index.Manifests[len(p.index.Manifests)-1].Digest
	action := digest.Digest(documents.Annotations[verify.ActionKey])
	for _, d := range []digest.Digest{p.keep(t, p.index).Digest, layer, documents.Digest, record, action, p.manifestOf(record).Layers[0].Digest} {
		good := p.blobs[d]
		for _, bad := range [][]byte{nil, append(slices.Clone(good), 0), good[:len(good)-1], []byte("{}")} {
			if p.blobs[d] = bad; bad == nil {
				delete(p.blobs, d)
			}
			v, err := verify.Benchmark(t.Context(), "small", p.refOf(p.index), p.store, policy(1), verify.Bytes)
			level := verify.None
			if bad == nil && d == action {
				level = verify.Records // the record has it
			}
			if err != nil || v.OK || v.Level != level {
				t.Errorf("%s: OK %t, level %s, %v", d, v.OK, v.Level, err)
			}
			if !slices.ContainsFunc(v.Problems, func(o verify.Problem) bool { return o.Digest == d && o.Path != "" && o.Missing() == (bad == nil) }) {
				t.Errorf("%s is not named: %+v", d, v.Problems)
			}
		}
		p.blobs[d] = good
	}
}

// refOf is the digest of an index, which is not put.
func (p *published) refOf(ix ocispec.Index) digest.Digest {
	return newStore().keep(p.t, ix).Digest
}

func TestBenchmarksThatLie(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *published)
		want   string
	}{
		"no documents": {func(p *published) { p.index.Manifests = p.index.Manifests[:len(p.index.Manifests)-2] }, verify.Malformed},
		"no lock in the documents": {func(p *published) {
			p.index.Manifests = p.index.Manifests[:len(p.index.Manifests)-2]
			p.documents.Layers = nil
			p.addDocuments()
		}, verify.Malformed},
		"a step's artifact less": {func(p *published) { p.index.Manifests = p.index.Manifests[1:] }, verify.Malformed},
		"a record less":          {func(p *published) { p.index.Manifests = slices.Delete(p.index.Manifests, 1, 2) }, verify.RecordMissing},
		"another's record": {func(p *published) {
			p.index.Manifests[1].Digest, p.index.Manifests[1].Size = p.index.Manifests[3].Digest, p.index.Manifests[3].Size
		}, verify.RecordDiffers},
		"a size":         {func(p *published) { p.index.Manifests[0].Size++ }, verify.Malformed},
		"no digest":      {func(p *published) { p.index.Manifests[0].Digest = "sha256:../x" }, verify.Malformed},
		"something else": {func(p *published) { p.index.Manifests[0].Digest = p.put([]byte("{}")); p.index.Manifests[0].Size = 2 }, verify.Malformed},
	} {
		p := publish(t, nil)
		c.change(p)
		if v := p.verify(verify.Records); v.OK || codes(v) != c.want || v.Level != "none" {
			t.Errorf("%s: level %s, %+v; want %s", name, v.Level, v.Problems, c.want)
		}
	}
}

// The lock inside is checked as any lock.
func TestBenchmarkWithAnotherLock(t *testing.T) {
	good := rebuild(t, bench(), nil).text()
	if v := publish(t, append(slices.Clone(good), '\n')).verify(verify.Records); codes(v) != verify.LockEdited || v.Level != "none" {
		t.Errorf("edited: %+v", v)
	}
	if v := publish(t, seal(string(bytes.Replace(good, []byte("value: 0.24"), []byte("value: 0.99"), 1)))).verify(verify.Records); codes(v) != verify.ResultDiffers || v.Level != "none" {
		t.Errorf("edited and sealed: %+v", v)
	}
}

func TestLockOf(t *testing.T) {
	p := publish(t, nil)
	if d, ok := verify.LockOf(p.blobs[p.index.Manifests[len(p.index.Manifests)-2].Digest]); !ok || d != p.documents.Layers[0].Digest {
		t.Errorf("%s, %t", d, ok)
	}
	for _, text := range []string{"", "{}", `{"layers":[{"annotations":{}}]}`} {
		if d, ok := verify.LockOf([]byte(text)); ok {
			t.Errorf("%q has the lock %s", text, d)
		}
	}
}

func TestNoBenchmark(t *testing.T) {
	p := publish(t, nil)
	for _, text := range []string{"", "[]", "{}"} {
		v, err := verify.Benchmark(t.Context(), "small", p.put([]byte(text)), p.store, policy(1), verify.Bytes)
		if err != nil || v.OK || v.Level != "none" || codes(v) != verify.Malformed {
			t.Errorf("%q: %+v, %v", text, v, err)
		}
	}
}
