package verify

import (
	"fmt"

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
// not the action itself.
func (v *verifier) bound(p *plan.Plan, s lock.Step, artifacts map[string]digest.Digest) bool {
	step, ok := p.Find(s.Name)
	if !ok {
		v.problem(Problem{Code: LockEdited, Path: "benchmark.lock", Digest: s.Action, Want: "a step of the plan", Got: s.Name})
		return false
	}
	if want := step.Plugin.String(); want != s.Plugin {
		v.problem(Problem{Code: ActionDiffers, Path: "plugin", Digest: s.Action, Want: want, Got: s.Plugin})
	}
	a, err := step.Bind(func(name string) (digest.Digest, bool) { d, ok := artifacts[name]; return d, ok })
	if err != nil {
		v.problem(Problem{Code: ActionDiffers, Path: "inputs", Digest: s.Action, Got: err.Error()})
		return false
	}
	id, err := a.ID()
	if err != nil || id.Digest() != s.Action {
		v.problem(Problem{Code: ActionDiffers, Path: "action", Digest: s.Action, Want: id.String(), Got: s.Action.String()})
	}
	return err == nil && id.Digest() == s.Action
}

// action checks the action of an entry against the plan, if there is one, and that it is in the store.
func (v *verifier) action(p *plan.Plan, s lock.Step, artifacts map[string]digest.Digest) {
	bound := p != nil && v.bound(p, s, artifacts)
	text, ok := v.read(s.Action, "action")
	if !ok || bound { // what has the digest of the bound action is its bytes
		return
	}
	if _, err := action.Parse(text); err != nil {
		v.problem(Problem{Code: Malformed, Path: "action", Digest: s.Action, Got: err.Error()})
	}
}

// artifact checks the manifest of an artifact and notes its parts.
func (v *verifier) artifact(d digest.Digest) {
	text, ok := v.read(d, "manifest")
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

// record checks the statement that the action gave the artifact.
func (v *verifier) record(s lock.Step) {
	d, err := v.store.Record(v.ctx, s.Action, s.Artifact)
	if err != nil || d == "" {
		v.problem(Problem{Code: RecordMissing, Path: "record", Digest: s.Action, Want: "a record of the action", Got: fmt.Sprint(err)})
		return
	}
	text, ok := v.read(d, "record")
	if !ok {
		return
	}
	m, err := artifact.ParseManifest(text)
	if err != nil || len(m.Layers) == 0 || m.Subject == nil {
		v.problem(Problem{Code: Malformed, Path: "record", Digest: d, Want: "a manifest with a subject and a layer", Got: fmt.Sprint(err)})
		return
	}
	v.parts = append(v.parts, part{step: v.step, digest: d, manifest: m, folder: "record/"})
	if n, read := v.seen[s.Artifact]; m.Subject.Digest != s.Artifact || read && m.Subject.Size != n {
		v.problem(Problem{Code: RecordDiffers, Path: "record/subject", Digest: d,
			Want: fmt.Sprintf("%s of %d bytes", s.Artifact, n), Got: fmt.Sprintf("%s of %d bytes", m.Subject.Digest, m.Subject.Size)})
	}
	v.statement(s, m)
}

func (v *verifier) statement(s lock.Step, m ocispec.Manifest) {
	layer := m.Layers[0]
	text, ok := v.read(layer.Digest, "record/statement")
	if !ok {
		return
	}
	v.out.Checked.Records++
	differs := func(want, got string) {
		v.problem(Problem{Code: RecordDiffers, Path: "record/statement", Digest: layer.Digest, Want: want, Got: got})
	}
	st, err := provenance.Parse(text)
	if err != nil {
		differs("", err.Error())
		return
	}
	if id := st.Predicate.BuildDefinition.ExternalParameters.ID; id.Digest() != s.Action {
		differs("action "+s.Action.String(), "action "+id.String())
	}
	if st.Artifact() != s.Artifact {
		differs("artifact "+s.Artifact.String(), "artifact "+st.Artifact().String())
	}
	if err := st.CheckLayers(m); err != nil {
		differs("the statement and the approvals that it names", err.Error())
	}
}
