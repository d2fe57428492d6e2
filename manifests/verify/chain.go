package verify

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/provenance"
)

// plan reads the plan that the lock names and checks that both have the same steps.
func (v *verifier) plan(l *lock.Lock) *plan.Plan {
	text, ok := v.read(l.Plan, "plan")
	if !ok {
		return nil
	}
	p, err := plan.Parse(text)
	if err != nil {
		v.problem(Problem{Code: Malformed, Path: "plan", Digest: l.Plan, Got: err.Error()})
		return nil
	}
	if p.Benchmark != l.Benchmark || p.Manifest != l.Manifest {
		v.problem(Problem{Code: PlanDiffers, Path: "benchmark.lock", Digest: l.Plan, Want: p.Benchmark + " " + p.Manifest.String(), Got: l.Benchmark + " " + l.Manifest.String()})
	}
	v.claimed(p, l)
	have := map[string]bool{}
	for _, s := range l.Steps {
		have[s.Name] = true
	}
	for _, s := range p.Steps {
		if !have[s.Name] {
			v.problem(Problem{Code: LockEdited, Step: s.Name, Path: "benchmark.lock", Digest: l.Plan, Want: "an entry for the step", Got: "none"})
		}
	}
	return p
}

// bound checks that the action of an entry is the one that the plan and the lock's artifacts give. It needs
// not the action itself. recorded is the action of a right record, which has the ID of the entry, or nil.
func (v *verifier) bound(planned map[string]plan.Step, s lock.Step, artifacts map[string]digest.Digest, recorded *action.Action) bool {
	step, ok := planned[s.Name]
	if !ok {
		v.problem(Problem{Code: LockEdited, Path: "benchmark.lock", Digest: s.Action, Want: "a step of the plan", Got: s.Name})
		return false
	}
	if want := step.Plugin.String(); want != s.Plugin {
		v.problem(Problem{Code: ActionDiffers, Path: "plugin", Digest: s.Action, Want: want, Got: s.Plugin})
	}
	if want := step.Rerun; want != s.Rerun {
		v.problem(Problem{Code: BoundsChanged, Path: "rerun", Digest: s.Action, Want: want.String(), Got: s.Rerun.String()})
	}
	a, err := step.Bind(func(name string) (digest.Digest, bool) { d, ok := artifacts[name]; return d, ok })
	if err != nil {
		v.problem(Problem{Code: ActionDiffers, Path: "inputs", Digest: s.Action, Got: err.Error()})
		return false
	}
	if recorded != nil && action.Same(a, *recorded) {
		return true
	}
	id, err := a.ID()
	if err != nil || id.Digest() != s.Action {
		v.problem(Problem{Code: ActionDiffers, Path: "action", Digest: s.Action, Want: id.String(), Got: s.Action.String()})
	}
	return err == nil && id.Digest() == s.Action
}

// action checks the action of an entry against the plan, if there is one, and that it is in the store. Where a record
// holds it, a copy without the data can do without.
func (v *verifier) action(planned map[string]plan.Step, s lock.Step, artifacts map[string]digest.Digest, recorded *action.Action) {
	bound := planned != nil && v.bound(planned, s, artifacts, recorded)
	text, ok := v.readIf(recorded != nil, s.Action, "action")
	if !ok || bound { // what has the digest of the bound action is its bytes
		return
	}
	if _, err := action.Parse(text); err != nil {
		v.problem(Problem{Code: Malformed, Path: "action", Digest: s.Action, Got: err.Error()})
	}
}

// artifact checks the manifest of an artifact and notes its parts. The chain holds without it.
func (v *verifier) artifact(d digest.Digest) {
	v.followed[d] = true
	text, ok := v.readIf(v.out.Scope != ArtifactScope, d, "manifest")
	if !ok {
		return
	}
	m, err := artifact.ParseManifest(text)
	if err != nil {
		v.problem(Problem{Code: Malformed, Path: "manifest", Digest: d, Got: err.Error()})
		return
	}
	v.parts = append(v.parts, part{step: v.step, digest: d, manifest: m})
}

// records checks the statements that the action gave the artifact, and who vouches for that. It returns the action, if one
// holds it.
func (v *verifier) records(s lock.Step) *action.Action {
	all, err := v.store.Records(v.ctx, s.Action, s.Artifact)
	if err != nil || len(all) == 0 {
		v.problem(Problem{Code: RecordMissing, Path: "record", Digest: s.Action, Want: "a record of the action", Got: fmt.Sprint(err)})
		return nil
	}
	var right []provenance.Record
	for _, d := range all {
		if r, ok := v.record(s, d); ok {
			right = append(right, r)
		}
	}
	if len(right) == 0 {
		return nil
	}
	v.vouched(all[0], right)
	if s.Name == DocumentsStep {
		v.documented(right)
	}
	return &right[0].Predicate.BuildDefinition.ExternalParameters.Action
}

// documented notes the proof of the ledger and the commitments that the records of the documents name: those of a record
// that the policy trusts, before those of any other. A stranger may have put his first.
func (v *verifier) documented(right []provenance.Record) {
	trusted := func(r provenance.Record) int { return min(len(v.vouch(r).By), 1) }
	slices.SortStableFunc(right, func(x, y provenance.Record) int { return trusted(y) - trusted(x) })
	for _, r := range right {
		v.proof = cmp.Or(v.proof, r.Byproduct(provenance.LedgerName))
		if len(v.commitments) == 0 {
			v.commitments = r.Byproducts(provenance.CommitmentName)
		}
	}
}

// record checks one record.
func (v *verifier) record(s lock.Step, d digest.Digest) (provenance.Record, bool) {
	v.followed[d] = true
	text, ok := v.read(d, "record")
	if !ok {
		return provenance.Record{}, false
	}
	m, err := artifact.ParseManifest(text)
	if err != nil || len(m.Layers) == 0 || m.Subject == nil {
		v.problem(Problem{Code: Malformed, Path: "record", Digest: d, Want: "a manifest with a subject and a layer", Got: fmt.Sprint(err)})
		return provenance.Record{}, false
	}
	v.parts = append(v.parts, part{step: v.step, digest: d, manifest: m, folder: "record/"})
	if n, read := v.seen[s.Artifact]; m.Subject.Digest != s.Artifact || read && m.Subject.Size != n {
		v.problem(Problem{Code: RecordDiffers, Path: "record/subject", Digest: d,
			Want: fmt.Sprintf("%s of %d bytes", s.Artifact, n), Got: fmt.Sprintf("%s of %d bytes", m.Subject.Digest, m.Subject.Size)})
	}
	r, ok := v.statement(s, m)
	v.bundles[d] = r.Envelope != nil && r.Envelope.Bundle != nil
	return r, ok
}

// statement checks what a record says. It is right if nothing new was wrong.
func (v *verifier) statement(s lock.Step, m ocispec.Manifest) (provenance.Record, bool) {
	layer := m.Layers[0]
	text, ok := v.read(layer.Digest, "record/statement")
	if !ok {
		return provenance.Record{}, false
	}
	v.out.Checked.Records++
	before := len(v.out.Problems)
	differs := func(want, got string) {
		v.problem(Problem{Code: RecordDiffers, Path: "record/statement", Digest: layer.Digest, Want: want, Got: got})
	}
	r, err := provenance.ParseRecord(layer, text)
	if err != nil {
		differs("", err.Error())
		return r, false
	}
	if id := r.Predicate.BuildDefinition.ExternalParameters.ID; id.Digest() != s.Action {
		differs("action "+s.Action.String(), "action "+id.String())
	}
	if r.Artifact() != s.Artifact {
		differs("artifact "+s.Artifact.String(), "artifact "+r.Artifact().String())
	}
	if err := r.CheckLayers(m); err != nil {
		differs("the statement and the documents that it names", err.Error())
	} else if d := r.Byproduct(provenance.EvaluationName); d != "" {
		v.evaluation(s, d)
	}
	return r, len(v.out.Problems) == before
}

// evaluation notes the numbers that a record has of an evaluation.
func (v *verifier) evaluation(s lock.Step, d digest.Digest) {
	text, ok := v.read(d, "record/evaluation")
	if !ok {
		return
	}
	e, err := provenance.ParseEvaluation(text)
	switch {
	case err != nil:
		v.problem(Problem{Code: RecordDiffers, Path: "record/evaluation", Digest: d, Got: err.Error()})
	case e.Predicate.Action.Digest() != s.Action || e.Artifact() != s.Artifact:
		v.problem(Problem{Code: RecordDiffers, Path: "record/evaluation", Digest: d,
			Want: fmt.Sprintf("action %s, artifact %s", s.Action, s.Artifact), Got: fmt.Sprintf("action %s, artifact %s", e.Predicate.Action, e.Artifact())})
	default:
		v.numbers[v.step] = e.Predicate
	}
}
