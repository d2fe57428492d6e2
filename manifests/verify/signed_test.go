package verify_test

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/trust"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// judge verifies the evidence by a policy, at level records.
func (e *evidence) judge(p *trust.Policy) verify.Verdict {
	e.t.Helper()
	v, err := verify.Lock(e.t.Context(), "benchmark.lock", e.text(), e.store, p, verify.Records)
	if err != nil {
		e.t.Fatal(err)
	}
	return v
}

// resign makes another record of a step, of the same work and signed by another key, in place of its own or beside it.
func (e *evidence) resign(step string, key signer, beside bool) {
	e.t.Helper()
	id := e.entry(step).Action
	d := e.recordBy(key, e.actionOf(step), e.kinds[step], step)
	if beside {
		e.more[id] = append(e.more[id], d)
		return
	}
	e.records[id] = d
}

// reseal changes the envelope of a step's record and leaves everything around it in order.
func (e *evidence) reseal(step string, change func(*rawEnvelope)) {
	e.t.Helper()
	e.relayer(step, func(text []byte) (string, []byte) {
		open, err := envelope.Open(text)
		if err != nil {
			e.t.Fatal(err)
		}
		raw := rawEnvelope{Payload: open.Payload, PayloadType: open.Type, Signatures: []rawSignature{{open.Signatures[0].KeyID, open.Signatures[0].Sig}}}
		change(&raw)
		out, err := canonical.Marshal(raw)
		if err != nil {
			e.t.Fatal(err)
		}
		return provenance.EnvelopeType, out
	})
}

// rawEnvelope is what a forger writes: base64 is how JSON has bytes.
type rawEnvelope struct {
	Payload     []byte         `json:"payload"`
	PayloadType string         `json:"payloadType"`
	Signatures  []rawSignature `json:"signatures"`
}

type rawSignature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

// relayer puts another first layer into the record of a step.
func (e *evidence) relayer(step string, change func([]byte) (string, []byte)) {
	e.t.Helper()
	id := e.entry(step).Action
	m := e.manifestOf(e.records[id])
	mediaType, text := change(e.blobs[m.Layers[0].Digest])
	m.Layers[0] = e.layer(mediaType, text)
	e.records[id] = e.keep(e.t, m).Digest
}

func TestSigned(t *testing.T) {
	e := rebuild(t, bench(), nil)
	v := e.judge(policy(1))
	if !v.OK || !v.Signed.OK || v.Signed.Steps != 8 || v.Signed.Of != 8 || v.Signed.By["rebuilder"] != 8 || len(v.Signed.Unknown) > 0 || v.Signed.Policy != "trust.yaml" {
		t.Errorf("%+v, signed %+v", v, v.Signed)
	}
	for _, s := range v.Steps {
		if s.Level != verify.Records || !slices.Equal(s.Signed, []string{"rebuilder"}) || len(s.Unseen) > 0 {
			t.Errorf("%+v", s)
		}
	}
	if v := e.judge(policy(2)); v.OK || v.Signed.OK || v.Level != verify.None || codes(v) != verify.RecordUntrusted || len(v.Problems) != 8 {
		t.Errorf("one of two has signed: %+v", v)
	}
	for _, s := range e.lock.Steps {
		e.resign(s.Name, friend, true)
	}
	if v := e.judge(policy(2)); !v.OK || !v.Signed.OK || v.Signed.By["friend"] != 8 || v.Checked.Records != 16 {
		t.Errorf("both have signed: %+v %+v", v, v.Signed)
	}
	if _, err := verify.Lock(t.Context(), "x", e.text(), e.store, nil, verify.Records); err == nil {
		t.Error("verified without a policy")
	}
}

// TestStrangers: who knows nobody is told who signed; who knows the rebuilder refuses all others.
func TestStrangers(t *testing.T) {
	e := rebuild(t, bench(), nil)
	if v := e.judge(trust.Nobody()); !v.OK || v.Signed.OK || v.Signed.Unknown[rebuilder.public().ID] != 8 || v.Level != verify.Records {
		t.Errorf("%+v", v.Signed)
	}
	e.resign(trained, stranger, false)
	if v := e.judge(trust.Nobody()); !v.OK || v.Signed.Unknown[stranger.public().ID] != 1 {
		t.Errorf("%+v", v.Signed)
	}
	v := e.judge(policy(1))
	if v.OK || v.Signed.Steps != 7 || len(v.Problems) != 1 || v.Problems[0].Code != verify.RecordUntrusted || v.Problems[0].Step != trained || !strings.Contains(v.Problems[0].Got, stranger.public().ID) {
		t.Errorf("%+v", v.Problems)
	}
	e.resign(trained, rebuilder, true)
	if v := e.judge(policy(1)); !v.OK || v.Signed.Steps != 8 {
		t.Errorf("with the rebuilder's record beside it: %+v", v.Problems)
	}
}

func TestForgedSignatures(t *testing.T) {
	for name, c := range map[string]struct {
		forge func(e *evidence)
		want  string
		free  bool // whether those who know nobody find nothing
	}{
		"not signed": {func(e *evidence) {
			e.relayer(trained, func(text []byte) (string, []byte) {
				open, err := envelope.Open(text)
				if err != nil {
					e.t.Fatal(err)
				}
				return provenance.MediaType, open.Payload
			})
		}, verify.RecordUnsigned, true},
		"posing as the rebuilder": {func(e *evidence) {
			e.reseal(trained, func(r *rawEnvelope) {
				sig, err := stranger.Sign(context.Background(), envelope.Envelope{Type: r.PayloadType, Payload: r.Payload}.Signed())
				if err != nil {
					e.t.Fatal(err)
				}
				r.Signatures[0].Sig = sig
			})
		}, verify.SignatureWrong, true},
		"one bit of the signature": {func(e *evidence) { e.reseal(trained, func(r *rawEnvelope) { r.Signatures[0].Sig[3] ^= 1 }) }, verify.SignatureWrong, true},
		"no signature's bytes":     {func(e *evidence) { e.reseal(trained, func(r *rawEnvelope) { r.Signatures[0].Sig = []byte{} }) }, verify.SignatureWrong, true},
		"signature of another step": {func(e *evidence) {
			e.reseal("fetch/ecg", func(other *rawEnvelope) {
				e.reseal(trained, func(r *rawEnvelope) { r.Signatures = other.Signatures })
			})
		}, verify.SignatureWrong, true},
		"other times": {func(e *evidence) {
			e.reseal(trained, func(r *rawEnvelope) {
				r.Payload = []byte(strings.ReplaceAll(string(r.Payload), "1970-01-01T00:00:01Z", "1971-01-01T00:00:01Z"))
			})
		}, verify.SignatureWrong, true},
		"no envelope": {func(e *evidence) {
			e.relayer(trained, func([]byte) (string, []byte) { return provenance.EnvelopeType, []byte("{}") })
		}, verify.RecordDiffers, false},
		"another payload type": {func(e *evidence) { e.reseal(trained, func(r *rawEnvelope) { r.PayloadType = "text/plain" }) }, verify.RecordDiffers, false},
		"signed statement of something else": {func(e *evidence) {
			e.relayer(trained, func([]byte) (string, []byte) {
				return provenance.EnvelopeType, e.seal(rebuilder, []byte(`{"_type":"x"}`))
			})
		}, verify.RecordDiffers, false},
		"numbers of another evaluation": {func(e *evidence) {
			of := func(step string) []byte {
				return e.evaluation(rebuilder, e.actionOf(step), e.kinds[step].Digest, step, metrics("x").Metrics)
			}
			e.renumber(of("evaluate/test/single/xray"))
		}, verify.RecordDiffers, false},
		"better numbers": {func(e *evidence) {
			e.renumber(e.evaluation(rebuilder, e.actionOf(evaluated), e.kinds[evaluated].Digest, evaluated, metrics("a longer name").Metrics))
		}, verify.RecordDiffers, false},
		"numbers that nobody names": {func(e *evidence) {
			id := e.entry(evaluated).Action
			m := e.manifestOf(e.records[id])
			m.Layers[1] = e.layer(provenance.EnvelopeType, e.evaluation(rebuilder, e.actionOf(evaluated), e.kinds[evaluated].Digest, evaluated, metrics("y").Metrics))
			e.records[id] = e.keep(e.t, m).Digest
		}, verify.RecordDiffers, false},
	} {
		e := rebuild(t, bench(), nil)
		c.forge(e)
		v := e.judge(policy(1))
		if v.OK || codes(v) != c.want || v.Level != verify.None {
			t.Errorf("%s: %q, level %s, %+v; want %s", name, codes(v), v.Level, v.Problems, c.want)
		}
		for _, p := range v.Problems {
			if p.Step != trained && p.Step != evaluated || !strings.HasPrefix(p.Path, "record") {
				t.Errorf("%s: says it is in %+v", name, p)
			}
		}
		if v := e.judge(trust.Nobody()); v.OK != c.free {
			t.Errorf("%s: who knows nobody finds OK %t", name, v.OK)
		}
	}
}

// TestNumbersOfAnother: numbers count for the action and the artifact that they are said to be of, whoever has signed them.
func TestNumbersOfAnother(t *testing.T) {
	for name, of := range map[string]struct{ action, artifact string }{"another action": {trained, evaluated}, "another artifact": {evaluated, trained}} {
		e := rebuild(t, bench(), nil)
		e.renumber(e.evaluation(rebuilder, e.actionOf(of.action), e.kinds[of.artifact].Digest, evaluated, metrics(evaluated).Metrics))
		if v := e.judge(policy(1)); codes(v) != verify.RecordDiffers || v.Problems[0].Path != "record/evaluation" || !strings.HasPrefix(v.Problems[0].Got, "action ") {
			t.Errorf("%s: %+v", name, v.Problems)
		}
	}
}

// renumber makes a record of the evaluation that names other numbers, all of it signed.
func (e *evidence) renumber(numbers []byte) {
	e.t.Helper()
	text, err := provenance.New(e.actionOf(evaluated), e.kinds[evaluated].Digest, provenance.Execution{Step: evaluated, Evaluation: numbers})
	if err != nil {
		e.t.Fatal(err)
	}
	e.records[e.entry(evaluated).Action] = e.tie(e.kinds[evaluated], e.layer(provenance.EnvelopeType, e.seal(rebuilder, text)), e.layer(provenance.EnvelopeType, numbers))
}

// TestWithoutData: the lock, the plan and the records prove the chain and every number, and it is told what was not seen.
func TestWithoutData(t *testing.T) {
	e := rebuild(t, bench(), nil)
	keep := map[digest.Digest]bool{e.lock.Plan: true}
	for _, r := range e.records {
		keep[r] = true
		for _, l := range e.manifestOf(r).Layers {
			keep[l.Digest] = true
		}
	}
	maps.DeleteFunc(e.blobs, func(d digest.Digest, _ []byte) bool { return !keep[d] })
	v := e.judge(policy(1))
	if !v.OK || v.Level != verify.Records || !v.Signed.OK || v.Unseen() != 8 {
		t.Errorf("%+v", v)
	}
	for _, s := range v.Steps {
		if s.Level != verify.Records || !slices.Contains(s.Unseen, "manifest") {
			t.Errorf("%+v", s)
		}
	}
	bytes := e.check(e.text(), verify.Bytes)
	if bytes.OK || bytes.Level != verify.Records || codes(bytes) != verify.BlobMissing {
		t.Errorf("level bytes: %+v", bytes)
	}
	value := 0.99
	e.lock.Results[0].Value = &value
	if v := e.judge(policy(1)); v.OK || codes(v) != verify.ResultDiffers {
		t.Errorf("a number of nobody: %+v", v.Problems)
	}
}

// TestSomeData: each step has its own level.
func TestSomeData(t *testing.T) {
	e := rebuild(t, bench(), nil)
	delete(e.blobs, e.manifestOf(e.kinds["curate/ecg"].Digest).Layers[1].Digest)
	v := e.check(e.text(), verify.Bytes)
	for _, s := range v.Steps {
		want := verify.Bytes
		if s.Name == "curate/ecg" {
			want = verify.Records
		}
		if s.Level != want || (len(s.Unseen) > 0) != (want == verify.Records) {
			t.Errorf("%+v, want level %s", s, want)
		}
	}
	if v.OK || v.Level != verify.Records || v.Unseen() != 1 {
		t.Errorf("%+v", v)
	}
}

// TestBenchmarkWithoutData: what the index lists and is not here is told, and the chain is proven nevertheless.
func TestBenchmarkWithoutData(t *testing.T) {
	p := publish(t, nil)
	keep := map[digest.Digest]bool{p.lock.Plan: true}
	for _, m := range p.index.Manifests {
		if m.ArtifactType == provenance.MediaType || m.Annotations[verify.StepKey] == verify.DocumentsStep {
			keep[m.Digest] = true
			for _, l := range p.manifestOf(m.Digest).Layers {
				keep[l.Digest] = true
			}
		}
	}
	maps.DeleteFunc(p.blobs, func(d digest.Digest, _ []byte) bool { return !keep[d] })
	v := p.verify(verify.Records)
	if !v.OK || v.Level != verify.Records || !v.Signed.OK || v.Signed.Of != 9 || v.Unseen() != 9 {
		t.Errorf("%+v %+v", v, v.Signed)
	}
	if v := p.verify(verify.Bytes); v.OK || v.Level != verify.Records || codes(v) != verify.BlobMissing {
		t.Errorf("level bytes: %q, %s", codes(v), v.Level)
	}
}

// TestListedBesides: an artifact that only the index names is looked at like the others.
func TestListedBesides(t *testing.T) {
	for name, harm := range map[string]func(p *published, m digest.Digest){
		"manifest gone":   func(p *published, m digest.Digest) { delete(p.blobs, m) },
		"layer gone":      func(p *published, m digest.Digest) { delete(p.blobs, p.manifestOf(m).Layers[0].Digest) },
		"layer altered":   func(p *published, m digest.Digest) { p.blobs[p.manifestOf(m).Layers[0].Digest] = []byte("x") },
		"of a known name": func(*published, digest.Digest) {},
	} {
		p := publish(t, nil)
		extra := p.packed(artifact.Evaluation, map[string]string{"notes.txt": "hello"})
		extra.Annotations = map[string]string{verify.StepKey: "notes"}
		if name == "of a known name" {
			extra.Annotations[verify.StepKey] = trained
			delete(p.blobs, p.manifestOf(extra.Digest).Layers[0].Digest)
		}
		p.index.Manifests = append(p.index.Manifests, extra)
		if v := p.verify(verify.Bytes); (name != "of a known name") != v.OK {
			t.Errorf("%s: before: %+v", name, v.Problems)
		}
		harm(p, extra.Digest)
		if v := p.verify(verify.Bytes); v.OK || len(v.Problems) == 0 || v.Problems[0].Step != extra.Annotations[verify.StepKey] {
			t.Errorf("%s: %+v", name, v.Problems)
		}
	}
}

// TestGoneRecord: what the chain has missed is not missed again because the index lists it.
func TestGoneRecord(t *testing.T) {
	p := publish(t, nil)
	gone := p.records[p.entry(trained).Action]
	delete(p.blobs, gone)
	n := 0
	for _, problem := range p.verify(verify.Bytes).Problems {
		if problem.Digest == gone {
			n++
		}
	}
	if n != 1 {
		t.Errorf("said %d times", n)
	}
}

// TestManySteps: many cores find what one finds, in the same order.
func TestManySteps(t *testing.T) {
	b := bench()
	for i := range 100 {
		b.Datasets[fmt.Sprintf("d%d", i)] = b.Datasets["ecg"]
	}
	e := rebuild(t, b, nil)
	for _, s := range e.lock.Steps[:150] {
		if strings.HasPrefix(s.Name, "curate") {
			e.blobs[s.Artifact] = []byte("x")
		}
	}
	all := e.judge(policy(1))
	was := runtime.GOMAXPROCS(1)
	one := e.judge(policy(1))
	runtime.GOMAXPROCS(max(was, 4))
	four := e.judge(policy(1))
	r := &remembering{e.store, map[digest.Digest]time.Time{}, map[digest.Digest]bool{}} // which only one goroutine may use
	if _, err := verify.Lock(t.Context(), "benchmark.lock", e.text(), r, policy(1), verify.Unchanged); err != nil || len(r.right) < 600 {
		t.Errorf("%d blobs were found right, %v", len(r.right), err)
	}
	runtime.GOMAXPROCS(was)
	if diff := cmp.Diff(one, four); diff != "" || len(one.Problems) < 50 || len(one.Steps) != 208 || cmp.Diff(one, all) != "" {
		t.Errorf("%d problems of %d steps (-one +four):\n%s", len(one.Problems), len(one.Steps), diff)
	}
}
